"""Work is watched while it is done, and called off: its lease passes on, somebody waits, or its task is cancelled."""
