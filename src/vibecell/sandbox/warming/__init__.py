"""Cells kept warm, so that taking one costs nothing.

Owns who gets which cell, and the succession of zygotes; refuses to decide how many wait
(``host/refill.py``), and to know how a wall is made.

profile_cells.py  cells of one profile behind a wall that they share
fresh_cells.py    cells of one profile, each behind a wall of its own
pool_tallies.py   what is counted of them
pool.py           those that wait, and those who wait for them
background.py     work behind everybody's back, until it has ended
"""
