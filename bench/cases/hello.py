"""The smallest program there is, alone: what a run costs at least."""

from bench.case import Case
from bench.drive import TOKEN, hello
from bench.rounds import latency_row
from bench.rows import Goal

TITLE = "Python hello, 1 client, p50"
ASK = hello(f"print('hello {TOKEN}')")
GOAL = Goal("most", 0.40)

CASE = Case("hello", 10, TITLE, lambda bench: [latency_row(bench, TITLE, ASK, GOAL)])
