"""The shapes of the engine link, validated on both ends.

Owns one strict model per message of the engine protocol; refuses unknown
fields. Bytes are base64 here, always. ``docs/reference/protocol.md`` explains
the conversation, ``link.py`` turns these into the model and back.
"""

from typing import Annotated, Literal

from pydantic import Field

from vibecell.model.capabilities import Wall
from vibecell.model.events import SignalName, StreamName
from vibecell.model.execution import Encoding, OnDisconnect, State
from vibecell.model.language import StartMode
from vibecell.model.marks import Moment
from vibecell.model.verdicts import Verdict
from vibecell.wire.fields import Base64Bytes, StrictModel

Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
Owner = Annotated[str, Field(min_length=1, max_length=256)]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=256)]
Count = Annotated[int, Field(ge=0)]
#: What comes after the reply: every event, nothing, or ``finished`` alone.
Follow = bool | Literal["result"]


class LinkFile(StrictModel):
    path: str
    content: Base64Bytes


class LinkLimits(StrictModel):
    wall_time_ms: int
    cpu_time_ms: int
    memory_bytes: int
    processes: int
    open_files: int
    workspace_bytes: int
    output_bytes: int


class LinkRequest(StrictModel):
    language: str
    version: str | None
    files: list[LinkFile]
    entrypoint: str | None
    args: list[str]
    stdin: Base64Bytes
    env: dict[str, str]
    limits: LinkLimits
    interactive: bool
    expected_output: str | None
    encoding: Encoding
    on_disconnect: OnDisconnect
    request_class: str | None


class ExecuteCall(StrictModel):
    call: Literal["execute"]
    request: LinkRequest
    owner: Owner
    idempotency_key: IdempotencyKey | None = None
    follow: Follow = True


class AttachCall(StrictModel):
    call: Literal["attach"]
    id: Identifier
    owner: Owner
    after: Count = 0


class InspectCall(StrictModel):
    call: Literal["inspect"]
    id: Identifier
    owner: Owner


class LinkStdin(StrictModel):
    type: Literal["stdin"]
    data: Base64Bytes


class LinkEndOfInput(StrictModel):
    type: Literal["end_of_input"]


class LinkResize(StrictModel):
    type: Literal["resize"]
    columns: Annotated[int, Field(ge=1, le=1000)]
    rows: Annotated[int, Field(ge=1, le=1000)]


class LinkSignal(StrictModel):
    type: Literal["signal"]
    name: SignalName


class LinkCancel(StrictModel):
    type: Literal["cancel"]


LinkControl = Annotated[
    LinkStdin | LinkEndOfInput | LinkResize | LinkSignal | LinkCancel,
    Field(discriminator="type"),
]


class ControlCall(StrictModel):
    call: Literal["control"]
    id: Identifier
    owner: Owner
    control: LinkControl


class LanguagesCall(StrictModel):
    call: Literal["languages"]


class HealthCall(StrictModel):
    call: Literal["health"]


class TraceCall(StrictModel):
    call: Literal["trace"]


LinkCall = Annotated[
    ExecuteCall | AttachCall | InspectCall | ControlCall | LanguagesCall | HealthCall | TraceCall,
    Field(discriminator="call"),
]


class LinkUsage(StrictModel):
    wall_time_ms: float
    cpu_time_ms: float | None
    memory_bytes: int | None
    processes: int | None
    output_bytes: int


class LinkOutcome(StrictModel):
    verdict: Annotated[Verdict, Field(strict=False)]
    exit_code: int | None
    signal: str | None
    usage: LinkUsage
    message: str


class LinkStage(StrictModel):
    stage: str
    outcome: LinkOutcome


class LinkResult(StrictModel):
    id: str
    verdict: Annotated[Verdict, Field(strict=False)]
    stages: list[LinkStage]
    stdout: Base64Bytes
    stderr: Base64Bytes
    output: Base64Bytes
    truncated: bool
    usage: LinkUsage
    files: list[LinkFile]
    message: str


class LinkQueued(StrictModel):
    seq: int
    type: Literal["queued"]
    position: int


class LinkStarted(StrictModel):
    seq: int
    type: Literal["started"]
    stage: str


class LinkStream(StrictModel):
    seq: int
    type: Literal["stream"]
    stage: str
    name: StreamName
    data: Base64Bytes


class LinkDisplay(StrictModel):
    seq: int
    type: Literal["display"]
    data: dict[str, str]


class LinkExited(StrictModel):
    seq: int
    type: Literal["exited"]
    stage: str
    outcome: LinkOutcome


class LinkFinished(StrictModel):
    seq: int
    type: Literal["finished"]
    result: LinkResult


LinkEvent = Annotated[
    LinkQueued | LinkStarted | LinkStream | LinkDisplay | LinkExited | LinkFinished,
    Field(discriminator="type"),
]


class AcceptedReply(StrictModel):
    reply: Literal["accepted"]
    id: Identifier
    replayed: bool = False


class StateReply(StrictModel):
    reply: Literal["state"]
    id: Identifier
    state: State
    result: LinkResult | None


class DoneReply(StrictModel):
    reply: Literal["done"]


class LinkLanguage(StrictModel):
    name: str
    display_name: str
    version: str
    aliases: list[str]
    entrypoint: str
    mode: StartMode
    example: str


class LanguagesReply(StrictModel):
    reply: Literal["languages"]
    languages: list[LinkLanguage]
    classes: dict[str, list[LinkLanguage]]


class LinkLayer(StrictModel):
    name: str
    enforced: bool
    detail: str
    mend: str
    required: bool


class LinkCapabilities(StrictModel):
    backend: str
    wall: Wall
    layers: list[LinkLayer]


class HealthReply(StrictModel):
    reply: Literal["health"]
    ready: bool
    capabilities: LinkCapabilities
    counts: dict[str, int]


class LinkTrace(StrictModel):
    id: Identifier
    marks: dict[Moment, Count]


class TraceReply(StrictModel):
    reply: Literal["trace"]
    on: bool
    executions: list[LinkTrace]


class LinkProblem(StrictModel):
    path: str
    message: str


class ErrorReply(StrictModel):
    reply: Literal["error"]
    error: str
    message: str
    problems: list[LinkProblem] = Field(default_factory=list)
    retry_after_s: int | None = None


LinkReply = Annotated[
    AcceptedReply | StateReply | DoneReply | LanguagesReply | HealthReply | TraceReply | ErrorReply,
    Field(discriminator="reply"),
]
