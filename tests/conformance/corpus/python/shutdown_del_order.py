import weakref


class Loud:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


a = Loud("module level a")
b = Loud("module level b")
cycle = Loud("in a cycle")
cycle.self = cycle
weakref.finalize(a, print, "finalize a")


def keep(x=Loud("a default argument")):
    return x


del b
print("end of main")
