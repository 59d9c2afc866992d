"""One HTTP request over the standard library, in a thread of its own, so that whoever waits can say so and can stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage
from queue import Empty, SimpleQueue
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

#: A server that answers nothing for so long is given up; what waits for it has said so long before.
_TIMEOUT_SECONDS: Final = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    #: by names in small letters
    headers: Mapping[str, str]
    #: `None` where the body is empty, or no JSON
    document: Any
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer: the connection failed."""

    cause: str


class _SameService(HTTPRedirectHandler):
    """A key is for the host that it was given with, and goes to no other one that a redirection names."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str) -> Request | None:
        """As the parent, without the key where the host is another."""
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and urlsplit(newurl).hostname != urlsplit(req.full_url).hostname:
            new.remove_header("X-functions-key")
        return new


class Asked:
    """A request on its way."""

    def __init__(self, request: Request) -> None:
        self._found: SimpleQueue[Answer | Silence] = SimpleQueue()
        threading.Thread(target=self._ask, args=(request,), daemon=True).start()

    def wait(self, seconds: float) -> Answer | Silence | None:
        """What came back within `seconds`; `None` if nothing has."""
        try:
            return self._found.get(timeout=max(seconds, 0.001))
        except Empty:
            return None

    def _ask(self, request: Request) -> None:
        try:
            # `target.py` lets only http and https through
            with build_opener(_SameService).open(request, timeout=_TIMEOUT_SECONDS) as answer:
                found: Answer | Silence = _answer(answer.status, answer.reason, answer.headers, answer.read())
        except HTTPError as error:
            found = _answer(error.code, error.reason, error.headers, _read(error))
        except (URLError, OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            found = Silence(str(reason) or type(reason).__name__)
        self._found.put(found)


def _answer(status: int, reason: str, headers: Message, body: bytes) -> Answer:
    told = {name.lower(): value for name, value in headers.items()}
    return Answer(status, str(reason), told, _document(body) if "json" in told.get("content-type", "json") else None, body)


def _read(error: HTTPError) -> bytes:
    try:
        return error.read()
    except (OSError, HTTPException):
        return b""


def _document(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
