"""`make bench`: the service beside the tools that people would pick instead, in one run."""
