"""A development host for the function app: Microsoft's azure-functions-runtime, which the cloud's worker runs, and triggers.

It models HTTP routes and keys, NCRONTAB timers in UTC with the lease that hosts share and the ticks that are made up for,
queue polling with visibility and renewal, dequeue counts, poison queues whose messages expire, hosts that end when storage is
away or a function runs too long, `%SETTING%` expansion, and the refusals that a mistake in the app would meet in the cloud.

It does not model scaling, other bindings than HTTP, timer and queue, output bindings, cold starts or key management. A folder
stands in for the blobs of timers' leases. Where the real host would skip a function in error, this one refuses to start.
"""
