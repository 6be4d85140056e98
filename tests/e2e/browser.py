"""Driving a browser from the tests: a script beside this file does, and reports."""

import json
import subprocess
from pathlib import Path
from typing import Any


def driven(script: str, *args: str, timeout_s: float) -> dict[str, Any]:
    """What a script beside this file reports, which drives the browser.

    A script that does not end is ended, and fails with all that it said until then.
    """
    process = subprocess.Popen(
        ["node", str(Path(__file__).with_name(script)), *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            told, wrong = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            told, wrong = process.communicate()
            raise AssertionError(f"not done after {timeout_s} s; said: {told}{wrong}") from None
    assert process.returncode == 0, f"{wrong}{told}"
    report: dict[str, Any] = json.loads(told.strip().splitlines()[-1])
    return report
