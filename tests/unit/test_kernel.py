"""Calls made at once, and recorded and made again."""

import errno
import os
from pathlib import Path

import pytest

from cell_programs import cell_program

from .descriptors import open_descriptors

kernel = cell_program("kernel")


def test_a_recording_makes_no_call_until_it_is_replayed() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with kernel.recording() as steps:
        kernel.call("say", "write", write, b"twice", 5)
    with pytest.raises(BlockingIOError):
        os.read(read, 9)
    steps.replay()
    steps.replay()
    assert os.read(read, 99) == b"twicetwice"
    os.close(read)
    os.close(write)


def test_a_call_takes_the_result_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with kernel.recording() as steps:
        name = os.fsencode(path)
        fd = kernel.call("open", "openat", -100, name, os.O_CREAT | os.O_WRONLY, 0o600)
        kernel.call("write", "write", fd, b"content", 7)
        kernel.call("close", "close", fd)
    before = open_descriptors()
    for _ in range(3):
        steps.replay()
    assert path.read_bytes() == b"content"
    assert open_descriptors() <= before


def test_numbers_and_texts_are_filled_in_at_each_replay(tmp_path: Path) -> None:
    text, flags = kernel.Text(200), kernel.Given()
    with kernel.recording() as steps:
        kernel.call("close", "close", kernel.call("open", "openat", -100, text, flags, 0o600))
    flags.value = os.O_CREAT | os.O_WRONLY
    for name in ("long-name", "short"):
        text.fill(os.fsencode(tmp_path / name))
        steps.replay()
    assert sorted(os.listdir(tmp_path)) == ["long-name", "short"]
    with pytest.raises(ValueError, match="too long"):
        text.fill(b"x" * 202)


def test_the_first_call_that_fails_ends_a_replay_and_names_its_step() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with kernel.recording() as steps:
        kernel.call("close what is not open", "close", 9999)
        kernel.call("say", "write", write, b"x", 1)
    with pytest.raises(OSError, match="close what is not open") as caught:
        steps.replay()
    assert caught.value.errno == errno.EBADF
    with pytest.raises(BlockingIOError):
        os.read(read, 9)
    os.close(read)
    os.close(write)


def test_calls_are_made_at_once_again_after_a_recording_that_failed() -> None:
    with pytest.raises(RuntimeError), kernel.recording():
        assert kernel.is_recording()
        raise RuntimeError
    assert not kernel.is_recording()
    with pytest.raises(OSError, match="now"):
        kernel.call("now", "close", 9999)
