"""The engine seen from another process: a blocking ``Executor``.

Owns the calls of the engine protocol, from the client's end; refuses to retry.
Works in threads and, where sockets are cooperative, in greenlets.
"""

import socket
from pathlib import Path
from typing import TypeVar

from vibecell.engine.client.followed import EngineConversation
from vibecell.engine.client.link_socket import REPLY_TIMEOUT_S, Link, SharedLink
from vibecell.engine.client.pending_result import EnginePendingResult, IdleLinks
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import EngineUnavailable, ProtocolViolation
from vibecell.model.events import Control
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.model.marks import Moment
from vibecell.model.measures import Measured
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.status import ExecutionState, Health, Listing, Selection, Standing
from vibecell.wire import link as wire

_Reply = TypeVar("_Reply", bound=wire.Reply)
_Link = TypeVar("_Link", bound=Link)


class EngineClient:
    """An ``Executor`` that asks the engine behind a Unix socket.

    Args:
        socket_path: where the engine listens.
    """

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._idle = IdleLinks()

    def close(self) -> None:
        """End the connections that wait for a further call."""
        self._idle.close()

    def submit_and_wait(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None = None,
        provenance: Provenance = NO_REQUEST,
    ) -> EnginePendingResult:
        """See ``Executor.submit_and_wait``."""
        call = wire.ExecuteCall(request, account, idempotency_key, "result", provenance)
        link = self._idle.take() or self._connected(Link)
        standing = self._call(link, call, wire.AcceptedReply).standing
        return EnginePendingResult(link, self._idle, standing)

    def submit_and_follow(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None = None,
        provenance: Provenance = NO_REQUEST,
    ) -> EngineConversation:
        """See ``Executor.submit_and_follow``."""
        call = wire.ExecuteCall(request, account, idempotency_key, "events", provenance)
        return self._conversation(call, account.owner, after=0)

    def submit(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None = None,
        provenance: Provenance = NO_REQUEST,
    ) -> Standing:
        """See ``Executor.submit``."""
        call = wire.ExecuteCall(request, account, idempotency_key, "nothing", provenance)
        return self._ask(call, wire.AcceptedReply).standing

    def attach(self, execution_id: str, owner: Owner, after: int = 0) -> EngineConversation:
        """See ``Executor.attach``."""
        return self._conversation(wire.AttachCall(execution_id, owner, after), owner, after)

    def inspect(self, execution_id: str, owner: Owner) -> ExecutionState:
        """See ``Executor.inspect``."""
        return self._ask(wire.InspectCall(execution_id, owner), wire.StateReply).state

    def executions(self, owner: Owner, selection: Selection) -> Listing:
        """See ``Executor.executions``."""
        return self._ask(wire.ListCall(owner, selection), wire.ListReply).listing

    def control(self, execution_id: str, owner: Owner, control: Control) -> None:
        """See ``Executor.control``."""
        self._ask(wire.ControlCall(execution_id, owner, control), wire.DoneReply)

    def offer(self) -> Offer:
        """See ``Executor.offer``."""
        return self._ask(wire.OfferCall(), wire.OfferReply).offer

    def health(self) -> Health:
        """See ``Executor.health``."""
        return self._ask(wire.HealthCall(), wire.HealthReply).health

    def measures(self) -> tuple[Measured, ...]:
        """See ``Executor.measures``."""
        return self._ask(wire.MeasuresCall(), wire.MeasuresReply).measured

    def traces(self) -> dict[str, dict[Moment, int]] | None:
        """What was noted of the latest executions, by id; ``None``: nothing is noted.

        Raises:
            EngineUnavailable: it cannot be asked.
        """
        reply = self._ask(wire.TracesCall(), wire.TracesReply)
        return {each.id: each.marks for each in reply.executions} if reply.on else None

    def _conversation(self, call: wire.Call, owner: Owner, after: int) -> EngineConversation:
        link = self._connected(SharedLink)
        standing = self._call(link, call, wire.AcceptedReply).standing

        def aside(control: Control) -> None:
            self.control(standing.id, owner, control)

        return EngineConversation(link, standing, after, aside)

    def _ask(self, call: wire.Call, kind: type[_Reply]) -> _Reply:
        link = self._connected(Link)
        reply = self._call(link, call, kind)
        link.close()
        return reply

    def _connected(self, kind: type[_Link]) -> _Link:
        """A new connection.

        Raises:
            EngineUnavailable: nobody answers.
        """
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(REPLY_TIMEOUT_S)
            link.connect(str(self._socket_path))
            return kind(link)
        except OSError as error:
            link.close()
            raise EngineUnavailable("reach the engine") from error

    def _call(self, link: Link, call: wire.Call, kind: type[_Reply]) -> _Reply:
        """Make one call; the reply is of ``kind``, or is raised.

        Raises:
            EngineUnavailable: nobody answers, or not in time.
            VibecellError: what the engine refused with.
        """
        try:
            link.ask(call)
            message = link.receive(REPLY_TIMEOUT_S)
            if not message:
                raise EngineUnavailable("reach the engine", "it closed the connection")
            reply = wire.decode_reply(message)
            if isinstance(reply, wire.RefusedReply):
                raise wire.error_of(reply)
            if not isinstance(reply, kind):
                raise ProtocolViolation("read the engine's reply")
        except OSError as error:
            link.close()
            raise EngineUnavailable("reach the engine") from error
        except BaseException:
            link.close()
            raise
        return reply
