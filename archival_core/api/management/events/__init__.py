"""Events: what the stream holds, those that could not be used, and whether any are taken in."""
