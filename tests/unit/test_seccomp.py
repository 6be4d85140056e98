"""The compiled filter answers every call as the table says.

A small interpreter of classic BPF runs the program, so what is tested is what
the kernel will run, not the compiler's own view of it.
"""

import json
import struct
from typing import Any

import pytest

from vibecell.sandbox.mechanisms import seccomp, syscalls
from vibecell.sandbox.mechanisms.seccomp import ALLOW, ERRNO, KILL_PROCESS

MACHINES = sorted(syscalls.NUMBERS)
EPERM, ENOSYS, EAFNOSUPPORT = ERRNO | 1, ERRNO | 38, ERRNO | 97
HIGH = 1 << 32


def interpret(
    program: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int | None = None
) -> int:
    """What the kernel would answer; refuses what the kernel's checker refuses."""
    if architecture is None:
        architecture = seccomp.AUDIT_ARCHITECTURES["x86_64"]
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *padded)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator, at = 0, 0
    constant: int
    while True:
        operation, on_true, on_false, constant = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif operation == 0x54:
            accumulator &= constant
        elif operation == 0x15:
            at += on_true if accumulator == constant else on_false
        elif operation == 0x35:
            at += on_true if accumulator >= constant else on_false
        elif operation == 0x05:
            at += constant
        elif operation == 0x06:
            return constant
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


def answer(name: str, *arguments: int, machine: str = "x86_64") -> int:
    program = seccomp.compile_filter(machine)
    architecture = seccomp.AUDIT_ARCHITECTURES[machine]
    return interpret(program, syscalls.NUMBERS[machine][name], arguments, architecture)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_is_answered_as_the_table_says(machine: str) -> None:
    names = {number: name for name, number in syscalls.NUMBERS[machine].items()}
    allowed = {name for group in syscalls.UNFILTERED.values() for name in group}
    program = seccomp.compile_filter(machine)
    architecture = seccomp.AUDIT_ARCHITECTURES[machine]
    for number in range(syscalls.HIGHEST_KNOWN + 200):
        name = names.get(number)
        if name in seccomp.FILTERED:
            continue
        if name in allowed:
            expected = ALLOW
        elif name in syscalls.ABSENT or number > syscalls.HIGHEST_KNOWN:
            expected = ENOSYS
        else:
            expected = EPERM
        assert interpret(program, number, architecture=architecture) == expected, (number, name)


@pytest.mark.parametrize("machine", MACHINES)
def test_zygotes_may_make_the_inner_wall_and_nothing_else_besides(machine: str) -> None:
    programs = seccomp.compile_filter(machine)
    zygotes = seccomp.compile_filter(machine, seccomp.OUTER_WALL_CALLS)
    architecture = seccomp.AUDIT_ARCHITECTURES[machine]
    numbers = {**syscalls.NUMBERS[machine], **syscalls.NUMBERS_OF_WALLS[machine]}
    assert numbers.keys() >= set(seccomp.OUTER_WALL_CALLS)
    for name, number in numbers.items():
        # of another process
        answers = [interpret(p, number, (1,), architecture) for p in (programs, zygotes)]
        if name in seccomp.OUTER_WALL_CALLS:
            assert answers == [EPERM, ALLOW], name
        else:
            assert answers[0] == answers[1], name


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_that_no_sample_sees_is_not_to_be_had(machine: str) -> None:
    counted = seccomp.compile_filter(machine)
    sampled = seccomp.compile_filter(machine, absent=seccomp.UNSAMPLED_MEMORY_CALLS)
    architecture = seccomp.AUDIT_ARCHITECTURES[machine]
    for name, number in syscalls.NUMBERS[machine].items():
        answers = [interpret(p, number, architecture=architecture) for p in (counted, sampled)]
        if name in seccomp.UNSAMPLED_MEMORY_CALLS:
            assert answers == [ALLOW, ENOSYS], name
        else:
            assert answers[0] == answers[1], name


def test_every_listed_name_has_a_number_and_one_place() -> None:
    listed = [n for group in syscalls.UNFILTERED.values() for n in group]
    listed += [*syscalls.ABSENT, *seccomp.FILTERED]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(syscalls.NUMBERS["x86_64"])
    assert set(syscalls.NUMBERS["aarch64"]) < set(listed)
    for numbers in syscalls.NUMBERS.values():
        assert len(set(numbers.values())) == len(numbers)


@pytest.mark.parametrize("architecture", [0x40000003, 0x40000028, 0xC00000B7, 0])
def test_calls_of_another_architecture_end_the_process(architecture: int) -> None:
    program = seccomp.compile_filter("x86_64")
    assert interpret(program, 0, architecture=architecture) == KILL_PROCESS


@pytest.mark.parametrize("number", [0, 1, 59, 512, 547])
def test_x32_calls_end_the_process(number: int) -> None:
    program = seccomp.compile_filter("x86_64")
    assert interpret(program, number | seccomp.X32_BIT) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_one_the_kernel_takes(machine: str) -> None:
    code = list(struct.iter_unpack("<HBBI", seccomp.compile_filter(machine)))
    assert len(code) < 400
    assert code[-1][0] == 0x06
    for at, (operation, on_true, on_false, constant) in enumerate(code):
        if operation in (0x15, 0x35):
            assert at + 1 + max(on_true, on_false) < len(code)
        if operation == 0x05:
            assert at + 1 + constant < len(code)


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(seccomp.UnsupportedMachineError, match="riscv64"):
        seccomp.compile_filter("riscv64")
    with pytest.raises(seccomp.UnsupportedMachineError):
        seccomp.to_oci_profile("riscv64")


NEW_NAMESPACES = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]

