"""Whose oldest is forgotten, against a rule that is spelt out over everything at each step."""

from collections import defaultdict

from hypothesis import example, given, settings
from hypothesis import strategies as st

from vibecell.engine.holdings import Holdings
from vibecell.model.caller import Owner

BUDGET_BYTES = 1000
OWNERS = [Owner(key, user) for key in "abc" for user in (None, "ann", "ben", "cy")]


class Everything:
    """All sizes, by name, of what lives and of what has ended, in the order of the ends."""

    def __init__(self) -> None:
        self.live: dict[str, tuple[Owner, int]] = {}
        self.ended: dict[str, tuple[Owner, int]] = {}

    @property
    def size_bytes(self) -> int:
        return sum(size for _, size in (*self.live.values(), *self.ended.values()))

    def of(self, by: str) -> dict[object, int]:
        sizes: dict[object, int] = defaultdict(int)
        for owner, size in (*self.live.values(), *self.ended.values()):
            sizes[owner.key if by == "key" else owner] += size
        return sizes

    def next_ones(self) -> set[str]:
        """What may be forgotten next: one of several, where sizes are the same."""
        if self.size_bytes <= BUDGET_BYTES:
            return set()
        keys, users = self.of("key"), self.of("user")
        users_of = defaultdict(int)
        for owner in users:
            assert isinstance(owner, Owner)
            users_of[owner.key] += 1
        could: dict[Owner, str] = {}
        for name, (owner, _) in self.ended.items():
            parts = len(keys) * users_of[owner.key]
            above = keys[owner.key] > BUDGET_BYTES / len(keys)
            if above and users[owner] > BUDGET_BYTES / parts:
                could.setdefault(owner, name)
        most = max(((keys[o.key], users[o]) for o in could), default=(0, 0))
        return {name for o, name in could.items() if (keys[o.key], users[o]) == most}


STEPS = st.lists(
    st.tuples(st.sampled_from(OWNERS), st.integers(1, 400), st.integers(0, 3), st.booleans()),
    max_size=40,
)
FLOOD = [(Owner("a"), 300, 0, True), (Owner("b"), 200, 0, True)] + 9 * [(Owner("a"), 300, 0, True)]
USER_FLOOD = [(Owner("a", "ben"), 100, 0, True)] + 9 * [(Owner("a", "ann"), 300, 0, True)]
LIVE_FLOOD = [(Owner("b"), 400, 0, True)] + 9 * [(Owner("a"), 400, 0, False)]


@settings(max_examples=200, deadline=None)
@given(STEPS)
@example(FLOOD)
@example(USER_FLOOD)
@example(LIVE_FLOOD)
def test_the_oldest_of_whoever_keeps_most_goes_first(
    steps: list[tuple[Owner, int, int, bool]],
) -> None:
    holdings, everything = Holdings(), Everything()

    def forget(name: str) -> None:
        owner, size = everything.ended.pop(name)
        assert name not in {n for n, (o, _) in everything.ended.items() if o == owner}
        holdings.forgotten(owner, size)

    def end(name: str) -> None:
        owner, size = everything.live.pop(name)
        holdings.add(owner, size // 2 - size)  # it takes less than it did
        holdings.ended(owner, name)
        everything.ended[name] = owner, size // 2

    for at, (owner, size, over, ends) in enumerate(steps):
        holdings.add(owner, 2 * size)
        everything.live[str(at)] = owner, 2 * size
        if ends:
            end(str(at))
        for name in list(everything.ended)[:over]:  # their time is over, in the order of the ends
            forget(name)
        while (name := holdings.excess(BUDGET_BYTES)) is not None:
            assert name in everything.next_ones()
            forget(name)
        assert not everything.next_ones()
        assert holdings.size_bytes == everything.size_bytes
        assert all(holdings.of(o) == everything.of("user").get(o, 0) for o in OWNERS)
        assert sum(size for _, size in everything.ended.values()) <= BUDGET_BYTES
    for name in list(everything.live):
        end(name)
    for name in list(everything.ended):
        forget(name)
    assert (holdings.size_bytes, len(holdings)) == (0, 0)


def test_what_is_not_so_any_more_takes_no_memory() -> None:
    """An owner who comes and goes, or grows and shrinks, for ever."""
    holdings = Holdings()
    for at in range(300):
        holdings.add(Owner("stays", str(at)), 10)
        holdings.ended(Owner("stays", str(at)), str(at))
    goes, swings = Owner("goes"), Owner("stays", "0")
    for at in range(5000):
        holdings.add(goes, 10)
        holdings.ended(goes, f"goes {at}")
        holdings.add(swings, 1000 + at)
        assert holdings.excess(10**9) is None
        holdings.add(swings, -1000 - at)
        holdings.forgotten(goes, 10)
    entries = sum(len(key.ranking._heap) for key in holdings._keys.values())
    assert entries <= 2 * 300 + 64
    assert len(holdings._ranking._heap) <= 2 + 64
