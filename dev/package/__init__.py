"""The zip that is published as it is: the app with its packages, for the machines that Azure runs it on. `make package`."""
