from .till import Till


def open_shop():
    with Till() as till:
        till.charge("apple", None)
