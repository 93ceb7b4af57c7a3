"""Other people's voice programs, each in the few lines its own documentation asks for.

They run by the Python of their own environment and know nothing of ours; where the server is, they are told by
`PARLEY_PEER_URL` (ending in `/v1/realtime`) and `PARLEY_PEER_KEY`.
"""
