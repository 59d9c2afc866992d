"""The service as the command line sees it: where it is, what it answers, and which names it knows."""
