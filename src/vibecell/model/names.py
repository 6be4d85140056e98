"""How ids are spelt, and how a text ends.

Owns the one definition of each spelling, as a type of what travels and as a pattern. Refuses a line
break at the end, which `$` of Python lets pass.
"""

import re
from typing import Annotated

from msgspec import Meta

# Python's $ stands before a line break at the end, too; JSON Schema's and pydantic's does not,
# and the latter knows no looking ahead. So the model says this, and ``wire/bodies.py`` says $.
# Source: re, "$"; https://docs.rs/regex, "Empty matches"; ECMA-262, "Assertion"
END = r"$(?!\n)"

_EXECUTION_ID = "[A-Za-z0-9_-]{1,64}"
EXECUTION_ID = re.compile(rf"{_EXECUTION_ID}\Z")
#: Of an execution, and of a page of a list, which is named by where it begins.
ExecutionId = Annotated[str, Meta(pattern=f"^{_EXECUTION_ID}{END}")]

_KEY_ID = "[A-Za-z0-9-]{1,64}"
KEY_ID = re.compile(rf"{_KEY_ID}\Z")
KeyId = Annotated[str, Meta(pattern=f"^{_KEY_ID}{END}")]
