"""What the command says that its words understand, and what each loads."""

import re
import subprocess
import sys

import pytest

from vibecell.cli.main import main

OF_WALLS = {"--run-dir", "--backend", "--wall", "--runtime"}
KEEPING = {"--config", "--state-dir"}


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        *((word, KEEPING | OF_WALLS) for word in ("serve", "run", "doctor", "languages", "trace")),
        ("prepare", KEEPING | OF_WALLS),
        *((f"keys {word}", KEEPING) for word in ("create", "list", "show", "revoke", "rotate")),
        ("keys rotate-secret", KEEPING),
        ("audit", KEEPING),
        ("images build", KEEPING),
        ("images list", {"--config"}),
    ],
)
def test_a_word_names_the_settings_that_mean_something_to_it(
    words: str, understood: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--help"])
    assert ended.value.code == 0
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", capsys.readouterr().out))
    assert named & (KEEPING | OF_WALLS) == understood


def test_every_word_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for word in (
        "serve",
        "run",
        "languages",
        "doctor",
        "prepare",
        "images",
        "keys",
        "audit",
        "trace",
    ):
        assert re.search(rf"^    {word}\s", said, re.M), word


def test_what_is_known_of_keys_is_loaded_for_them_alone() -> None:
    program = (
        "import sys; from vibecell.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('vibecell.sharing.keys' in sys.modules)"
    )
    for words, loads in (("run --help", False), ("keys list --help", True)):
        ran = subprocess.run(
            [sys.executable, "-c", program, *words.split()],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert ran.stdout.splitlines()[-1] == str(loads), words
