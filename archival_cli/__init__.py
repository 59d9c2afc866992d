"""The command line: the HTTP API for people and scripts. It needs no other part of the service, and none of them needs it."""
