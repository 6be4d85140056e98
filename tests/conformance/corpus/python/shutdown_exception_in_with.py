import contextlib


@contextlib.contextmanager
def shown():
    try:
        yield
    finally:
        print("left")


with shown():
    for number in [1, 0]:
        1 / number
