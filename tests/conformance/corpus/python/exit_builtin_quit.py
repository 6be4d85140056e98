print(repr(exit), repr(quit))
print(type(copyright).__name__, type(help).__name__)
quit(5)
