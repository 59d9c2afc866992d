"""What the command line says of a service that cannot answer now, and how it goes on when the service can."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from archival_cli.__main__ import main
from archival_cli.errors import REFUSED, UNREACHABLE, CommandError
from archival_cli.service import client as client_module
from archival_cli.service.client import Client

#: path → status and document; `None` never answers
type _Answers = Callable[[str], tuple[int, Any] | None]
AWAY = {"code": "database-login", "detail": 'the ledger: password authentication failed for user "x"'}
READY = {"status": "ok", "checks": {"ledger": "ok", "redis": "ok"}}


@contextmanager
def a_service(answers: _Answers) -> Iterator[str]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers(self.path.removeprefix("/api/"))
            if answer is None:
                over.wait(30)
                return
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def test_an_outage_is_told_at_once_and_over_when_it_is_over() -> None:
    answers = iter([(503, AWAY), (503, AWAY), (200, {"jobs": []})])
    told: list[str] = []
    # a slow machine has the service asked how it is, too
    with a_service(lambda path: (200, {}) if path == "health/ready" else next(answers)) as url:
        assert Client(url, "key", told.append).get("jobs") == {"jobs": []}
    assert len(told) == 1, "the same is said once"
    assert "password authentication failed" in told[0]
    assert "asking again until" in told[0]


def test_silence_is_told_within_three_seconds_with_what_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_LEAST", 3)
    ready = {"status": "failed", "checks": {"ledger": "failed", "queue": "ok", "redis": "failed"}}
    told: list[tuple[float, str]] = []
    started = time.monotonic()
    with (
        a_service(lambda path: (503, ready) if path == "health/ready" else None) as url,
        pytest.raises(CommandError) as raised,
    ):
        Client(url, "key", lambda text: told.append((time.monotonic() - started, text)), patience=3).get("jobs")
    [(after, text)] = told
    assert after < 3
    assert "does not reach ledger and redis" in text
    assert raised.value.exit_code == UNREACHABLE
    assert 3 <= time.monotonic() - started < 5


def test_a_service_that_is_silent_altogether_is_told_within_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_LEAST", 3)
    told: list[float] = []
    started = time.monotonic()
    with a_service(lambda _: None) as url, pytest.raises(CommandError, match="nothing came in time"):
        Client(url, "key", lambda _: told.append(time.monotonic() - started), patience=3).get("jobs")
    assert [after < 3 for after in told] == [True]


@pytest.mark.parametrize(("seconds", "said"), [(0.6, []), (2.6, ["is answering the question"])])
def test_a_question_is_said_to_be_answered_when_it_takes_seconds(seconds: float, said: list[str]) -> None:
    told: list[str] = []

    def answers(path: str) -> tuple[int, Any]:
        time.sleep(seconds if path == "queries" else 0)
        return 200, READY

    with a_service(answers) as url:
        assert Client(url, "key", told.append).fetch("queries", body={}, accept="application/json").status == 200
    assert [text.partition(";")[0] for text in told] == [f"{url} {one}" for one in said]


def test_nobody_there_is_told_at_once() -> None:
    told: list[str] = []
    with pytest.raises(CommandError, match="does not answer"):
        Client("http://127.0.0.1:1/api", None, told.append, patience=1).get("jobs")
    assert "asking again until" in told[0]


def test_a_change_is_not_made_twice_unless_that_is_safe() -> None:
    asked: list[str] = []

    def answers(path: str) -> tuple[int, Any]:
        if path == "health/ready":
            return 200, {}
        asked.append(path)
        return (503, AWAY) if len(asked) == 1 else (200, {})

    with a_service(answers) as url:
        with pytest.raises(CommandError, match="password authentication failed"):
            Client(url, "key", lambda _: None).send("POST", "jobs", "1", "retry")
        assert asked == ["jobs/1/retry"]
        asked.clear()
        Client(url, "key", lambda _: None).send("POST", "archives", body={}, key="once")
        assert asked == ["archives", "archives"]


def test_a_viewers_key_is_told_apart_where_something_is_to_change() -> None:
    with a_service(lambda _: (401, {})) as url, pytest.raises(CommandError, match="or it is a viewer's, which may only look"):
        Client(url, "key", lambda _: None).send("POST", "jobs", "1", "retry")


@pytest.mark.parametrize(
    ("answer", "exit_code", "told"),
    [
        ((401, {}), UNREACHABLE, "does not know this key"),
        ((404, "<html>"), UNREACHABLE, "is this the address of an archival_service?"),
        ((404, {"code": "unknown-job", "detail": "there is no job 1"}), REFUSED, "there is no job 1 (unknown-job)"),
        (
            (422, {"code": "invalid-request", "errors": [{"field": "body.older_than", "reason": "is of the other kind"}]}),
            REFUSED,
            "--older-than: is of the other kind",
        ),
        (
            (422, {"code": "invalid-request", "errors": [{"field": "query.error_code.0", "reason": "is no code"}]}),
            REFUSED,
            "--code: is no code",
        ),
    ],
)
def test_a_refusal_is_in_the_words_of_the_command_line(answer: tuple[int, Any], exit_code: int, told: str) -> None:
    with a_service(lambda _: answer) as url, pytest.raises(CommandError) as raised:
        Client(url, "key", lambda _: None).get("jobs")
    assert told in str(raised.value)
    assert raised.value.exit_code == exit_code


def test_an_error_of_several_lines_is_shown_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    detail = "Conversion Error: no time\n\nLINE 1: SELECT a\x1b[2J\n               ^"
    with a_service(lambda _: (400, {"code": "query-invalid", "detail": detail})) as url:
        assert main(["sql", "SELECT a", "--url", url]) == REFUSED
    told = capsys.readouterr().err.splitlines()
    assert told == ["Conversion Error: no time (query-invalid)", "", "LINE 1: SELECT a\\x1b[2J", "               ^"]


def test_a_key_goes_to_no_other_host() -> None:
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "health" not in self.path:  # a slow machine has the service asked how it is
                seen.append(self.headers.get("x-functions-key"))
            port = self.server.server_port  # type: ignore[attr-defined]
            hops = {"/api/near": f"http://127.0.0.1:{port}/api/there", "/api/far": f"http://localhost:{port}/api/there"}
            self.send_response(302 if self.path in hops else 200)
            if self.path in hops:
                self.send_header("Location", hops[self.path])
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        client = Client(f"http://127.0.0.1:{server.server_port}/api", "secret", lambda _: None)
        assert client.get("near") == client.get("far") == {}
    finally:
        server.shutdown()
        server.server_close()
    assert seen == ["secret", "secret", "secret", None]
