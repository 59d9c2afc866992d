"""The function app: composition only. Nothing here opens a connection; heavy imports happen on first use."""

from archival_core.functions import app as app
