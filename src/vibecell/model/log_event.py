"""Lines of the log that have fields of their own.

Owns what all of them are: a shape whose members are named once, here or where the line is made,
so that the page of the log can be held to them. Refuses to know how lines are
written (``cli/log_lines.py``). Whatever else is logged is a message of the standard library's.

No member may be what a program is or says, a file's name, a credential, or a header.
"""

import logging

import msgspec


class LogEvent(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", gc=False
):
    """One line; its tag says what happened. A member that is not known is left out."""


def record(log: logging.Logger, level: int, event: LogEvent) -> None:
    """Log an event; whoever makes one at every request asks first whether it is wanted."""
    log.log(level, "", extra={"event": event})
