"""Who asks in the tests, where it matters to whom something belongs."""

from vibecell.model.caller import Account, Owner

ME = Account(Owner("me"))
YOU = Account(Owner("you"))
ANOTHER = Account(Owner("another"))
