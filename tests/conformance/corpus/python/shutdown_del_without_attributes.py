"""An instance without any attribute is no container, and has a finaliser."""


class Quiet:
    __slots__ = ()

    def __del__(self):
        print("ended")


kept = Quiet()
print("last line")
