"""`make readers`: one table of the lake with every situation at once, read by every engine that can be had here."""
