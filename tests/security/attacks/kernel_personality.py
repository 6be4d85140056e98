# Switches off address randomisation and changes the execution domain.
# Expected containment: only harmless personalities are allowed.
from attack import contained, refuse_syscall

refuse_syscall("ADDR_NO_RANDOMIZE and READ_IMPLIES_EXEC", 135, 0x0440000)
refuse_syscall("MMAP_PAGE_ZERO", 135, 0x0100000)
refuse_syscall("READ_IMPLIES_EXEC", 135, 0x0400000)
contained()
