"""Programs that run behind the walls; known elsewhere as files to copy, but for ``frames``.

They import the standard library and each other, by bare names: inside a cell this package
does not exist. They refuse to judge, and to decide what a program may do: rules come
from the engine.

sitecustomize.py     how the interpreter of a zygote is entered, and left by a program
recording.py         what loading each module does, noted while a zygote loads
shelf.py             the modules it has loaded and no program has imported yet
renewal.py           what some of them decide when they are imported
zygote.py            the warm interpreter that cells are forked from
nesting.py           what it finishes of its outer wall, where the tool could not
forking.py           what a fork shares with its zygote, and what not
agent.py             pid 1 of a cell: starts, relays, signals, reaps, collects
runner.py            the process that becomes the program
rehearsal.py         what a start and an end will do, done before

inner_wall.py        the order of the steps that confine
confine.py           the steps, one for each mechanism of the kernel
mounts.py            the cell's own file systems
memory_files.py      where programs look for their memory limit
kernel.py            system calls, recorded once and replayed in every cell

streams.py           standard streams, and the way of displays
pseudo_terminal.py   the program's terminal: its size, typing, the end of input
displays.py          where one display ends and the next begins
workspace.py         files in and out
watch.py             samples of what is used, where no cgroup counts
ending.py            the short way out of an interpreter

frames.py            the cell protocol, for both ends
messages.py          control messages as typed values
vibecell_display.py  what programs show; they find it by its name, or need not know of it
figure_windows.py    the windows of Matplotlib's figures, where there is no screen
vibecell_streams.py  standard output and error, opened by every interpreter at its start
"""
