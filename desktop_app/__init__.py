"""Parley: a desktop voice assistant that knows what you heard."""

__version__ = "0.1.0"
