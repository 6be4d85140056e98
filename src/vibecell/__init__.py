"""Vibecell: run code that has just been written, at once, in a sealed cell, live.

General layout, from the door inwards; each room imports only those below it:

    cli         the command, and the one place that names concrete classes
    gateway     HTTP and WebSocket: who is asking, may they, is it well formed
    couriers    fetch what is published elsewhere, and can do nothing else
    engine      admits, plans, runs, judges, keeps the numbered event log
    sandbox     walls, warm cells, the runtime image; knows no language
    languages   one folder per language; knows no sandbox
    sharing     who may come, whose turn it is, what each has used, and the stores of that
    executor    the port through which anything is executed
    wire        the one codec between the model and what travels
    config      settings, and the only reader of the environment
    model       limits, requests, events, verdicts, errors; imports nothing of ours

    cell        programs that run behind the walls: standard library only,
                known to the sandbox as files to copy and frames to speak

What is named here is what a program that embeds Vibecell needs.
"""

from vibecell.config import Settings
from vibecell.engine.client import EngineClient
from vibecell.model.errors import CapacityError, PlatformError, RequestError, VibecellError
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.limits import Limits
from vibecell.model.verdicts import Verdict

__all__ = [
    "CapacityError",
    "EngineClient",
    "ExecutionRequest",
    "Limits",
    "PlatformError",
    "RequestError",
    "Result",
    "Settings",
    "SourceFile",
    "Verdict",
    "VibecellError",
]

__version__ = "0.1.0"
