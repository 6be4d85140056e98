"""Whatever a program prints, an answer is one line of JSON that every reader takes alike."""

import json
import math

import pytest

from vibecell.wire.json_text import compact_json


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_never_sent(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        compact_json({"wall_time_ms": number})


def test_no_character_of_a_program_ends_a_line() -> None:
    text = "".join(chr(c) for c in (*range(32), 0x85, 0x2028, 0x2029, 0x1F600))
    sent = compact_json({"stdout": text})
    assert len(sent.decode().splitlines()) == 1
    assert json.loads(sent) == {"stdout": text}
