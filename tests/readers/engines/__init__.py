"""One file for each engine; they run in the environment of `requirements.txt`, and import nothing of the service."""
