"""Who asks in the tests, where it matters to whom something belongs, and on which day."""

import time

from vibecell.model.caller import Account, Owner

ME = Account(Owner("me"))
YOU = Account(Owner("you"))
ANOTHER = Account(Owner("another"))


def wait_for_a_day(least_s: float = 60.0) -> None:
    """Return when the day in UTC still lasts for so long: what is used of it would be no more."""
    while 86_400 - time.time() % 86_400 < least_s:
        time.sleep(0.5)
