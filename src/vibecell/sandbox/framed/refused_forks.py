"""Whether a program that was refused a process or a thread still gets anywhere.

Owns the rule; refuses to look, and to end anybody. Most programs end by themselves when a
fork is refused, and some get along: they try again, or do with fewer. But a library may
wait for ever for the thread that it could not start, asleep or, as OpenBLAS does,
spinning, and no look at it tells that from work. So the rule is of what can be seen from
outside: who is refused has a little time to complain, and then has to say something, or to
start or lose a process, before ``PATIENCE_S`` are over. Who does so twice has got along, until
the next refusal.

Until something was refused, looks are taken ever more seldom, up to ``SELDOM_S``: most programs
are refused nothing in all their life, and a look costs the engine a call of the kernel for each.
Then they are taken every ``LOOK_S``.

While input is open the rule does not hold: a program that is silent may wait for a person.
"""

from dataclasses import dataclass

LOOK_S = 0.2
SELDOM_S = 1.0
PATIENCE_S = 2.0
_SIGNS = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a program.

    Attributes:
        refusals: forks refused since its start.
        processes: processes and threads there are now.
        output_bytes: what it has said up to now.
    """

    refusals: int
    processes: int
    output_bytes: int


class ForkWatch:
    """Judges looks that are taken every ``LOOK_S``, once a refusal was seen.

    Attributes:
        look_s: how long until the next look.
    """

    def __init__(self) -> None:
        self.look_s = LOOK_S
        self._forgiven = 0  # refusals that it has got along with
        self._before: Seen | None = None  # what has to change
        self._noticed = False
        self._looks = self._signs = 0

    def saw_no_refusal(self) -> None:
        """Nothing was refused up to now: the next look may be later."""
        self.look_s = min(SELDOM_S, 2 * self.look_s)

    def is_stuck(self, seen: Seen) -> bool:
        """Whether this look tells that it gets nowhere."""
        self.look_s = LOOK_S
        if not self._noticed:
            self._noticed = seen.refusals > self._forgiven
            return False
        before, self._looks = self._before, self._looks + 1
        if before is None or (seen.processes, seen.output_bytes) != (
            before.processes,
            before.output_bytes,
        ):
            self._signs = 0 if before is None else self._signs + 1
            self._before, self._looks = seen, 0
        if self._signs == _SIGNS:
            self._noticed, self._before, self._forgiven = False, None, seen.refusals
        return self._looks * LOOK_S >= PATIENCE_S
