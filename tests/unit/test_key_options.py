"""What is said of a key on the command line, and what is said of what cannot be read."""

import argparse

import pytest

from vibecell.cli.key_options import add_words, wanted_key
from vibecell.cli.main import main
from vibecell.model.caller import DEFAULT_SCOPES, NO_BOUNDS, Grant, Rate
from vibecell.sharing.keys import new_key_text

DAY_S = 86_400


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_words(parser, argparse.ArgumentParser(add_help=False))
    return parser.parse_args(arguments)


def test_a_key_as_the_manual_makes_it() -> None:
    line = (
        "create shop --scopes execute,read --rate 60/minute --concurrent 8 --streams 9 "
        "--cpu-per-day 3600s --output-per-day 1GiB --weight 2 --origins https://shop.example "
        "--expires 90d --json"
    )
    options = parsed(*line.split())
    key = wanted_key(options)
    assert key.name == "shop" and key.scopes == {"execute", "read"} and key.weight == 2.0
    assert key.grant == Grant(Rate(60, 60), 8, 9, 3_600_000, 2**30)
    assert key.origins == ("https://shop.example",)
    assert options.expires == 90 * DAY_S and options.json


def test_a_name_is_enough() -> None:
    options = parsed("create", "my shop")
    key = wanted_key(options)
    assert (key.scopes, key.grant, key.weight, key.origins) == (DEFAULT_SCOPES, NO_BOUNDS, 1.0, ())
    assert options.expires is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 90 * DAY_S), ("12h", 43_200), ("30m", 1_800), ("0s", 0)]
)
def test_a_grace_is_a_time(text: str, seconds: int) -> None:
    assert parsed("rotate", "abc", "--grace", text).grace == seconds
    assert parsed("rotate", "abc").grace == DAY_S


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--scopes", "", "must be of execute"),
        ("--scopes", "execute,root", "must be of execute"),
        ("--scopes", "execute,", "must be of execute"),
        ("--rate", "60", "must be as 60/minute"),
        ("--rate", "0/minute", "must be as 60/minute"),
        ("--rate", "60/fortnight", "must be as 60/minute"),
        ("--rate", "-1/minute", "argument --rate"),
        ("--concurrent", "0", "must be a whole number from 1"),
        ("--concurrent", "1.5", "must be a whole number from 1"),
        ("--streams", "many", "must be a whole number from 1"),
        ("--streams", "1_0", "must be a whole number from 1"),
        ("--streams", "9" * 18, "must be a whole number from 1"),
        ("--streams", "9" * 9999, "must be a whole number from 1"),
        ("--cpu-per-day", "3600", "must be as 90d, 12h"),
        ("--cpu-per-day", "0s", "must be longer than nothing"),
        ("--output-per-day", "1GB", "must be as 1GiB"),
        ("--output-per-day", "0", "must be as 1GiB"),
        ("--output-per-day", "9999999999TiB", "must be as 1GiB"),
        ("--weight", "0", "must be a number from 0.01 to 100"),
        ("--weight", "nan", "must be a number from 0.01 to 100"),
        ("--weight", "inf", "must be a number from 0.01 to 100"),
        ("--weight", "heavy", "must be a number from 0.01 to 100"),
        ("--origins", "shop.example", "as a browser says it"),
        ("--origins", "https://shop.example/path", "as a browser says it"),
        ("--origins", "https://shop.example,", "as a browser says it"),
        ("--expires", "90", "must be as 90d, 12h"),
        ("--expires", "0d", "must be longer than nothing"),
        ("--expires", "99999999d", "at most a hundred years"),
        ("--expires", "1d\n", "must be as 90d, 12h"),
        ("--expires", "٣d", "must be as 90d, 12h"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_option(
    capsys: pytest.CaptureFixture[str], option: str, value: str, told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "create", "shop", f"{option}={value}"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {option}" in said and told in said


@pytest.mark.parametrize("word", ["show", "revoke", "rotate"])
def test_who_gives_the_whole_key_is_told_its_id_and_the_secret_is_not_printed(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    text = new_key_text("abcdef123456")
    with pytest.raises(SystemExit) as ended:
        main(["keys", word, text])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "its id is abcdef123456" in said
    assert text not in said and text.split("_")[2] not in said


@pytest.mark.parametrize("name", ["", "x" * 129, "two\nlines", "bell\a", "\x1b[31m", "\udc80"])
def test_a_name_is_one_line_that_can_be_printed(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "create", name])
    assert ended.value.code == 2
    assert "must be 1 to 128 printable characters" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [(), ("create",), ("show",), ("revoke",), ("rotate",), ("delete", "x")]
)
def test_words_that_are_missing_or_unknown(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", *arguments])
    assert ended.value.code == 2 and "usage: vibecell keys" in capsys.readouterr().err
