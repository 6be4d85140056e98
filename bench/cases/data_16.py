"""The same program with numpy and pandas, asked for by sixteen clients at once."""

from bench.case import Case
from bench.cases.data import ASK
from bench.rounds import throughput_row
from bench.rows import Goal

TITLE = "Python importing numpy and pandas, 16 clients, throughput"
GOAL = Goal("least", 15)

CASE = Case("data_16", 40, TITLE, lambda bench: [throughput_row(bench, TITLE, ASK, 16, GOAL)])
