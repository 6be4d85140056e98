"""What everything speaks of: values, and the rules that make them valid.

Owns the words of the domain, each once: a request field, a limit, a result field or an
event is one line here, and what travels, what is documented and what a page knows is
derived from it (``wire``). Refuses to import anything of ours, and to do anything.

execution.py     what is asked for, and what came of it
limits.py        how much an execution may use
events.py        what an execution says while it lives, and what may be said to it
verdicts.py      the one word that says how it ended
status.py        what may be asked about it, and about whoever runs it
language.py      what the platform knows about a language; which ones a request may have
errors.py        what can go wrong, as a tree
capabilities.py  what a deployment enforces on its host
caller.py        who asks, for whom, and what both may
access.py        how much a gateway grants its clients
log_event.py     lines of the log that have fields of their own
provenance.py    from where an execution was asked for
names.py         how ids are spelt, and how a text ends
origins.py       origins of pages, as lists of them name them
identity_provider.py  whose users are served as well
listening_places.py  where something listens, as a setting says it
loopback.py      which addresses only this machine can reach
stopping.py      how long a service that is told to stop may take
measures.py      what can be measured, and the numbers of it
families.py      which families of measures there are
marks.py         the moments of one execution, while it is traced
"""
