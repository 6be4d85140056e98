"""The only codec between the model and JSON.

Owns both forms: the public one (``requests``, ``views``) and the engine
link's (``link``, ``link_models``), over one strict reader (``json_text``).
Refuses to hold any other knowledge: rules live in the model.

    json_text.py    strict_json_loads, compact_json
    fields.py       base64 fields, field errors
    requests.py     public, inbound: ExecuteBody, controls
    views.py        public, outbound: events, results, languages
    link_models.py  engine link: shapes
    link.py         engine link: both directions
"""

from vibecell.wire.json_text import compact_json, strict_json_loads
from vibecell.wire.link import (
    MAX_CALL_LINE_BYTES,
    MAX_REPLY_LINE_BYTES,
    control_from_link,
    decode_internal_call,
    decode_internal_control,
    decode_internal_error,
    decode_internal_event,
    decode_internal_finished,
    decode_internal_offer,
    decode_internal_reply,
    decode_internal_request,
    decode_internal_result,
    encode_internal_control,
    encode_internal_error,
    encode_internal_event,
    encode_internal_request,
    encode_internal_result,
)
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
    "MAX_CALL_LINE_BYTES",
    "MAX_REPLY_LINE_BYTES",
    "ControlBody",
    "EventView",
    "ExecuteBody",
    "ExecuteReply",
    "ExecutionView",
    "JsonObject",
    "OfferView",
    "ResultView",
    "compact_json",
    "control_from_link",
    "decode_control",
    "decode_execute",
    "decode_internal_call",
    "decode_internal_control",
    "decode_internal_error",
    "decode_internal_event",
    "decode_internal_finished",
    "decode_internal_offer",
    "decode_internal_reply",
    "decode_internal_request",
    "decode_internal_result",
    "encode_event",
    "encode_execute_reply",
    "encode_execution",
    "encode_internal_control",
    "encode_internal_error",
    "encode_internal_event",
    "encode_internal_request",
    "encode_internal_result",
    "encode_offer",
    "encode_result",
    "strict_json_loads",
    "to_execution_request",
]
