"""The wire vocabulary of the Realtime protocol (GA), shared by the client and the local server. No I/O."""
