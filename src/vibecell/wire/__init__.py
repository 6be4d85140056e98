"""The only codec between the model and what travels.

Owns both forms: the public one, JSON, and that of links between our own processes, which
carry the model itself. Refuses to hold any other knowledge: rules live in the model, and
the shapes of both forms are derived from it. Nothing is imported here: a process that
speaks over a link needs none of the judges of the public form.

json_text.py    strict_json_loads, compact_json, moments
fields.py       base64 fields, field errors
members.py      what the types of the model are made of
bodies.py       public, inbound: shapes derived from the model
judging.py      a value of JSON by its shape, and no more findings than can be told
requests.py     public, inbound: ExecuteBody, controls
derivations.py  public, both ways: what makes a token or a ticket, and these
views.py        public, outbound: events, results, languages
courier_link.py courier link: what a gateway asks of the process that reaches out
link.py         engine link: calls, replies, and the model as it is
unix_sockets.py what both links go over: how one is made, who is at the other end
"""
