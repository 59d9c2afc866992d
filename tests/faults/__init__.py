"""Faults at every step: seeded runs against real servers, each checked by an independent reader.

    make faults                                   # all of it
    python -m tests.faults --seed 7 --only crash --run 41   # exactly that run again

A run takes a *story* (prepare data, ask, work, settle), does one *scenario* of a fault family to it, lets ordinary redelivery
put things right, and has the `invariant` checked. The service runs in child processes (`worker`), forked from a parent that
has imported everything and done nothing; the harness plays the functions host (`host`).
"""
