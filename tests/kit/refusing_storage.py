"""A storage account in front of another that refuses what it is told to: renewals, deletions, everything."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = {"connection", "host", "transfer-encoding", "keep-alive"}


@dataclass
class RefusingStorage:
    """Answers 503 to requests whose `METHOD path?query` matches one of `refused`, and passes on the rest."""

    connection: str
    refused: list[str] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)

    def refuses(self, line: str) -> bool:
        """Whether a request meets a refusal; it is noted then."""
        if not any(re.search(pattern, line) for pattern in self.refused):
            return False
        self.hits.append(line)
        return True


@contextmanager
def refusing_storage(connection: str) -> Iterator[RefusingStorage]:
    """In front of the queue endpoint that `connection` names."""
    [endpoint] = re.findall(r"QueueEndpoint=(http://[^/;]+)", connection)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if storage.refuses(f"{self.command} {self.path}"):
                self._answer(503, {}, b"")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            request = urllib.request.Request(endpoint + self.path, body or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self._answer(answer.status, dict(answer.headers), answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, dict(error.headers), error.read())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOP | {"content-length", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

        def log_message(self, *_: Any) -> None:
            """Nothing: the test looks at `hits`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    storage = RefusingStorage(connection.replace(endpoint, f"http://127.0.0.1:{server.server_port}"))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield storage
    finally:
        server.shutdown()
        server.server_close()
