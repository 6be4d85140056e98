"""One cell through its framed socket, and the zygote that it comes from.

Owns the engine's end of the cell protocol; refuses to believe a cell, and to know how its
walls were made. Each module knows only those below it:

zygote_link.py   a zygote: asked for cells, its end noticed
cell.py          the life of a cell: start, files, end
collecting.py    what it brings when asked for the files its program left
process.py       one program: its output, its clocks, the facts of its end
refused_forks.py whether it still gets anywhere after a refused fork
stillness.py     whether it waits for input and does nothing else
meters.py        what the kernel counts of it
input_credit.py  how much input an agent may still be sent
channel.py       the socket: whole frames out, bounded frames in
orders.py        what an agent is told, as frames
cell_reports.py  what a cell says about itself, read with suspicion
messages.py      the JSON that ``cell/messages.py`` reads
"""
