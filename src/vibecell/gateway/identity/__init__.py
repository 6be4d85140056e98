"""Who asks, by what a request shows: keys, and what derives from them.

authenticator.py  from what is presented to a caller, or a refusal
"""
