"""The HTTP/1.1 server: gevent's pywsgi, with the bounds and the strictness it lacks.

server.py           accepting, bounds on connections, the graceful stop
handler.py          one connection: phases and deadlines, writing answers
serving.py          what these two know of each other
connection.py       a client's socket, with a deadline on every wait, and how it ended
forwarded.py        for whom a proxy asks, and whose word is taken for that
address_shares.py   who has which share of the one thread
body_rooms.py       how much of requests' bodies is held, by whom
turns.py            how much a peer takes of the one thread at a time
idle_connections.py which connections go when room is short
request_head.py     which requests are read at all
header_fields.py    reading header fields
request_body.py     where a body ends, and what becomes of one that nobody read
answer_chain.py     what every answer passes before its head is sent
"""
