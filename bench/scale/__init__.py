"""Whether a chunk costs the same beside ten archives and beside a hundred thousand: `make bench ARGS=--scale`."""
