# Looks through every object of the interpreter for what the zygote held.
# Expected containment: no open socket; no module of ours in the module table. Code of ours may lie in memory: it holds no secret.
import gc
import socket
import sys
import types

from attack import contained, escaped

ours = {
    "zygote",
    "agent",
    "runner",
    "frames",
    "confine",
    "messages",
    "mounts",
    "workspace",
    "watch",
    "streams",
}
for name in ours & sys.modules.keys():
    escaped("module " + name)
gc.unfreeze()
for thing in gc.get_objects():
    if isinstance(thing, socket.socket) and thing.fileno() >= 0:
        escaped(f"an open socket {thing}")
    if isinstance(thing, types.ModuleType) and getattr(thing, "__name__", "") in ours:
        print("still in memory:", thing)
    if isinstance(thing, types.FunctionType) and "/usr/lib/vibecell/" in thing.__code__.co_filename:
        if "vibecell_display" not in thing.__code__.co_filename:
            print("still in memory:", thing.__qualname__)
contained()
