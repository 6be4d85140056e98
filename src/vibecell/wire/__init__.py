"""The only codec between the model and what travels.

Owns both forms: the public one, JSON, and that of links between our own processes, which
carry the model itself. Refuses to hold any other knowledge: rules live in the model, and
the shapes of both forms are derived from it.

json_text.py    strict_json_loads, compact_json
fields.py       base64 fields, field errors
members.py      what the types of the model are made of
bodies.py       public, inbound: shapes derived from the model
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
    JsonObject,
    encode_event,
    encode_execute_reply,
    encode_execution,
    encode_offer,
    encode_result,
    event_view,
    execute_reply,
    execution_view,
    view_of,
)

__all__ = [
    "ControlBody",
    "ExecuteBody",
    "JsonObject",
    "compact_json",
    "decode_control",
    "decode_execute",
    "encode_event",
    "encode_execute_reply",
    "encode_execution",
    "encode_offer",
    "encode_result",
    "event_view",
    "execute_reply",
    "execution_view",
    "strict_json_loads",
    "to_execution_request",
    "view_of",
]
