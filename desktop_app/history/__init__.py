"""What was said, kept: every conversation as it happens, to be found, read, gone on with, exported or deleted."""
