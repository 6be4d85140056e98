"""Places given back while a program waits for input.

Owns the way from a program that was seen to wait to the ticket of its execution; refuses to
see that itself (``sandbox``) and to count places (``admission.py``).
"""

from dataclasses import replace

from vibecell.engine.admission import Ticket
from vibecell.engine.plan import Plan


class Parking:
    """The place of one execution, for as long as its program works."""

    def __init__(self) -> None:
        self.ticket: Ticket | None = None

    def of(self, plan: Plan) -> Plan:
        """The plan whose interactive stages tell when they wait."""
        if not any(stage.spec.interactive for stage in plan.stages):
            return plan
        stages = (
            replace(stage, spec=replace(stage.spec, tell_waiting=self._told))
            if stage.spec.interactive
            else stage
            for stage in plan.stages
        )
        return replace(plan, stages=tuple(stages))

    def _told(self, waits: bool) -> None:
        if self.ticket is not None:
            if waits:
                self.ticket.park()
            else:
                self.ticket.resume()
