"""The HTTP API over the standard library: no dependency for a few requests."""

from __future__ import annotations

import json
import time
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from archival_cli.errors import REFUSED, UNREACHABLE, CommandError

_TIMEOUT_SECONDS: Final = 240
_TRIES: Final = 4
_LATER: Final = frozenset({429, 502, 503, 504})
_PAGE: Final = 500


class Client:
    """Asks one service; `url` ends in `/api`."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url, self._key = url, key

    def get(self, *path: str, **query: Any) -> Any:
        """The answer as JSON; raises `CommandError`. Parameters that are `None` are left out."""
        given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        return self._ask("GET", path, urlencode(given, doseq=True), None, again=True)

    def all(self, path: str, field: str, *, most: int | None = None, after: str = "cursor", **query: Any) -> list[Any]:
        """What every page of a list has in `field`, and no more than `most`."""
        found: list[Any] = []
        place = None
        while most is None or len(found) < most:
            limit = _PAGE if most is None else min(_PAGE, most - len(found))
            page = self.get(path, **query, limit=limit, **{after: place})
            found += page[field]
            place = page["next"]
            if place is None:
                break
        return found

    def send(self, method: str, *path: str, body: object = None, key: str | None = None, again: bool = False) -> Any:
        """As `get`. With an idempotency `key`, or `again`, it is asked again when the service is busy, which is safe then."""
        return self._ask(method, path, "", body, again=again or key is not None, key=key)

    def look(self, *path: str) -> tuple[int, Any]:
        """Status and JSON of an answer, whatever it is."""
        try:
            with self._open("GET", path, "", None, None) as answer:
                return answer.status, _document(answer.read())
        except HTTPError as error:
            return error.code, _document(error.read())

    def _ask(self, method: str, path: tuple[str, ...], query: str, body: object, *, again: bool, key: str | None = None) -> Any:
        for left in reversed(range(_TRIES)):
            try:
                with self._open(method, path, query, body, key) as answer:
                    return _document(answer.read())
            except HTTPError as error:
                if again and left and error.code in _LATER:
                    time.sleep(min(float(error.headers.get("Retry-After") or 1), 10))
                    continue
                raise _refusal(error) from None
        raise AssertionError("the last try returns or raises")

    def _open(self, method: str, path: tuple[str, ...], query: str, body: object, key: str | None) -> HTTPResponse:
        address = "/".join([self.url, *(quote(part, safe="") for part in path)]) + (f"?{query}" if query else "")
        headers = {"Accept": "application/json", "User-Agent": "archival-cli"}
        if self._key:
            headers["x-functions-key"] = self._key
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            request = Request(address, data, headers, method=method)  # noqa: S310  `target.py` lets only http and https through
            opened: HTTPResponse = urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310
        except HTTPError:
            raise
        except (URLError, OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise CommandError(f"{self.url} does not answer: {reason}", UNREACHABLE) from None
        return opened


def _document(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _refusal(error: HTTPError) -> CommandError:
    if error.code == 401:
        return CommandError(
            "the service does not know this key; `archival login` asks for another, or give --key or ARCHIVAL_API_KEY",
            UNREACHABLE,
        )
    problem = _document(error.read())
    if not isinstance(problem, dict):
        return CommandError(f"the service answers {error.code} {error.reason}", UNREACHABLE if error.code >= 500 else REFUSED)
    told = problem.get("detail") or problem.get("title") or error.reason
    code = str(problem.get("code", error.code))
    return CommandError(f"{told} ({code})", UNREACHABLE if error.code >= 500 else REFUSED, code)
