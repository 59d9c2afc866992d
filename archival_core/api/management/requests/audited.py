"""Every request that changes something leaves a line in the audit: who, what, and what came of it."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute

from archival_core.api.gate import patience
from archival_core.api.management.requests.fields import Caller
from archival_core.api.services import Current
from archival_core.errors import ArchivalError

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Operations that are asked with a body and change nothing.
_LOOKS: Final = ("/preview", "/queries")
_MARK: Final = "is_audited"


@runtime_checkable
class AboutJobs(Protocol):
    """An answer that tells which jobs its request made or changed."""

    def about_jobs(self) -> Iterable[UUID]:
        """Their ids."""


class Audited(APIRoute):
    """The route of an operation: what is understood and may change something is recorded before it is done."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, methods: set[str] | list[str] | None = None, **others: Any
    ) -> None:
        if not _READS.issuperset(methods or {"GET"}) and not path.endswith(_LOOKS) and not hasattr(endpoint, _MARK):
            endpoint = _recorded(endpoint)
        super().__init__(path, endpoint, methods=methods, **others)


def _recorded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def recorded(*, audit_request: Request, audit_services: Current, audit_caller: Caller, **asked: Any) -> Any:
        wanted = _json(await audit_request.body())
        if wanted.get("dry_run") is True:
            return await endpoint(**asked)
        await patience.check(audit_services.readiness, audit_request.url.path)
        # as the documentation has it: a parameter that may hold slashes is a parameter
        path = audit_request.scope["route"].path.removeprefix("/api").replace(":path}", "}")
        action = f"{audit_request.method} {path}"
        entry = await audit_services.audit.begin(audit_caller, action, {**audit_request.path_params, **wanted})
        outcome, job_ids = "internal", frozenset[UUID]()
        try:
            answer = await endpoint(**asked)
            outcome, job_ids = "done", _jobs_of(answer)
        except ArchivalError as error:
            outcome = error.code
            raise
        finally:
            await audit_services.audit.end(entry, outcome, job_ids)
        return answer

    # FastAPI fills in what the signature has
    own = (("audit_request", Request), ("audit_services", Current), ("audit_caller", Caller))
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in own]
    known = inspect.signature(endpoint)
    given = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in known.parameters.values()]
    recorded.__signature__ = known.replace(parameters=[*given, *added])  # type: ignore[attr-defined]
    setattr(recorded, _MARK, True)
    return recorded


def _jobs_of(answer: Any) -> frozenset[UUID]:
    return frozenset(answer.about_jobs()) if isinstance(answer, AboutJobs) else frozenset()


def _json(body: bytes) -> dict[str, Any]:
    found = json.loads(body.replace(b"\\u0000", b"") or b"{}")
    return found if isinstance(found, dict) else {"body": found}
