"""How soon the console shows 10,000 chunks and 100,000 jobs: `make bench ARGS=--console`."""
