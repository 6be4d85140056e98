"""The module's docstring."""

x: int = 1
print(list(globals()))


def f():
    pass


print(list(globals()))
print(__doc__, __annotations__)
print(f.__module__, f.__qualname__, f.__code__.co_filename, f.__code__.co_firstlineno)
print(sorted(vars(__import__("__main__"))))
