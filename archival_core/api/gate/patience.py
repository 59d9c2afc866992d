"""Who asks while something is away hears within 3 s what it is, instead of waiting for time-outs of several layers."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archival_core.api import problems
from archival_core.api.services import Provider
from archival_core.errors import AwayError, SettingsError
from archival_core.flows.insight.readiness import Away, ReadinessCheck

_LOG = logging.getLogger(__name__)

#: In seconds. What is there answers sooner; the look at the dependencies takes 2 s at most.
_AT_FIRST: Final = 0.7
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: What each operation works with, by the beginning of its address. What is not here has deadlines of its own.
_NEEDS: Final = {
    "/api/archives": ("ledger", "source", "queue"),
    "/api/audit": ("ledger",),
    "/api/chunks": ("ledger", "source"),
    "/api/dashboard/chunks": ("ledger",),
    "/api/dashboard/timeline": ("ledger",),
    "/api/dead-letters": ("redis", "ledger"),
    "/api/hypertables": ("ledger", "source"),
    "/api/intake": ("ledger",),
    "/api/jobs": ("ledger", "queue"),
    "/api/policies": ("ledger", "source"),
    "/api/restores": ("ledger", "source", "queue"),
    "/api/verifications": ("ledger",),
}


class Patience:
    """ASGI middleware: a look that takes long is given up where something that it needs is away."""

    def __init__(self, app: ASGIApp, services: Provider) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer in the operation's place if need be."""
        needs = _needs(scope.get("path", ""))
        if scope["type"] != "http" or not needs or scope["method"] not in _READS:
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        work = asyncio.ensure_future(self._app(scope, receive, sending))
        try:
            await asyncio.wait({work}, timeout=_AT_FIRST)
            if not work.done() and (found := await self._away(needs)) is not None and not begun and not work.done():
                work.cancel()
                await asyncio.wait({work})
                await _refusal(scope, *found)(scope, receive, send)
                return
            await work
        except asyncio.CancelledError:
            work.cancel()
            raise

    async def _away(self, needs: tuple[str, ...]) -> tuple[str, Away] | None:
        try:
            return await _first_away(self._services().readiness, needs)
        except SettingsError:
            return None


async def check(readiness: ReadinessCheck, path: str) -> None:
    """Raise `AwayError` where something is away that a change at `path` needs.

    What was begun is never cut off, since nobody would know whether it was done. So it is not begun.
    """
    found = await _first_away(readiness, _needs(path))
    if found is not None:
        raise AwayError(f"{_sentence(*found)}. Nothing was done", code=found[1].code, dependency=found[0])


async def _first_away(readiness: ReadinessCheck, needs: tuple[str, ...]) -> tuple[str, Away] | None:
    states = await readiness.states()
    return next(((name, away) for name in needs if (away := states.get(name)) is not None), None)


def _needs(path: str) -> tuple[str, ...]:
    return next((needed for beginning, needed in _NEEDS.items() if path.startswith(beginning)), ())


def _refusal(scope: Scope, name: str, away: Away) -> ASGIApp:
    _LOG.warning("%s %s is given up: %s is away", scope["method"], scope["path"], name)
    return problems.answer(503, away.code, _sentence(name, away), headers={"Retry-After": "5"})


def _sentence(name: str, away: Away) -> str:
    since = f"{away.since.astimezone(UTC):%H:%M:%S} UTC"
    return f"{name} does not answer since {since}: {away.cause}; the service asks it again by itself"
