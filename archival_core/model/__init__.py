"""Pure values of the domain: no I/O, no clock, no import of ours but `errors`."""
