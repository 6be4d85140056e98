"""The frame parser: cuts correctly, whatever the pieces; refuses early."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.cell import frames

TYPES = sorted(frames.TO_ENGINE)
FRAMES = st.lists(
    st.tuples(st.sampled_from(TYPES), st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=8
)
quick = settings(max_examples=100)


def parser() -> frames.FrameParser:
    return frames.FrameParser(frames.TO_ENGINE)


def stream(cut: list[tuple[int, int, bytes]]) -> bytes:
    return b"".join(frames.encode(kind, payload, number) for kind, number, payload in cut)


@given(sent=FRAMES, sizes=st.lists(st.integers(1, 50), min_size=1))
@quick
def test_frames_survive_any_cutting(sent: list[tuple[int, int, bytes]], sizes: list[int]) -> None:
    data, end = stream(sent), parser()
    received: list[tuple[int, int, bytes]] = []
    while data:
        size = sizes[len(received) % len(sizes)]
        received += end.feed(data[:size])
        data = data[size:]
    assert received == sent


def test_frames_split_at_every_boundary() -> None:
    sent = [(frames.STDOUT, 0, b"abc"), (frames.STARTED, 7, b""), (frames.EXIT, 1, b"{}")]
    data = stream(sent)
    for at in range(len(data) + 1):
        end = parser()
        assert end.feed(data[:at]) + end.feed(data[at:]) == sent


def test_a_byte_at_a_time() -> None:
    end = parser()
    data = stream([(frames.STDERR, 3, b"xy")])
    received = [frame for byte in data for frame in end.feed(bytes([byte]))]
    assert received == [(frames.STDERR, 3, b"xy")]


@given(data=st.binary(max_size=2000))
@quick
def test_random_bytes_are_frames_or_refused(data: bytes) -> None:
    end = parser()
    try:
        received = end.feed(data)
    except frames.FrameError:
        return
    assert all(kind in frames.TO_ENGINE for kind, _, _ in received)
    taken = stream(received)
    assert data.startswith(taken)
    assert len(taken) <= len(data)


@pytest.mark.parametrize("kind", [k for k in range(256) if k not in frames.TO_ENGINE])
def test_unknown_type_is_refused_by_its_header_alone(kind: int) -> None:
    with pytest.raises(frames.FrameError, match="unexpected frame type"):
        parser().feed(frames.HEADER.pack(0, kind, 0))


@pytest.mark.parametrize("kind", TYPES)
def test_too_large_a_length_is_refused_before_any_payload(kind: int) -> None:
    highest = {frames.DISPLAY: frames.MAX_DISPLAY_BYTES}.get(kind, 256 * 1024)
    with pytest.raises(frames.FrameError, match="too large"):
        parser().feed(frames.HEADER.pack(highest + 1, kind, 0))
    assert parser().feed(frames.HEADER.pack(highest, kind, 0)) == []


def test_the_largest_frame_is_taken() -> None:
    payload = b"x" * frames.MAX_DATA_BYTES
    assert parser().feed(frames.encode(frames.STDOUT, payload)) == [(frames.STDOUT, 0, payload)]


def test_a_good_frame_before_a_bad_one_does_not_save_it() -> None:
    data = frames.encode(frames.STDOUT, b"ok") + frames.HEADER.pack(0, frames.START, 0)
    with pytest.raises(frames.FrameError):
        parser().feed(data)


@given(message=st.dictionaries(st.text(max_size=10), st.text() | st.integers() | st.none()))
@quick
def test_control_survives_the_way(message: dict[str, object]) -> None:
    ((kind, number, payload),) = parser().feed(frames.encode_control(frames.FILE, message, 9))
    assert (kind, number) == (frames.FILE, 9)
    assert frames.decode_control(payload) == message


@given(payload=st.binary(max_size=200))
@quick
def test_control_is_an_object_or_refused(payload: bytes) -> None:
    try:
        message = frames.decode_control(payload)
    except frames.FrameError:
        return
    assert json.loads(payload) == message


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"1", b"null", b'"x"', b"\xff{}", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000],
    ids=lambda payload: repr(payload[:8]),
)
def test_what_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.decode_control(payload)
