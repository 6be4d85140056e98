"""A fact has one definition: what is added to the model is everywhere, with no other line.

The source is copied, a line is added to the model of the copy, and a process of its own
looks for it wherever a client, a page or another process of ours would.
"""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import vibecell

ROOT = Path(__file__).parents[2]
SOURCE = Path(vibecell.__file__).parent

REQUEST_MEMBER = (
    "model/execution.py",
    "    request_class: Annotated[",
    "    urgency: Annotated[int, Meta(ge=0, le=9)] = 5\n",
    """
    body = {"code": "1", "urgency": 7}
    request = to_execution_request(decode_execute(body), OFFER, DEFAULT_LIMITS, DEFAULT_CEILING)
    assert request.urgency == 7
    assert returned(link.ExecuteCall(request, ME), link.decode_call).request.urgency == 7
    assert SCHEMAS["ExecuteBody"]["properties"]["urgency"]["maximum"] == 9
    assert "  urgency?: number;" in CONTRACT
    for wrong in ({"urgency": 10}, {"urgency": "7"}):
        try:
            decode_execute({"code": "1", **wrong})
        except InvalidRequest as error:
            assert error.problems[0].path == "urgency"
        else:
            raise AssertionError(wrong)
    """,
)
LIMIT = (
    "model/limits.py",
    "    processes: Quantity",
    "    widgets: Quantity = 16\n",
    """
    body = {"code": "1", "limits": {"widgets": 3}}
    request = to_execution_request(decode_execute(body), OFFER, DEFAULT_LIMITS, DEFAULT_CEILING)
    assert request.limits.widgets == 3
    assert returned(link.ExecuteCall(request, ME), link.decode_call).request == request
    assert SCHEMAS["LimitsBody"]["properties"]["widgets"]["anyOf"][0]["minimum"] == 1
    assert "  widgets?: number | null;" in CONTRACT
    too_many = {"code": "1", "limits": {"widgets": 17}}
    try:
        to_execution_request(decode_execute(too_many), OFFER, DEFAULT_LIMITS, DEFAULT_CEILING)
    except InvalidRequest as error:
        assert error.problems[0].path == "limits.widgets"
    else:
        raise AssertionError("above the ceiling")
    assert load({"VIBECELL_LIMITS__WIDGETS": "2", "HOME": "/nowhere"}, NOWHERE).limits.widgets == 2
    """,
)
RESULT_MEMBER = (
    "model/execution.py",
    "    files_left_out: int",
    '    digest: bytes = b""\n',
    """
    result = Result("x", Verdict.ACCEPTED, digest=b"\\xff!")
    finished = NumberedEvent(3, Finished(result))
    assert returned(finished, link.decode_event) == finished
    assert encode_event(finished, "base64")["result"]["digest"] == "/yE="
    assert encode_result(result)["digest"] == "\\ufffd!"
    assert encode_execute_reply(result)["digest"] == "\\ufffd!"
    for name in ("ResultView", "ExecuteReply"):
        assert SCHEMAS[name]["properties"]["digest"]["type"] == "string"
    assert CONTRACT.count("  digest: string;") == 2
    """,
)
EVENT = (
    "model/events.py",
    "Event = Queued",
    textwrap.dedent(
        '''\
        class Rested(_Tagged, frozen=True, tag="rested"):
            """It slept."""

            seconds: float


        '''
    ),
    """
    from vibecell.model.events import Rested

    rested = NumberedEvent(2, Rested(1.23456))
    assert returned(rested, link.decode_event) == rested
    assert encode_event(rested) == {"seq": 2, "type": "rested", "seconds": 1.235}
    assert {"$ref": "#/components/schemas/RestedView"} in SCHEMAS["Event"]["anyOf"]
    assert "export interface Rested {" in CONTRACT
    assert '"finished", "rested"] as const' in CONTRACT
    """,
)
CONTROL = (
    "model/events.py",
    "Control = Stdin",
    textwrap.dedent(
        '''\
        class Nudge(_Tagged, frozen=True, tag="nudge"):
            """Say that you are there."""

            times: TerminalCells


        '''
    ),
    """
    from vibecell.model.events import Nudge

    assert returned(Nudge(3), link.decode_control) == Nudge(3)
    assert decode_control({"type": "nudge", "times": 3}) == Nudge(3)
    for wrong in ({"times": 0}, {"times": "3"}, {}):
        try:
            decode_control({"type": "nudge", **wrong})
        except InvalidRequest:
            continue
        raise AssertionError(wrong)
    assert SCHEMAS["NudgeControl"]["properties"]["times"]["maximum"] == 1000
    assert "export interface NudgeControl {" in CONTRACT
    """,
)
PROGRAM = """
import sys
from pathlib import Path

sys.path.insert(0, {web!r})
from contract import contract

from vibecell.config import load
from vibecell.gateway.api.openapi import describe
from vibecell.model.errors import InvalidRequest
from vibecell.model.events import Finished, NumberedEvent
from vibecell.model.execution import Result
from vibecell.model.language import Language, Offer
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS
from vibecell.model.verdicts import Verdict
from vibecell.wire.requests import decode_control, decode_execute, to_execution_request
from vibecell.wire.views import encode_event, encode_execute_reply, encode_result
from vibecell.wire import link
from vibecell.model.caller import Account, Owner
ME = Account(Owner("me"))

OFFER = Offer((Language("python", "Python", "3.11", (), "main.py", "in_place"),))
DOCUMENT = describe()
SCHEMAS = DOCUMENT["components"]["schemas"]
CONTRACT = contract(DOCUMENT)
NOWHERE = Path("/dev/null")


def returned(message, decode):
    return decode(link.encode_message(message)[link.LENGTH_BYTES :])

"""


@pytest.mark.parametrize(
    ("module", "before", "line", "looked_for"),
    [REQUEST_MEMBER, LIMIT, RESULT_MEMBER, EVENT, CONTROL],
    ids=["request", "limit", "result", "event", "control"],
)
def test_what_is_added_to_the_model_is_everywhere(
    tmp_path: Path, module: str, before: str, line: str, looked_for: str
) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "playground", "documentation")
    shutil.copytree(SOURCE, tmp_path / "vibecell", ignore=ignored)
    changed = tmp_path / "vibecell" / module
    text = changed.read_text()
    assert text.count(before) == 1
    text = text.replace(before, line + before)
    if "Event = Queued" in before:  # a member of the union, as any other
        text = text.replace("Exited | Finished\n", "Exited | Finished | Rested\n")
    if "Control = Stdin" in before:
        text = text.replace("Signal | Cancel\n", "Signal | Cancel | Nudge\n")
    changed.write_text(text)
    program = PROGRAM.format(web=str(ROOT / "web")) + textwrap.dedent(looked_for)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_page_has_the_contract_that_the_model_says() -> None:
    written = subprocess.run(
        [sys.executable, str(ROOT / "web/contract.py")], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "web/src/contract.ts").read_text() == written, "write it anew: make page"
