"""An answer: its rows in the form that was asked for, where they go, and what is said beside them."""
