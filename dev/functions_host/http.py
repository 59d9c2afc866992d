"""HTTP triggers: routes, keys and the host's own addresses."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from aiohttp import web

from dev.functions_host import worker
from dev.functions_host.config import HostConfig
from dev.functions_host.life import Life
from dev.functions_host.worker import Function

_LARGEST_BODY = 100 << 20
_CONSTRAINTS = {"int": r"-?\d+", "long": r"-?\d+", "guid": r"[0-9a-fA-F-]{36}", "alpha": r"[A-Za-z]+", "bool": "true|false"}
_PARAMETER = re.compile(r"\{([^}]+)\}")


class HttpTriggers:
    """The web application of all HTTP functions. Without `LOCAL_FUNCTION_KEY` keys are not asked for, as with `func start`.

    `LOCAL_FUNCTION_KEYS` has keys of single functions, as a JSON object by their names.
    """

    def __init__(self, functions: Sequence[Function], config: HostConfig, life: Life) -> None:
        self._functions = {function.name: function for function in functions}
        self._config, self._life = config, life
        self._master, self._key = os.environ.get("LOCAL_MASTER_KEY"), os.environ.get("LOCAL_FUNCTION_KEY")
        self._keys: dict[str, str] = json.loads(os.environ.get("LOCAL_FUNCTION_KEYS") or "{}")
        self._called_by_hand: set[asyncio.Task[Any]] = set()
        self.application = web.Application(client_max_size=_LARGEST_BODY)
        router = self.application.router
        router.add_get("/admin/host/status", self._status)
        router.add_post("/admin/functions/{name}", self._call_by_hand)
        # Of the routes that match, the first by the name of its function is taken, unlike in ASP.NET:
        # https://github.com/Azure/azure-functions-host/issues/9876
        for function in sorted(functions, key=lambda found: found.name.lower()):
            if function.kind == "httptrigger":
                for path in aiohttp_paths(config.route_prefix, function.route):
                    for method in function.trigger.get("methods") or ["*"]:
                        router.add_route(method.upper(), path, self._handler(function))

    def _handler(self, function: Function) -> Any:
        async def handle(request: web.Request) -> web.Response:
            if not self._may_call(function.trigger.get("authLevel", "FUNCTION"), request, function.name):
                return web.Response(status=401)
            trace_parent = request.headers.get("traceparent", "")
            return _response(await self._invoke(function, worker.request(await _parts(request)), {}, trace_parent))

        return handle

    async def _invoke(
        self, function: Function, datum: Any, metadata: Mapping[str, Any], trace_parent: str = ""
    ) -> worker.Outcome:
        reason = "This function was programmatically called via the host APIs."
        outcome = await worker.invoke(function, datum, metadata, reason, self._config.function_timeout, trace_parent)
        if outcome.timed_out:
            self._life.end(f"{function.name} ran longer than functionTimeout")
        return outcome

    def _may_call(self, level: str, request: web.Request, function: str | None = None) -> bool:
        if level.upper() == "ANONYMOUS" or not self._key:
            return True
        given = request.headers.get("x-functions-key") or request.query.get("code")
        accepted = {self._master} if level.upper() == "ADMIN" else {self._master, self._key, self._keys.get(function or "")}
        return given is not None and given in accepted

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response({"state": "Running", "functions": sorted(self._functions)})

    async def _call_by_hand(self, request: web.Request) -> web.Response:
        """Run a timer or queue function now: `POST /admin/functions/<name>` with `{"input": …}` and the master key."""
        if not self._may_call("ADMIN", request):
            return web.Response(status=401)
        function = self._functions.get(request.match_info["name"])
        if function is None or function.kind == "httptrigger":
            return web.Response(status=404)
        if function.kind == "timertrigger":
            datum, metadata = worker.document({"IsPastDue": False}), {}
        else:
            given = json.loads(await request.read() or b"{}").get("input", "")
            datum = worker.string(given if isinstance(given, str) else json.dumps(given))
            metadata = {"Id": worker.string(str(uuid4())), "DequeueCount": worker.document(1), "PopReceipt": worker.string("")}
        task = asyncio.create_task(self._invoke(function, datum, metadata))
        self._called_by_hand.add(task)
        task.add_done_callback(self._called_by_hand.discard)
        return web.Response(status=202)


def aiohttp_paths(prefix: str, route: str) -> list[str]:
    """The paths of an ASP.NET route template: `{id:guid}`, `{id:regex(^(a|b)$)}`, and `{*rest}` or `{last?}`, which may be
    left out."""
    full = "/" + "/".join(part for part in (prefix, route) if part)
    paths = [_PARAMETER.sub(_segment, full)]
    if re.search(r"/\{(\*[^}]*|[^}]*\?)\}$", full):
        paths.append(_PARAMETER.sub(_segment, full.rpartition("/")[0]))
    return [path for path in paths if path]


def _segment(match: re.Match[str]) -> str:
    name, *constraints = match[1].rstrip("?").split(":")
    everything = ".*" if name.startswith("*") else "[^/]+"
    known = {constraint: _CONSTRAINTS[constraint] for constraint in constraints if constraint in _CONSTRAINTS}
    known |= {c: c[len("regex(") : -1].removeprefix("^").removesuffix("$") for c in constraints if c.startswith("regex(")}
    pattern = next(iter(known.values()), everything)
    return f"{{{name.lstrip('*')}:{pattern}}}"


async def _parts(request: web.Request) -> dict[str, Any]:
    def texts(values: Mapping[str, str]) -> dict[str, Any]:
        return {name: worker.string(value) for name, value in values.items()}

    return {
        "method": worker.string(request.method),
        "url": worker.string(str(request.url)),
        "headers": texts({name.lower(): value for name, value in request.headers.items()}),
        "params": texts(request.match_info),
        "query": texts(request.query),
        "body": worker.blob(await request.read()),
    }


def _response(outcome: worker.Outcome) -> web.Response:
    if not outcome.succeeded:
        return web.Response(status=500)
    if outcome.value is None:
        return web.Response(status=204)
    answer = outcome.value.value
    headers = {name: datum.value for name, datum in answer["headers"].items()}
    return web.Response(status=int(answer["status_code"].value), body=answer["body"].value, headers=headers)
