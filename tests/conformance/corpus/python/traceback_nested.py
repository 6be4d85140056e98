def outer(values):
    return [inner(v) for v in values]


def inner(value):
    return 10 / value


class Holder:
    def __init__(self, values):
        self.result = outer(values)


print("before")
Holder([5, 2, 0, 1])
print("never")
