"""The local server's brain: what answers, and in which order.

`brain.py` asks in turn: the tool router (exact, no model), the chat endpoint the user named, the small model
for small talk, and last an honest sentence. `router.py` hands a request to the skills, one module per kind of
request in `skills/`; a new kind is one module and one line in `skills/__init__.py`.
"""
