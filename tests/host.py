"""What a test says when this host lacks what it needs.

On a laptop that is a skip with its reason; in continuous integration (``CI``
in the environment) it is a failure, so that nothing is skipped for ever.
"""

import os
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """End the test: the host lacks what ``reason`` names."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"this host lacks {reason}", pytrace=False)
    pytest.skip(f"this host lacks {reason}")
