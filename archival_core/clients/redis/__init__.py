"""Redis: streams of events, results and dead letters; each look or change is one step of a script in `lua/`."""
