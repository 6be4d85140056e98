"""The HTTP/1.1 server: gevent's pywsgi, with the bounds and the strictness it lacks.

server.py         accepting, connections per peer, the graceful stop
handler.py        one connection: phases and deadlines, writing answers
serving.py        what these two know of each other
connection.py     a client's socket, with a deadline on every wait
request_head.py   which requests are read at all
header_fields.py  reading header fields
request_body.py   what becomes of a body that nobody read
answer_chain.py   what every answer passes before its head is sent
"""
