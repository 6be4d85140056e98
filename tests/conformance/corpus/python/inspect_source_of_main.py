import inspect
import linecache
import sys


def documented(a, /, b: int = 3, *rest, c=None, **named) -> str:
    """Words."""
    return "x"


class Base:
    def method(self):
        return documented(1)


print(inspect.getsource(documented))
print(inspect.getsource(Base.method), inspect.getfile(Base), inspect.getsourcefile(documented))
print(inspect.signature(documented), inspect.getmodule(documented) is sys.modules["__main__"])
print(linecache.getline(__file__, 1))
help(documented)
