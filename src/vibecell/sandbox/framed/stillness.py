"""Whether a program waits for input and does nothing else.

Owns the judgement, by what is seen from outside at one look a second and by what happens in
between; refuses to say what follows from it. What cannot be seen is no stillness: a program
whose processor time nobody counts might be computing.
"""

from collections.abc import Callable

# Of one look to the next; who waits uses none at all, so this is for what the kernel rounds.
MOST_CPU_MS = 1.0


class Stillness:
    """What is known of one program.

    Args:
        tell: told true at each look that finds it still, and false once when it is no more.
    """

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell
        self._is_still = False
        self._seen: tuple[float, int] | None = None

    def look(self, cpu_time_ms: float | None, output_bytes: int, input_is_left: bool) -> None:
        """See how far it is; still is who is no further than at the last look.

        Args:
            cpu_time_ms: what it has used; ``None``: nobody counts.
            output_bytes: what it has printed.
            input_is_left: whether it was sent something that has not gone to it yet.
        """
        seen, self._seen = self._seen, None
        if cpu_time_ms is None:
            return self.move()
        self._seen = cpu_time_ms, output_bytes
        if input_is_left or seen is None or output_bytes != seen[1]:
            return self.move()
        if cpu_time_ms - seen[0] >= MOST_CPU_MS:
            return self.move()
        self._is_still = True
        return self._tell(True)

    def move(self) -> None:
        """Something happens to it, or it does something."""
        if self._is_still:
            self._is_still = False
            self._tell(False)
