"""The sandbox: walls, warm cells and what stands between them and the host.

It runs programs where they can hurt nothing and reports facts. Refuses to judge, to know a
language, and to open while a protection that is required is missing.

At the door:

backend.py         the port that an engine is written against
bounds.py          what that port promises in numbers
outer_walls.py     the port of a tool that makes outer walls around zygotes
zygote_backend.py  the backend of all such tools: pools, identities, the probe
places.py          several backends as one
probe.py           what this host really enforces, found by trying

The wings, from the top; each imports only those below it, and none beside it:

warming/           cells kept warm
bubblewrap/        walls made by bubblewrap
docker/            walls that are containers
fake/              a scripted backend, without a sandbox
framed/            one cell, through its framed socket
host/              what the one host grants to all walls
images/            the runtime image that programs see as /
mechanisms/        the kernel, one mechanism a module
"""
