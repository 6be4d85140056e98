"""The engine: takes requests, runs them in cells, keeps what they said.

daemon.py       the process: socket, start, stop
conversation.py one conversation on the socket
executions.py   all executions: ids, owners, idempotency keys
admission.py    who runs, who waits, who is turned away
plan.py         what a request will take (pure)
execution.py    the life of one execution
inputs.py       standard input on its way to the program
recorder.py     what the program says, on its way to the log
output.py       cutting and keeping bytes of output
event_log.py    numbered events, replay
spill.py        older events, in a file
retention.py    which finished executions are kept
verdict.py      what an end is called (pure)
client/         the port ``vibecell.executor`` over the socket, for other processes
"""
