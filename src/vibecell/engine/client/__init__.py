"""The engine seen from another process: an ``Executor`` over its socket.

engine_client.py   EngineClient: makes the calls
followed.py        a hold on one execution; following its events
pending_result.py  waiting for the result alone, over connections that are used again
link_socket.py     the socket: bounded messages, in time
"""

from vibecell.engine.client.engine_client import EngineClient

__all__ = ["EngineClient"]
