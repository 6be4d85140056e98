"""From where an execution was asked for.

Owns what is known of the request that began it, for whoever counts, logs or audits; refuses to
be a reason for anything: who may what is decided by ``caller.py``'s alone.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from vibecell.model.caller import CredentialKind
from vibecell.model.names import END

MAX_REQUEST_ID_CHARACTERS = 128
# printable ASCII without a blank, a quote or a backslash: it stands in headers and in lines of JSON
_REQUEST_ID = rf"[!#-\[\]-~]{{1,{MAX_REQUEST_ID_CHARACTERS}}}"
REQUEST_ID = re.compile(rf"{_REQUEST_ID}\Z")
RequestId = Annotated[str, Meta(pattern=f"^{_REQUEST_ID}{END}")]
#: Of IPv6 with the name of an interface behind it, which is longest.
MAX_ADDRESS_CHARACTERS = 64
#: As text, of IPv4 or IPv6, or what stands for a Unix socket.
Address = Annotated[str, Meta(max_length=MAX_ADDRESS_CHARACTERS)]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which request began an execution; ``None`` where there was none, as from a command line.

    Attributes:
        request_id: as the client called it, or we did.
        address: for whom it was asked: he alone, though bounds count a network of IPv6 as one.
        credential: what was shown.
    """

    request_id: RequestId | None = None
    address: Address | None = None
    credential: CredentialKind | None = None


NO_REQUEST = Provenance()
