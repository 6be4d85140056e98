"""Whatever must be fetched from elsewhere, by a process that can do nothing else.

A gateway talks to strangers and holds keys, so it reaches out to nobody; the engine makes cells,
so it does neither. A courier fetches what the settings name and nobody else chooses, and hands it
on over a socket that only the gateway's user may open. It is told no key, runs nothing, and what
it brings is checked again by who asked.

daemon.py    the process: its socket, its start and its end
key_sets.py  the keys of identity providers: fetched, kept for a while, fetched again
fetching.py  one document of bounded size, in bounded time, from exactly the address that was named
"""
