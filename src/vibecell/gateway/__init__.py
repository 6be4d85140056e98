"""HTTP and WebSocket: who asks, may they, is it well formed; relays events.

daemon.py           the process: from a listening socket to a graceful end
app.py              the Flask application: all endpoints, and the way in
shortcut.py         POST /execute past Flask
answer_steps.py     what happens to every answer, on the way out
parts.py            what the endpoints of one gateway share
policy.py           the rules of one gateway
public_address.py   where clients reach it, and the prefix of its paths there
cross_origin.py     what pages of other origins may do here
host_names.py       which Host a request may name
quota.py            how much a key, a user or an address may ask for
rates.py            how often within a time, by the library limits
recent_moments.py   its storage in this process
rate_fields.py      the RateLimit fields of answers
refusals.py         how often one peer is refused without having said who it is
watchers.py         who is watching which execution; cancels what nobody watches
built_files.py      the page and the documentation as files, and what a browser may keep of them
media_types.py      what a file is sent as, by how its name ends
page_files.py       the files of the pages that were begun here
current_request.py  what endpoints ask of Flask's request
json_bodies.py      JSON in bodies of requests and answers
problems.py         errors as problem+json
security_headers.py what keeps a browser from doing harm
request_log.py      a line of the log for each request
timing.py           the Server-Timing header, both ways
credential_audit.py what happens to credentials, on its way to where it is audited
dead_keys.py        how often keys are told of that have died and are shown all the same
metrics.py          what is counted, and all that is told of it
exposition.py       that as Prometheus reads it
metrics_door.py     a listener of its own for it
key_watch.py        has a gateway know of keys what the store says
identity/           who is asking
http/               the HTTP/1.1 server
api/                the endpoints
preamble/           what runs in a program's page before its own first line
transports/         how events reach a client
playground/         the page, as it was built from web/
documentation/      the page at /docs, as built
"""
