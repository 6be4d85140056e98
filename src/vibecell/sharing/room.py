"""Who may fill how much of a place where many wait.

Owns the one rule by which a bounded number of places is never one owner's. Pure.

What is accepted is never refused later, so nobody is turned out for a newcomer; places are held
free for him instead. One owner may fill four fifths of what the others leave: of a hundred places
one alone fills 80, two fill 44 each, three 31 each. So what stays free shrinks as more fill
theirs, and is there for whoever has none yet, for up to about a fifth as many owners as places.
"""


def room(places: int, others: int) -> int:
    """How many of these places one may fill where others have filled so many."""
    free = places - others
    return max(free * 4 // 5, min(free, 1))


def rooms(places: int, held: int, of_key: int, of_user: int) -> tuple[int, int]:
    """How many of these places a key may fill, and how many of that one of its users.

    Args:
        places: for everybody.
        held: by everybody.
        of_key: held by that key's users, and by it.
        of_user: held by that user.
    """
    for_key = room(places, held - of_key)
    return for_key, room(for_key, of_key - of_user)


def places_for(alone: int) -> int:
    """How many places there have to be so that one owner alone may fill so many."""
    return -(-alone * 5 // 4)
