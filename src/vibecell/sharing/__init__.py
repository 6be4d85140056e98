"""Who may come: what is kept of keys, and how a running gateway knows of it.

Owns keys, the server's secrets that they are hashed by, and the stores that hold both. Refuses to
know requests (``gateway``) and what is executed (``engine``); whatever waits for a disk is called
in a thread by whoever has a loop.

keys.py               what a key is, its text, and what is kept of it
server_secrets.py     what keys are hashed by and tokens signed with
secret_file.py        where a server's own secrets lie
key_store.py          the port: what keeps keys promises
memory_key_store.py   an adapter: for as long as the process lives
sqlite_key_store.py   an adapter: one file, for all processes of a machine
key_ring.py           what a gateway knows of all keys at a moment
key_source.py         where its views come from
key_desk.py           keys made, revoked and rotated
"""
