# case: {"profile": "data"}
import sys

print(list(sys.modules), sys.modules["_warnings"].filters)
import numpy

print(sorted(sys.modules), sys.modules["_warnings"].filters)
import matplotlib

try:
    matplotlib.pyplot
except AttributeError as error:
    print(error)
import pandas

print(sorted(sys.modules))
print(pandas.DataFrame.__module__ in sys.modules, numpy.random.default_rng.__module__)
import inspect
import typing

print(inspect.getmodule(pandas.DataFrame).__name__, inspect.getsource(numpy.roll)[:40])
print(typing.get_type_hints(logging_of := __import__("logging").Formatter.format))
