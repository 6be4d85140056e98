"""A program that imports numpy and pandas, and uses both."""

from bench.case import Case
from bench.drive import TOKEN, hello
from bench.rounds import latency_row
from bench.rows import Goal

CODE = f"""\
import numpy
import pandas
assert pandas.DataFrame({{"a": numpy.arange(4)}})["a"].sum() == 6
print("hello {TOKEN}")
"""
TITLE = "Python importing numpy and pandas, 1 client, p50"
ASK = hello(CODE)
GOAL = Goal("most", 0.10)

CASE = Case("data", 30, TITLE, lambda bench: [latency_row(bench, TITLE, ASK, GOAL)])
