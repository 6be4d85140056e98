"""Processor time by a cgroup of the running kernel."""

import subprocess

from bench.account import Account, cpu_time, own_cgroup
from bench.contender import command_of, ended_after
from host import lacking

# as a zygote does it: nobody waits for the child, so it is in nobody's cutime
LEFT_TO_THE_KERNEL = """if 1:
    import os, signal, time
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if not os.fork():
        while time.process_time() < 0.3:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        print("ended", flush=True)
    time.sleep(60)
"""


def test_the_time_of_a_child_that_nobody_waits_for_is_counted() -> None:
    with own_cgroup() as cgroup:
        if cgroup is None:
            lacking("a cgroup of version 2 that may be written")
        command = command_of(cgroup, "-c", LEFT_TO_THE_KERNEL)
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
            ended_after(process),
        ):
            assert process.stdout is not None
            assert process.stdout.readline() == "ended\n"
            by_cgroup = cpu_time(Account(process.pid, (cgroup,))).accounts_s
            by_processes = cpu_time(Account(process.pid)).accounts_s
    assert by_cgroup >= by_processes + 0.25
    assert not cgroup.exists()
