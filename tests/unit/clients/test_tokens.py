"""Whoever gives tokens is away, on a real server in its place: nothing that asks is to blame."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from archival_core.clients import credentials
from archival_core.errors import AwayError


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    credentials._credential.cache_clear()
    yield
    credentials._credential.cache_clear()


class Giver(HTTPServer):
    """The endpoint of a function app's identity; its tokens are over within seconds."""

    gives = True


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Giver)
        token = {"access_token": "a-token", "expires_on": str(int(time.time()) + 20), "resource": "x", "token_type": "Bearer"}
        content = json.dumps(token) if self.server.gives else "<html>later</html>"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def giver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Giver]:
    with Giver(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "any")
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("how", ["answers something else", pytest.param("is gone", marks=pytest.mark.slow)])
def test_a_giver_of_tokens_that_is_away_later_on(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    token = credentials.token_source("https://ossrdbms-aad.database.windows.net/.default", "source")
    with giver(monkeypatch) as server:
        assert token() == "a-token"
        server.gives = False
        if how == "answers something else":
            away(token)
    if how == "is gone":
        away(token)


def away(token: Callable[[], str]) -> None:
    with pytest.raises(AwayError) as raised:
        token()
    assert (raised.value.code, raised.value.dependency) == ("no-token", "source")
