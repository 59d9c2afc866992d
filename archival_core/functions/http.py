"""HTTP-triggered functions: one FastAPI application behind several, so that each has a name and an auth level of its own."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

import azure.functions as func

from archival_core.functions.observed import observed

_READS: Final = ["GET", "HEAD"]
_CHANGES: Final = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

#: The first segments of the addresses that `management` serves.
MANAGED: Final = (
    "archives",
    "audit",
    "chunks",
    "dead-letters",
    "docs",
    "events",
    "hypertables",
    "intake",
    "jobs",
    "openapi.json",
    "policies",
    "queries",
    "restores",
    "source",
    "tables",
    "verifications",
)

_MANAGEMENT: Final = re.compile(rf"/api/({'|'.join(map(re.escape, MANAGED))})(/.*)?", re.DOTALL)

#: What each function may serve, whichever of them the host's routing gives a request to: an anonymous one can never lead to
#: what needs a key.
SERVES: Final = {
    "health": re.compile(r"/api/health/[^/]+"),
    "metrics": re.compile(r"/api/metrics"),
    "dashboard": re.compile(r"/api/dashboard"),
    "dashboard_files": re.compile(r"/api/dashboard/static/[0-9a-z]+(/[a-z_]+)?/[a-z_]+\.[a-z]+"),
    "dashboard_data": re.compile(r"/api/dashboard/[^/]+"),
    "management": _MANAGEMENT,
    "management_read": _MANAGEMENT,
}

_current: tuple[asyncio.AbstractEventLoop, func.AsgiMiddleware] | None = None


def blueprint() -> func.Blueprint:
    """`management`, `management_read`, `health`, `metrics`, `dashboard`, `dashboard_files` and `dashboard_data`.

    `management` changes and `management_read` looks: a viewer has keys of the functions that only look.
    """
    http = func.Blueprint()  # type: ignore[no-untyped-call]

    # No two routes of one method overlap: of those that match, the host takes the first by the name of its function, not the
    # best, see https://github.com/Azure/azure-functions-host/issues/9876

    @http.route(route="health/{probe}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def health(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("health", req, context)

    @http.route(route="metrics", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def metrics(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("metrics", req, context)

    @http.route(route="dashboard", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def dashboard(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("dashboard", req, context)

    @http.route(route="dashboard/static/{version}/{*file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def dashboard_files(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("dashboard_files", req, context)

    @http.route(route="dashboard/{view}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def dashboard_data(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("dashboard_data", req, context)

    managed = f"{{resource:regex(^({'|'.join(MANAGED)})$)}}/{{*rest}}"

    @http.route(route=managed, methods=_CHANGES, auth_level=func.AuthLevel.FUNCTION)
    async def management(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("management", req, context)

    @http.route(route=managed, methods=_READS, auth_level=func.AuthLevel.FUNCTION)
    async def management_read(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return await _serve("management_read", req, context)

    return http


async def _serve(function: str, req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    try:
        path = unquote_to_bytes(urlsplit(req.url).path).decode()
    except UnicodeDecodeError:
        return _refusal(400, "Bad Request", "invalid-path")
    if not SERVES[function].fullmatch(path):
        return _refusal(404, "Not Found", "not-found")
    async with observed(function, "http"):
        answer: func.HttpResponse = await _middleware().handle_async(req, context)
        return answer


def _middleware() -> func.AsgiMiddleware:
    """The application of this process, made at the first request: indexing stays fast."""
    global _current
    loop = asyncio.get_running_loop()
    # like the runtime behind it, it belongs to the loop it was first used in
    if _current is None or _current[0] is not loop:
        from archival_core.api.app import create_app
        from archival_core.functions.api_services import services

        _current = (loop, func.AsgiMiddleware(create_app(services)))  # type: ignore[no-untyped-call]
    return _current[1]


def _refusal(status: int, title: str, code: str) -> func.HttpResponse:
    """A problem detail, before there is an application to ask."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "code": code})
    return func.HttpResponse(body, status_code=status, mimetype="application/problem+json")
