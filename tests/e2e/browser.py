"""Driving a browser from the tests: a script beside this file does, and reports."""

import json
import subprocess
from pathlib import Path
from typing import Any


def driven(script: str, *args: str, timeout_s: float) -> dict[str, Any]:
    """What a script beside this file reports, which drives the browser."""
    done = subprocess.run(
        ["node", str(Path(__file__).with_name(script)), *args],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return report
