"""A development host for the function app: Microsoft's azure-functions-runtime, which the cloud's worker runs, and triggers.

It models HTTP routes and keys, NCRONTAB timers in UTC, queue polling with visibility and renewal, dequeue counts, poison
queues, `%SETTING%` expansion, and the refusals that a mistake in the app would meet in the cloud.

It does not model scaling, other bindings than HTTP, timer and queue, output bindings, cold starts, key management, or the
timer's status blob: a tick that is missed while the host is down is not made up for. Where the real host would skip a function
that is in error, this one refuses to start.
"""
