"""What `vibecell audit` is asked and prints, whatever its users are called."""

import argparse
import json
from typing import Any

import pytest

from vibecell.cli.audit_options import add_words, moment_us, query_of, wrong_together
from vibecell.cli.audit_table import as_json, as_table
from vibecell.model.execution import Usage
from vibecell.model.verdicts import Verdict
from vibecell.sharing.audit import AuditQuery, AuditRecord, Executed, Granted

AT_US = 1_796_075_326_000_042
HOSTILE = [
    "ann\n11-30 22:02:46  forged        -     uid 0      key created",
    "ann\x1b]0;title\x07\x1b[31m\x9b2J\r",
    "ann\u202eecart\u2066 \u2028forged\u2029 \u200b\ufeff",
    "e\u0301\u0301\u0301" * 40,
    "\u6f22" * 120,
    "\U000e0001\U000e0041ann",
]


def executed(user: str | None) -> AuditRecord:
    done = Executed(
        id="x" * 24, language="python", sha256="a" * 64, size_bytes=20_000, files=2,
        begun_at_us=AT_US - 1, verdict=Verdict.WORKSPACE_LIMIT_EXCEEDED,
        usage=Usage(12_345.6789, None, 2**20, 3, 9), place="",
    )  # fmt: skip
    return AuditRecord(
        at_us=AT_US, act="execution", key="26pl1ez02em7", user=user, credential="token",
        address="2001:db8:0:1:2:3:4:5", request_id="r", execution=done,
    )  # fmt: skip


@pytest.mark.parametrize("user", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_ends_its_line_or_is_obeyed_by_a_terminal(user: str) -> None:
    lines = [*as_table([executed("bob"), executed(user)], 80)]
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("11-30 21:48:46  26pl1ez02em7  ") for line in lines[1:])
    assert all(line.endswith("wor…") or "workspace" in line for line in lines[1:])
    text = as_json(executed(user))
    assert text.isascii() and text.isprintable()
    assert json.loads(text)["user"] == user


def test_a_table_fits_eighty_columns() -> None:
    lines = [*as_table([executed("a" * 128), executed(None)], 80)]
    assert lines[0].split() == ["TIME", "(UTC)", "KEY", "USER", "FROM", "WHAT"]
    assert max(map(len, lines)) == 80
    wide = [*as_table([executed("ann")], 200)]
    assert wide[1].endswith("workspace_limit_exceeded python 19 KiB 12.3 s")
    assert [*as_table([], 80)] == []


def test_programs_are_told_all_of_an_act() -> None:
    assert json.loads(as_json(executed("ann"))) == {
        "at": "2026-11-30T21:48:46.000042Z",
        "act": "execution",
        "key": "26pl1ez02em7",
        "user": "ann",
        "credential": "token",
        "address": "2001:db8:0:1:2:3:4:5",
        "request_id": "r",
        "execution": {
            "id": "x" * 24,
            "verdict": "workspace_limit_exceeded",
            "language": "python",
            "sha256": "a" * 64,
            "size_bytes": 20_000,
            "files": 2,
            "begun_at": "2026-11-30T21:48:46.000041Z",
            "usage": {
                "wall_time_ms": 12345.679,
                "memory_bytes": 2**20,
                "processes": 3,
                "output_bytes": 9,
            },
            "place": "",
        },
    }
    granted = Granted(scopes=("read",), expires_at_us=AT_US)
    made = AuditRecord(
        at_us=AT_US, act="key_created", key="k", key_name="shop", uid=0, login_uid=1000,
        granted=granted,
    )  # fmt: skip
    assert json.loads(as_json(made)) == {
        "at": "2026-11-30T21:48:46.000042Z",
        "act": "key_created",
        "key": "k",
        "key_name": "shop",
        "uid": 0,
        "login_uid": 1000,
        "granted": {"scopes": ["read"], "expires_at": "2026-11-30T21:48:46.000042Z"},
    }


def test_a_moment_beyond_the_calendar_is_printed_all_the_same() -> None:
    assert '"@' in as_json(AuditRecord(at_us=2**62, act="execution"))
    assert [*as_table([AuditRecord(at_us=2**62, act="execution")], 80)][1]


@pytest.mark.parametrize(
    ("text", "found_us"),
    [
        ("2026-11-30", 1_795_996_800_000_000),
        ("2026-11-30T21:48", 1_796_075_280_000_000),
        ("2026-11-30T21:48:46Z", 1_796_075_326_000_000),
        ("2026-11-30T22:48:46.000042+01:00", AT_US),
        ("1h", (1_800_000_000 - 3600) * 1_000_000),
        ("7d", (1_800_000_000 - 7 * 86_400) * 1_000_000),
    ],
)
def test_a_moment_is_a_day_a_time_or_so_long_ago(text: str, found_us: int) -> None:
    assert moment_us(text, 1_800_000_000) == found_us


@pytest.mark.parametrize(
    "text", ["", "soon", "1969-12-31", "2026-13-01", "-1h", "1h\n", "99999999", "100000d"]
)
def test_what_is_no_moment_is_refused_with_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="must be as 2026-11-30"):
        moment_us(text)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_words(parser)
    return parser.parse_args(words)


def test_options_mean_what_is_asked_for() -> None:
    options = parsed(
        "--since", "2026-11-30", "--until", "2026-12-01", "--key", "k", "--user", "ann",
        "--verdict", "accepted", "--act", "execution", "--limit", "5",
    )  # fmt: skip
    assert query_of(options, options.limit) == AuditQuery(
        since_us=1_795_996_800_000_000, before_us=1_796_083_200_000_000, key="k", user="ann",
        verdict=Verdict.ACCEPTED, act="execution", newest=5,
    )  # fmt: skip
    assert query_of(parsed(), None) == AuditQuery()
    assert wrong_together(options) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["prune"], "prune needs --before"),
        (["--before", "90d"], "goes with prune"),
        (["prune", "--before", "90d", "--user", "ann", "--key", "k"], "--key, --user would keep"),
    ],
)
def test_pruning_is_asked_for_in_full(words: list[str], told: str) -> None:
    assert told in (wrong_together(parsed(*words)) or "")


@pytest.mark.parametrize(
    "words",
    [["--key", "vc_aaaaaaaaaaaa_" + "A" * 43], ["--verdict", "fine"], ["--act", "flown"],
     ["--limit", "0"], ["--limit", "-1"]],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(words: list[str], capsys: Any) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed(*words)
