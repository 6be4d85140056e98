# Looks for names and secrets of the service in everything a program can read about itself.
# Expected containment: the zygote starts with an empty environment; nothing of the engine's is inherited.
import os
from attack import contained, escaped

block = open("/proc/self/environ", "rb").read() + open("/proc/self/cmdline", "rb").read()
for word in (b"API_KEY", b"VIBECELL_API", b"SECRET", b"SSH_", b"SUDO", b"VIRTUAL_ENV", b"PYTEST"):
    if word in block or any(word.decode() in f"{k}={v}" for k, v in os.environ.items()):
        escaped(f"found {word!r}")
# In two pieces: a whole one would lie in our own memory.
head, tail = b"canary-of-", b"the-engine-environment"
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        bounds, flags, *_ = line.split()
        if not flags.startswith("rw") or "[v" in line:
            continue
        start, end = (int(x, 16) for x in bounds.split("-"))
        try:
            memory.seek(start)
            data = memory.read(min(end - start, 64 << 20))
        except (OSError, ValueError, OverflowError):
            continue
        at = data.find(head)
        while at >= 0:
            if data[at + len(head) : at + len(head) + len(tail)] == tail:
                escaped("the engine's environment lies in our memory")
            at = data.find(head, at + 1)
contained()
