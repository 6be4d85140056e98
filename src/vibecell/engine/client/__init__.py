"""The engine seen from another process: an ``Executor`` over its socket.

engine_client.py   EngineClient: makes the calls
followed.py        what every hold on one execution has
pending_result.py  waiting for the result alone, over connections that are used again
lines.py           the socket: bounded lines, in time
"""

from vibecell.engine.client.engine_client import EngineClient

__all__ = ["EngineClient"]
