"""Learn about the host from what container engines write into a container.

Expected containment: /etc has files of ours in place of the engine's, /sys has the cell's memory
limit alone, message queues are empty, and no environment names anything of the host.
"""

import os
import socket

from attack import contained, escaped, refuse

# of the zygote's beginning, and of the program
NAMES = {"PATH", "LANG", "PYTHONPATH", "PWD", "HOSTNAME", "HOME", "USER", "LOGNAME"}
NAMES |= {"VIBECELL_CONTROL_SOCKET", "VIBECELL_CONTROL_FD", "OMP_NUM_THREADS"}

for name in ("resolv.conf", "machine-id", "mtab"):
    path = f"/etc/{name}"
    try:
        told = open(path).read().strip() if not os.path.islink(path) else ""
    except OSError:
        continue
    if told:
        escaped(f"{path}: {told!r}")
if os.path.exists("/etc/hostname") and open("/etc/hostname").read() != "sandbox\n":
    escaped("/etc/hostname")
hosts = open("/etc/hosts").read().split()
OURS = {"127.0.0.1", "::1", "localhost", "ip6-localhost", "ip6-loopback", "127.0.1.1", "sandbox"}
if set(hosts) - OURS:
    escaped(f"/etc/hosts: {hosts}")
if os.uname().nodename != "sandbox":
    escaped(os.uname().nodename)
for path, known in (("/sys", {"memory.max", "memory.limit_in_bytes", "memory.soft_limit_in_bytes"}),
                    ("/dev/mqueue", set())):  # fmt: skip
    if found := {name for _, _, files in os.walk(path) for name in files} - known:
        escaped(f"{path} holds {sorted(found)[:5]}")
for path in ("/.dockerenv", "/.dockerinit", "/run/.containerenv", "/run/secrets", "/var/log"):
    if os.path.isdir(path) and (found := [f for _, _, files in os.walk(path) for f in files]):
        escaped(f"{path} holds {found[:5]}")
    if os.path.isfile(path) and os.path.getsize(path):
        escaped(f"{path} says {open(path).read(200)!r}")
for line in open("/proc/self/cgroup"):
    if line.rstrip("\n").split(":", 2)[2] != "/":
        escaped(f"a cgroup has a name: {line}")
interfaces = {name for _, name in socket.if_nameindex()}
if interfaces - {"lo"}:
    escaped(f"interfaces: {interfaces}")
refuse("/proc/1/environ", lambda: open("/proc/1/environ", "rb").read())
with open("/proc/self/environ", "rb") as block:
    began_with = dict(e.decode().partition("=")[::2] for e in block.read().split(b"\0") if e)
for name, value in [*began_with.items(), *os.environ.items()]:
    if name not in NAMES or (name == "HOSTNAME" and value != "sandbox"):
        escaped(f"{name}={value}")
contained()
