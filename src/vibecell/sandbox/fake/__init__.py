"""A backend without a sandbox, for tests and for trying a front end.

Owns every behaviour that the port can show; refuses to execute anything, and says in its
capabilities that it protects nothing.

scripted_backend.py  the backend, its cells and processes
scripted_program.py  the little language of its programs
seen_waiting.py      a program that is seen to wait
"""
