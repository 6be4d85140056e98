# Makes itself readable to strangers, remaps its own image, sets a subreaper for others.
# Expected containment: PR_SET_MM and PR_SET_PTRACER are refused.
from attack import contained, refuse_syscall

refuse_syscall("PR_SET_MM", 157, 35, 8, 0x1000, 0, 0)
refuse_syscall("PR_SET_PTRACER", 157, 0x59616D61, -1, 0, 0, 0)
contained()
