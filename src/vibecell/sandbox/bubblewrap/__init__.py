"""Outer walls made by bubblewrap.

Owns its command line and its end; refuses to know a cell, and to give a wall anything of the
host but the image.

bubblewrap_walls.py  the tool, as ``outer_walls.Walls`` has it
bwrap.py             one bubblewrap around one zygote
"""
