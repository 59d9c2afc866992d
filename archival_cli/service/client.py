"""The HTTP API: questions, and patience with a service that cannot answer now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode
from urllib.request import Request

from archival_cli.errors import UNREACHABLE, CommandError
from archival_cli.service.refusals import refusal
from archival_cli.service.transport import Answer, Asked, Silence

_LATER: Final = frozenset({429, 502, 503, 504})
_PAGE: Final = 500
#: In seconds: after so much silence the service is asked what is away, quietly, since many a question takes so long; that has
#: its answer when a person is told, which is before three seconds are over.
_SUSPICIOUS: Final = 0.25
_SAID_BY: Final = 2.3
#: In seconds: so long an answer is waited for at least. Of a change that was given up nobody would know whether it was made.
_LEAST: Final = 10
_LEAST_FOR_CHANGES: Final = 240
_PAUSE: Final = 2.0
_SILENT: Final = "has not answered yet"

Tell = Callable[[str], None]


class Client:
    """Asks one service; `url` ends in `/api`. What cannot be answered now is told through `tell` within three seconds, and
    asked again for `patience` seconds."""

    def __init__(self, url: str, key: str | None, tell: Tell, patience: float = 60) -> None:
        self.url, self._key, self._tell, self._patience = url, key, tell, patience
        self._told = ""

    def get(self, *path: str, **query: Any) -> Any:
        """The answer as JSON; raises `CommandError`. Parameters that are `None` are left out."""
        given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        return self._ask(self._request("GET", path, urlencode(given, doseq=True)), again=True)

    def all(self, path: str, field: str, *, most: int | None = None, after: str = "cursor", **query: Any) -> list[Any]:
        """What every page of a list has in `field`, and no more than `most`."""
        return [one for page in self.pages(path, field, most=most, after=after, **query) for one in page[field]]

    def pages(self, path: str, field: str, *, most: int | None, after: str = "cursor", **query: Any) -> Iterator[Any]:
        """Every page of a list, until their `field`s have `most` entries together; one page at least."""
        place, left = None, most
        while True:
            page = self.get(path, **query, limit=_PAGE if left is None else min(_PAGE, left), **{after: place})
            yield page
            place = page["next"]
            left = None if left is None else left - len(page[field])
            if place is None or (left is not None and left <= 0):
                return

    def send(self, method: str, *path: str, body: object = None, key: str | None = None, again: bool = False) -> Any:
        """As `get`. With an idempotency `key`, or `again`, it is asked again when the service is busy, which is safe then."""
        return self._ask(self._request(method, path, "", body, key), again=again or key is not None)

    def fetch(self, *path: str, body: object, accept: str) -> Answer:
        """What is answered to a question that changes nothing, in the media type `accept`; as `get`."""
        request = self._request("POST", path, "", body, accept=accept)
        return self._found(request, again=True, working="is answering the question")

    def content(self, *path: str, **query: Any) -> bytes:
        """The bytes that are answered; as `get`."""
        return self._found(self._request("GET", path, urlencode(query)), again=True).body

    def begin(self, *path: str) -> Asked:
        """A look that goes on while others are made; nothing is told, and nothing asked again."""
        return Asked(self._request("GET", path, ""))

    def once(self, *path: str, seconds: float) -> Answer | Silence:
        """What comes back within `seconds`, whatever it is. Silence and trouble are told, and nothing is asked again."""
        found = self._once(self._request("GET", path, ""), seconds)
        if isinstance(found, Answer) and found.status in _LATER:
            self._say(f"{refusal(found)}")
        return found

    def _ask(self, request: Request, *, again: bool) -> Any:
        return self._found(request, again=again).document

    def _found(self, request: Request, *, again: bool, working: str = _SILENT) -> Answer:
        until = time.monotonic() + self._patience
        while True:
            least = _LEAST if request.method == "GET" else _LEAST_FOR_CHANGES
            found = self._once(request, max(until - time.monotonic(), least), working)
            if isinstance(found, Answer) and found.status < 400:
                return found
            if isinstance(found, Answer) and (found.status not in _LATER or not again):
                raise refusal(found, changes=request.method != "GET")
            trouble = f"{self.url} does not answer: {found.cause}" if isinstance(found, Silence) else str(refusal(found))
            left = until - time.monotonic()
            # a connection that failed on the way back may have been asked to change something: then the answer is not known
            if left <= 0 or not again:
                raise refusal(found) if isinstance(found, Answer) else CommandError(trouble, UNREACHABLE)
            self._say(f"{trouble}; asking again until {_clock(left)}, or Ctrl-C")
            time.sleep(min(left, _pause(found)))

    def _once(self, request: Request, seconds: float, working: str = _SILENT) -> Answer | Silence:
        """What comes back within `seconds`; silence is told, as `working` where the service is well."""
        asked, until = Asked(request), time.monotonic() + seconds
        if (found := asked.wait(_SUSPICIOUS)) is not None:
            return found
        health = self.begin("health", "ready")
        if (found := asked.wait(min(_SAID_BY, seconds) - _SUSPICIOUS)) is not None:
            return found
        cause = tell_health(health.wait(0))
        left = until - time.monotonic()
        waits = f"; waiting until {_clock(left)}, or Ctrl-C" if left > 0.1 else ""
        self._say(f"{self.url} {_SILENT + cause if cause else working}{waits}")
        return asked.wait(left) or Silence(f"nothing came in time{cause}")

    def _say(self, text: str) -> None:
        """Once, until something else is to be said: the time until which is asked is no news."""
        news = text.rsplit(" until ", 1)[0]
        if news != self._told:
            self._told = news
            self._tell(text)

    def _request(
        self,
        method: str,
        path: tuple[str, ...],
        query: str,
        body: object = None,
        key: str | None = None,
        accept: str = "application/json",
    ) -> Request:
        address = "/".join([self.url, *(quote(part, safe="") for part in path)]) + (f"?{query}" if query else "")
        headers = {"Accept": accept, "User-Agent": "archival-cli"}
        if self._key:
            headers["x-functions-key"] = self._key
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return Request(address, data, headers, method=method)  # noqa: S310  `target.py` lets only http and https through


def tell_health(health: Answer | Silence | None) -> str:
    """What `GET /health/ready` says, as the end of a sentence."""
    checks = health.document.get("checks") if isinstance(health, Answer) and isinstance(health.document, dict) else None
    if not isinstance(checks, dict):
        return ", nor does it say how it is"
    away = [name for name, told in checks.items() if told != "ok"]
    return f": it does not reach {' and '.join(away)}" if away else ""


def _pause(found: Answer | Silence) -> float:
    asked = found.headers.get("retry-after") if isinstance(found, Answer) else None
    return min(float(asked), 10.0) if asked and asked.isdigit() else _PAUSE


def _clock(seconds: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%H:%M:%SZ}"
