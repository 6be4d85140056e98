"""Who may come, whose turn it is, and what each has used.

Owns keys, the server's secrets that they are hashed by, the order in which owners have turns, what
was used of a day, who did what, and the stores that hold these. Refuses to know requests
(``gateway``) and what is executed (``engine``); whatever waits for a disk is called in a thread by
whoever has a loop.

keys.py               what a key is, its text, and what is kept of it
server_secrets.py     what keys are hashed by and tokens signed with
secret_file.py        where a server's own secrets lie
key_store.py          the port: what keeps keys promises
memory_key_store.py   an adapter: for as long as the process lives
sqlite_key_store.py   an adapter: one file, for all processes of a machine
key_ring.py           what a gateway knows of all keys at a moment
key_source.py         where its views come from
key_desk.py           keys made, revoked and rotated
fair.py               whose turn it is: start-time fair queueing, pure
room.py               how much of a queue one may fill, so that newcomers find room
held.py               what a key and its users hold at once of a key's places
ledger.py             what each owner has used of a day (pure); the port: what keeps sums promises
memory_ledger.py      an adapter: for as long as the process lives
sqlite_ledger.py      an adapter: in a file
audit.py              what is audited; the port: what keeps an audit promises
audit_trail.py        acts on their way to where they are kept, by whoever writes
memory_audit.py       an adapter: for as long as the process lives
sqlite_audit.py       an adapter: in a file that only grows, but for pruning
sqlite_files.py       how these files are opened, and what is taken for damage
"""
