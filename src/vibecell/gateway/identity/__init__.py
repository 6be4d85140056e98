"""Who asks: keys, what derives from them, and what each may.

authenticator.py    from what is presented to a caller, or a refusal
presented.py        which credential a request presents
permissions.py      what is needed for which operation
narrowing.py        from a key, or what derives from it, to a caller
tokens.py           a user's, for hours
provider_tokens.py  a user's, of an identity provider
courier.py          the keys of identity providers, as a courier brings them
tickets.py          for seconds, once
memory_tickets.py   tickets that wait, in this process
"""
