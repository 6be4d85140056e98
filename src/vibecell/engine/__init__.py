"""The engine: takes requests, runs them in cells, keeps what they said.

daemon.py       the process: socket, start, stop
link_streams.py one connection of it: what is held of a client, and for how long
call_handler.py what is said on the socket
followers.py    who follows an execution over it, and who has left
executions.py   executions as they begin: ids, admission, counts
admission.py    who runs, who waits, who is turned away
allowances.py   what each caller may have at once and in a day
bookkeeping.py  what was used, on its way to where it is kept
parking.py      places given back while a program waits for input
plan.py         what a request will take (pure)
python_imports.py  which modules a program imports, read in bounded time (pure)
execution.py    the life of one execution
stages.py       its stages, each from its start to its verdict
inputs.py       standard input on its way to the program
recorder.py     what the program says, on its way to the log
output.py       cutting and keeping bytes of output
event_log.py    numbered events, replay
spill.py        older events, in a file
finished_log.py the log of one that has ended, as bytes
memory_pages.py where these lie, away from the heap
whole_result.py results with what was displayed, for whoever gets no events
rolls.py        in which order each owner's began
holdings.py     who keeps how much, and whose oldest is forgotten first (pure)
keeping.py      their records: owners, idempotency keys, how long they are kept
usage_telling.py  what a program uses, told while it runs
verdict.py      what an end is called (pure)
witnesses.py    who is told of executions that have ended, and what
auditing.py     one of them: what was executed, on its way to where it is audited
execution_log.py  a line of the log for each that has ended
tallies.py      what is counted of them as they end
measuring.py    all that is measured in this process, at one moment
traces.py       the moments of the latest executions, while tracing is on
client/         the port ``vibecell.executor`` over the socket, for other processes
"""
