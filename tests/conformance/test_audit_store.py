"""What every store of an audit promises, tried on each: laws in sharing/audit.py."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibecell.model.execution import Usage
from vibecell.model.verdicts import Verdict
from vibecell.sharing.audit import (
    AuditQuery,
    AuditRecord,
    AuditStore,
    Executed,
    Granted,
)
from vibecell.sharing.memory_audit import MemoryAudit
from vibecell.sharing.sqlite_audit import SqliteAudit

ODD = "'; DROP TABLE acts; --  ünï\u202ecode \\ \" {}"
USAGE = Usage(1.5, None, 2**40, 3, 0)


def executed(verdict: Verdict = Verdict.ACCEPTED) -> Executed:
    return Executed(
        id="x" * 24, language="python", sha256="a" * 64, size_bytes=9, files=1, begun_at_us=3,
        verdict=verdict, usage=USAGE, place="",
    )  # fmt: skip


def act(at_us: int, **others: Any) -> AuditRecord:
    return AuditRecord(at_us=at_us, act=others.pop("act", "execution"), **others)


FULL = act(
    2**53, act="token_issued", key="shop", key_name="Shop ✓", user=ODD, credential="key",
    address="2001:db8::1", request_id="request-1", uid=0, login_uid=1000, reason="revoked",
    count=7, granted=Granted(scopes=("execute", "read"), expires_at_us=2**54),
    execution=executed(Verdict.TIME_LIMIT_EXCEEDED),
)  # fmt: skip


def opened(kind: str, directory: Path) -> AuditStore:
    made: AuditStore = MemoryAudit() if kind == "memory" else SqliteAudit(directory)
    made.open()
    return made


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AuditStore]:
    made = opened(request.param, tmp_path / "audit")
    yield made
    made.close()


def read(store: AuditStore, **query: Any) -> list[AuditRecord]:
    return list(store.read(AuditQuery(**query)))


def test_an_act_is_kept_with_all_that_it_has(store: AuditStore) -> None:
    plain = act(5)
    store.append([FULL, plain])
    assert read(store) == [plain, FULL]


def test_a_new_audit_has_nothing(store: AuditStore) -> None:
    assert read(store) == read(store, newest=3) == []
    assert store.prune_before(2**60) == store.prune_to(2**30) == 0


def test_acts_of_one_moment_stay_in_the_order_they_came(store: AuditStore) -> None:
    came = [act(7, count=n) for n in range(1200)]  # more than are read at once
    store.append(came)
    assert read(store) == came
    assert read(store, newest=601) == came[-601:]


def test_what_is_older_goes_from_the_beginning_alone(store: AuditStore) -> None:
    """A clock that was an hour ahead for a while keeps acts for longer, and costs none."""
    came = [act(1), act(2), act(3_600_000), act(3), act(4)]
    store.append(came)
    assert store.prune_before(4) == 2
    assert sorted(read(store), key=lambda record: record.at_us) == [act(3), act(4), act(3_600_000)]
    assert store.prune_before(4) == 0
    assert store.prune_before(2**60) == 3
    assert read(store) == []


def test_what_is_appended_after_pruning_all_is_there(store: AuditStore) -> None:
    store.append([act(1)])
    store.prune_before(2)
    store.append([act(1), act(5)])
    assert read(store) == [act(1), act(5)]


def test_pruned_to_a_size_the_newest_are_left(store: AuditStore) -> None:
    came = [act(n, user=f"{n:0100}", execution=executed()) for n in range(2000)]
    store.append(came)
    most_bytes = store.size_bytes() // 2
    removed = store.prune_to(most_bytes)
    assert store.size_bytes() <= most_bytes
    assert read(store) == came[removed:]
    assert 0 < removed < len(came) * 3 // 4, "no more than needed, or nearly"
    store.prune_to(0)
    assert read(store) == []


MOMENTS = st.integers(0, 9)
KEYS = st.sampled_from((None, "shop", "school"))
USERS = st.sampled_from((None, "ann", ODD))
VERDICTS = st.sampled_from((None, Verdict.ACCEPTED, Verdict.CANCELLED))
ACTS = st.sampled_from(("execution", "key_created", "token_issued"))
RECORDS = st.lists(
    st.builds(
        lambda at_us, what, key, user, verdict: act(
            at_us,
            act=what,
            key=key,
            user=user,
            execution=None if verdict is None else executed(verdict),
        ),
        MOMENTS, ACTS, KEYS, USERS, VERDICTS,
    ),
    max_size=30,
)  # fmt: skip
QUERIES = st.builds(
    AuditQuery,
    since_us=MOMENTS,
    before_us=st.none() | MOMENTS,
    key=KEYS,
    user=USERS,
    verdict=VERDICTS,
    act=st.none() | ACTS,
    newest=st.none() | st.integers(1, 9),
)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(RECORDS, max_size=3), asked=QUERIES, pruned=st.none() | MOMENTS)
def test_what_is_asked_for_is_what_a_list_has(
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    batches: Sequence[list[AuditRecord]],
    asked: AuditQuery,
    pruned: int | None,
) -> None:
    made = opened(kind, tmp_path_factory.mktemp("audit") / "audit")
    try:
        kept: list[AuditRecord] = []
        for batch in batches:
            made.append(batch)
            kept += batch
        if pruned is not None:
            young = next((n for n, x in enumerate(kept) if x.at_us >= pruned), len(kept))
            assert made.prune_before(pruned) == young
            kept = kept[young:]
        found = [
            record
            for record in sorted(kept, key=lambda record: record.at_us)
            if record.at_us >= asked.since_us
            and (asked.before_us is None or record.at_us < asked.before_us)
            and (asked.key is None or record.key == asked.key)
            and (asked.user is None or record.user == asked.user)
            and (asked.act is None or record.act == asked.act)
            and (asked.verdict is None or record.verdict is asked.verdict)
        ]
        if asked.newest is not None:
            found = found[-asked.newest :]
        assert list(made.read(asked)) == found
    finally:
        made.close()
