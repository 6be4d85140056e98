"""Read, search, join, link and fill kernel keyrings, which no namespace of the wall's divides.

Expected containment: every call is refused; /proc/keys tells of no key of another, where
the wall has a user of its own.
"""

import ctypes
import os

from attack import contained, refuse_syscall
from reach import NEW_USER, OTHERS, UNSHARE, call, no_secret, twice

ADD_KEY, REQUEST_KEY, KEYCTL = 248, 249, 250
buffer = ctypes.create_string_buffer(256)


def look():
    for keyring in (-1, -2, -3, -4, -5, -6, -7):  # thread, process, session, user …
        refuse_syscall(f"add a key to {keyring}", ADD_KEY, b"user", b"planted", b"x", 1, keyring)
        refuse_syscall(f"find {keyring}", KEYCTL, 0, keyring, 1)
        for name in OTHERS["keys"]:
            sought = (b"user", name.encode())
            refuse_syscall(f"request {name}", REQUEST_KEY, *sought, None, keyring)
            refuse_syscall(f"search {keyring}", KEYCTL, 10, keyring, *sought, 0)
        for serial in OTHERS["serials"]:
            refuse_syscall(f"link {serial}", KEYCTL, 8, serial, keyring)
    for serial in OTHERS["serials"]:
        for what, operation in (("describe", 6), ("read", 11), ("revoke", 3), ("invalidate", 21)):
            refuse_syscall(f"{what} {serial}", KEYCTL, operation, serial, buffer, 256)
        refuse_syscall(f"update {serial}", KEYCTL, 2, serial, b"changed", 7)
        refuse_syscall(f"own {serial}", KEYCTL, 4, serial, 0, 0)
        refuse_syscall(f"open {serial} to all", KEYCTL, 5, serial, 0x3F3F3F3F)
    refuse_syscall("join a session", KEYCTL, 1, b"_ses")
    refuse_syscall("join a new session", KEYCTL, 1, None)
    refuse_syscall("give the session to the parent", KEYCTL, 18)
    refuse_syscall("find the persistent keyring", KEYCTL, 22, 0, -3)
    if os.path.exists("/proc/keys") and OTHERS["has_other_user"]:
        with open("/proc/keys") as listed:
            no_secret("/proc/keys", listed.read())


twice(look)
call(UNSHARE, NEW_USER)
look()
contained()
