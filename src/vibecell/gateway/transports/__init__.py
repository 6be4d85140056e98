"""How events reach a client.

relay.py            waiting: for the next event, a heartbeat, a client that leaves
ndjson.py           one JSON object per line
sse.py              server-sent events
websocket.py        WebSocket on gevent
websocket_relay.py  what goes over one: events down, controls up
inbox.py            what was received and not taken yet, bounded in bytes
"""
