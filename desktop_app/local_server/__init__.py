"""A Realtime server for this computer alone: the same protocol, without an account and without a network."""
