"""The HTTP API: its routers, what every request passes before them, and the files of the page."""