CASES: list[tuple[str, tuple[int, ...], int]] = [
    ("clone", (0x3D0F00,), ALLOW),  # a thread of the C library
    ("clone", (17,), ALLOW),  # a fork
    *(("clone", (flag | 17,), EPERM) for flag in NEW_NAMESPACES),
    ("socket", (1, 1, 0), ALLOW),
    ("socket", (2, 1 | 0o2000000, 6), ALLOW),
    ("socket", (10, 2 | 0o4000, 17), ALLOW),
    ("socket", (2, 3, 0), EPERM),  # raw
    ("socket", (2, 3, 255), EPERM),
    ("socket", (2, 1, 132), EPERM),  # SCTP
    ("socket", (2, 1, 262), EPERM),  # MPTCP
    ("socket", (2, 2, 1), EPERM),  # ICMP
    ("socket", (16, 3, 0), ALLOW),  # NETLINK_ROUTE
    *(("socket", (16, 3, protocol), EPERM) for protocol in (4, 6, 9, 12, 15, 16)),
    *(("socket", (family, 1, 0), EAFNOSUPPORT) for family in (0, 3, 17, 21, 30, 31, 38, 40, 44)),
    ("socketpair", (1, 1, 0), ALLOW),
    ("socketpair", (30, 1, 0), EAFNOSUPPORT),  # TIPC
    ("ioctl", (0, 0x5401), ALLOW),  # TCGETS
    ("ioctl", (0, 0x5413), ALLOW),  # TIOCGWINSZ, next to TIOCSTI
    *(("ioctl", (0, request), EPERM) for request in (0x5412, 0x541C, 0x5423)),
    ("prctl", (15,), ALLOW),  # PR_SET_NAME
    ("prctl", (35,), EPERM),
    ("prctl", (0x59616D61,), EPERM),
    *(("futex", (0, command), ALLOW) for command in (0, 1, 9, 10, 128, 129, 137, 393)),
    *(("futex", (0, command), EPERM) for command in (11, 12, 139, 140, 267, 268, 395)),
    *(("personality", (value,), ALLOW) for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)),
    *(("personality", (value,), EPERM) for value in (0x40000, 0x400000, 1)),
    ("mknod", (0, 0o10644), ALLOW),
    ("mknod", (0, 0o100644), ALLOW),
    *(("mknod", (0, mode | 0o644), EPERM) for mode in (0o20000, 0o60000, 0o140000)),
    ("mknodat", (0, 0, 0o10644), ALLOW),
    *(("mknodat", (0, 0, mode | 0o644), EPERM) for mode in (0o20000, 0o60000)),
    ("prlimit64", (0,), ALLOW),
    ("prlimit64", (1,), EPERM),
]


@pytest.mark.parametrize(
    ("machine", "name", "arguments", "expected"),
    [
        (machine, *case)
        for machine in MACHINES
        for case in CASES
        if case[0] in syscalls.NUMBERS[machine]
    ],
)
def test_arguments(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert answer(name, *arguments, machine=machine) == expected
    # the kernel ignores the high halves; so must the filter
    assert answer(name, *(a | HIGH for a in arguments), machine=machine) == expected


NEVER = [
    "mount", "umount2", "unshare", "setns", "ptrace", "bpf", "perf_event_open", "userfaultfd",
    "open_by_handle_at", "name_to_handle_at", "chroot", "pivot_root", "process_vm_readv",
    "process_vm_writev", "pidfd_getfd", "kcmp", "init_module", "kexec_load", "iopl", "vmsplice",
    "memfd_secret", "modify_ldt", "remap_file_pages", "fanotify_init", "syslog", "acct", "sync",
]  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_calls_that_reach_past_the_cell_are_not_in_the_table(name: str) -> None:
    assert all(name not in numbers for numbers in syscalls.NUMBERS.values())


def evaluate_oci(profile: dict[str, Any], name: str, arguments: tuple[int, ...]) -> int:
    """As libseccomp would: the rules of one call must not contradict each other."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    answers = set()
    for rule in profile["syscalls"]:
        if name not in rule["names"]:
            continue
        conditions = rule.get("args", [])
        assert all(c["op"] == "SCMP_CMP_MASKED_EQ" for c in conditions)
        assert len({c["index"] for c in conditions}) == len(conditions)
        if all(padded[c["index"]] & c["value"] == c["valueTwo"] for c in conditions):
            allowed = rule["action"] == "SCMP_ACT_ALLOW"
            answers.add(ALLOW if allowed else ERRNO | rule["errnoRet"])
    assert len(answers) <= 1
    return answers.pop() if answers else EPERM


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES)
def test_dockers_form_says_the_same(name: str, arguments: tuple[int, ...], expected: int) -> None:
    profile = seccomp.to_oci_profile("x86_64")
    assert evaluate_oci(profile, name, arguments) == expected
    assert evaluate_oci(profile, name, tuple(a | HIGH for a in arguments)) == expected


def test_dockers_form_of_plain_calls() -> None:
    profile = json.loads(json.dumps(seccomp.to_oci_profile("aarch64")))
    assert profile["architectures"] == ["SCMP_ARCH_AARCH64"]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert evaluate_oci(profile, "read", ()) == ALLOW
    assert evaluate_oci(profile, "clone3", ()) == ENOSYS
    assert evaluate_oci(profile, "mount", ()) == EPERM


def test_calls_an_agent_needs_are_unrestricted_on_request() -> None:
    profile = seccomp.to_oci_profile("x86_64", unrestricted=("mount", "clone", "clone3"))
    assert evaluate_oci(profile, "mount", ()) == ALLOW
    assert evaluate_oci(profile, "clone", (0x10000000,)) == ALLOW
    assert evaluate_oci(profile, "clone3", ()) == ALLOW
