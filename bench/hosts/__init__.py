"""Two hosts against one where what they wait for is far away: `make bench ARGS=--hosts`."""
