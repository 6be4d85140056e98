"""The only codec between the model and what travels.

Owns both forms: the public one, JSON (``requests``, ``views``, over the strict reader
in ``json_text``), and that of links between our own processes (``link``), which carry
the model itself. Refuses to hold any other knowledge: rules live in the model.

json_text.py    strict_json_loads, compact_json
fields.py       base64 fields, field errors
requests.py     public, inbound: ExecuteBody, controls
views.py        public, outbound: events, results, languages
link.py         engine link: calls, replies, and the model as it is
"""

from vibecell.wire.json_text import compact_json, strict_json_loads
from vibecell.wire.requests import (
    ControlBody,
    ExecuteBody,
    decode_control,
    decode_execute,
    to_execution_request,
)
from vibecell.wire.views import (
    EventView,
    ExecuteReply,
    ExecutionView,
    JsonObject,
    OfferView,
    ResultView,
    encode_event,
    encode_execute_reply,
    encode_execution,
    encode_offer,
    encode_result,
)

__all__ = [
    "ControlBody",
    "EventView",
    "ExecuteBody",
    "ExecuteReply",
    "ExecutionView",
    "JsonObject",
    "OfferView",
    "ResultView",
    "compact_json",
    "decode_control",
    "decode_execute",
    "encode_event",
    "encode_execute_reply",
    "encode_execution",
    "encode_offer",
    "encode_result",
    "strict_json_loads",
    "to_execution_request",
]
