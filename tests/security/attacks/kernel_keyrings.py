# Reads and writes kernel keyrings, which are shared per user, not per namespace.
# Expected containment: the calls are refused.
from attack import contained, refuse_syscall

refuse_syscall("add_key", 248, b"user", b"planted", b"x", 1, -4)
refuse_syscall("request_key", 249, b"user", b"planted", None, -4)
refuse_syscall("keyctl get session", 250, 0, -3, 1)
refuse_syscall("keyctl join", 250, 1, b"joined")
contained()
