"""The smallest program, asked for by a hundred clients at once."""

from bench.case import Case
from bench.cases.hello import ASK
from bench.rounds import throughput_row
from bench.rows import Goal

TITLE = "Python hello, 100 clients, throughput"
GOAL = Goal("least", 2.5)

CASE = Case("hello_100", 20, TITLE, lambda bench: [throughput_row(bench, TITLE, ASK, 100, GOAL)])
