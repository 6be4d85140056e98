# case: {"args": ["one", "two words", "--flag=3", ""]}
import sys

print(__name__, __file__, __doc__, __package__)
print(__spec__, type(__loader__).__module__, type(__loader__).__name__)
print(__loader__.name, __loader__.path)
print(__builtins__, type(__builtins__))
print(__annotations__ if "__annotations__" in globals() else "no annotations")
print(__cached__)
print(sys.modules["__main__"].__dict__ is globals())
print(sys.argv, sys.orig_argv)
print(sys.path[0])
print(sys.path)
