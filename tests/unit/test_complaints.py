"""What a service says to a person can neither end it nor hold it up."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from vibecell.cli.complaints import say
from vibecell.gateway.daemon import LoggedLines


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for descriptor in ends:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def test_a_line_arrives() -> None:
    with pipe() as (reading, writing):
        say("süß \ud800", writing)
        assert os.read(reading, 100) == "süß \\ud800\n".encode()


def test_no_terminal_obeys_what_is_said() -> None:
    with pipe() as (reading, writing):
        say("one\n\ttwo \x1b]0;title\x07 \x9b31m \r\x7f", writing)
        said = os.read(reading, 100).decode()
    assert said == "one\n\ttwo \\x1b]0;title\\x07 \\x9b31m \\x0d\\x7f\n"


def test_a_reader_who_has_left_is_no_failure() -> None:
    with pipe() as (reading, writing):
        os.close(reading)
        say("nobody reads this", writing)


def test_a_descriptor_that_is_closed_is_no_failure() -> None:
    with pipe() as (_, writing):
        os.close(writing)
        say("nobody reads this", writing)


@pytest.mark.parametrize("line", ["a line", "a traceback\n" * 20_000])
def test_a_reader_who_does_not_read_is_not_waited_for(line: str) -> None:
    with pipe() as (_, writing):
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, b"x" * 4096):
                pass
        os.set_blocking(writing, True)
        say(line, writing)


def test_what_is_longer_than_a_pipe_is_said_as_far_as_it_fits() -> None:
    with pipe() as (reading, writing):
        say("x" * 1_000_000, writing)
        assert set(os.read(reading, 2_000_000)) == set(b"x")


def test_a_reader_who_is_slow_is_waited_for_where_that_is_wanted() -> None:
    with pipe() as (_, writing):
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, b"x" * 4096):
                pass
        began_s = time.monotonic()
        say("a line", writing, patience_s=0.2)
        assert time.monotonic() - began_s >= 0.2


def test_nothing_takes_the_place_of_a_stream_that_was_closed() -> None:
    program = (
        "import os, sys\n"
        "from vibecell.cli.complaints import hold_standard_streams\n"
        "hold_standard_streams()\n"
        "os.write(int(sys.argv[1]), b','.join(os.readlink(f'/proc/self/fd/{n}').encode()"
        " for n in range(3)))\n"
    )
    with pipe() as (reading, writing):
        command = f'exec "{sys.executable}" -c "$0" {writing} <&- >&- 2>&-'
        subprocess.run(
            ["/bin/sh", "-c", command, program],
            pass_fds=[writing],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        assert os.read(reading, 1000) == b"/dev/null,/dev/null,/dev/null"


def test_a_stream_that_was_closed_is_held_for_children_too() -> None:
    program = (
        "import os, sys\n"
        "from vibecell.cli.complaints import hold_standard_streams\n"
        "os.close(1), os.close(2)\n"
        "hold_standard_streams()\n"
        "sys.exit(0 if os.get_inheritable(1) and os.get_inheritable(2) else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_command_whose_output_is_closed_ends_well() -> None:
    command = f"exec {sys.executable} -m vibecell.cli.main languages >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_gevent_says_of_a_failure_is_logged_by_line(caplog: pytest.LogCaptureFixture) -> None:
    stream = LoggedLines()
    print("Traceback:", file=stream)
    stream.write("  half of a")
    stream.write(" line\n\nthe next")
    assert [record.getMessage() for record in caplog.records] == ["Traceback:", "  half of a line"]
