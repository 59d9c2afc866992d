"""The Python worker, in this process and without gRPC: indexing and invoking through azure-functions-runtime."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from dev.functions_host.config import expand
from dev.functions_host.errors import HostError

_LOG = logging.getLogger("host")
_RESERVED = re.compile(r"/?(admin|runtime)", re.IGNORECASE)
#: asyncio itself keeps no task alive
_RUNNING: set[asyncio.Future[Any]] = set()
_TRIGGERS = ("httptrigger", "timertrigger", "queuetrigger")


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function; `trigger` is its trigger binding as the host reads it from function metadata."""

    name: str
    function_id: str
    trigger: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`httptrigger`, `timertrigger` or `queuetrigger`."""
        return str(self.trigger["type"]).lower()

    @property
    def route(self) -> str:
        """Of an HTTP trigger, without the prefix."""
        return str(self.trigger.get("route") or self.name).strip("/")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to: `value` is the returned Datum of an HTTP function."""

    succeeded: bool
    value: Any = None
    #: it ran longer than functionTimeout, and still does: the worker has to end
    timed_out: bool = False


async def index(app: Path) -> list[Function]:
    """Load function_app.py of the folder `app` as the cloud's worker does. Once per process: its registry is a global.

    Raises `HostError` with the worker's own message, or with what the host would refuse.
    """
    import azure_functions_runtime as worker

    sys.path.insert(0, str(app))
    os.chdir(app)
    worker.start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    answer = await worker.worker_init_request(
        SimpleNamespace(
            request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": _protobuf_stand_ins()}
        )
    )
    if answer.result.status != answer.result.Success:
        problem = answer.result.exception
        raise HostError(f"indexing failed: {problem.message}\n{problem.stack_trace}")
    metadata = await worker.functions_metadata_request(None)
    functions = [_function(found) for found in metadata.function_metadata_results or []]
    if not functions:
        raise HostError("no functions found: function_app.py registers none")
    return functions


async def invoke(
    function: Function, datum: Any, metadata: Mapping[str, Any], reason: str, timeout: float | None, trace_parent: str = ""
) -> Outcome:
    """Run one function; what it raises is logged and makes a failed outcome, as the host would have it."""
    from azure_functions_runtime.native_invocation import invocation_request_native

    invocation = str(uuid4())
    _LOG.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation)
    started = time.monotonic()
    running = asyncio.ensure_future(
        invocation_request_native(
            invocation, function.function_id, [(function.trigger["name"], datum)], metadata, trace_parent=trace_parent
        )
    )
    _RUNNING.add(running)
    running.add_done_callback(_RUNNING.discard)
    # nothing is cancelled: what runs too long runs on until its worker ends
    done, _ = await asyncio.wait({running}, timeout=timeout)
    value = None
    if done:
        succeeded, value, _, error, _ = running.result()
    else:
        succeeded, error = False, f"the function ran longer than functionTimeout, {timeout} s"
    took = (time.monotonic() - started) * 1000
    if succeeded:
        _LOG.info("Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%dms)", function.name, invocation, took)
    else:
        _LOG.error("Executed 'Functions.%s' (Failed, Id=%s, Duration=%dms): %s", function.name, invocation, took, error)
    return Outcome(succeeded, value, timed_out=not done)


def string(value: str) -> Any:
    """A text as the worker receives it."""
    from azure_functions_runtime.bindings.datumdef import Datum

    return Datum(value, "string")


def blob(value: bytes) -> Any:
    """Bytes as the worker receives them."""
    from azure_functions_runtime.bindings.datumdef import Datum

    return Datum(value, "bytes")


def document(value: Any) -> Any:
    """A JSON document as the worker receives it."""
    from azure_functions_runtime.bindings.datumdef import Datum

    return Datum(json.dumps(value), "json")


def request(value: Mapping[str, Any]) -> Any:
    """An HTTP request as the worker receives it."""
    from azure_functions_runtime.bindings.datumdef import Datum

    return Datum(dict(value), "http")


def _function(metadata: Any) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    found = next((binding for binding in bindings if str(binding["type"]).lower() in _TRIGGERS), None)
    where = f"function {metadata.name}"
    if found is None:
        raise HostError(f"{where}: this host knows HTTP, timer and queue triggers only")
    others = [str(b["type"]) for b in bindings if b is not found and str(b["type"]).lower() != "http"]
    if others:
        raise HostError(f"{where}: this host does not know the binding {others[0]}")
    trigger = {name: expand(value, where) if isinstance(value, str) else value for name, value in found.items()}
    function = Function(metadata.name, metadata.function_id, trigger)
    if function.kind == "httptrigger" and _RESERVED.match(function.route):
        raise HostError(f"{where}: the specified route conflicts with one or more built in routes: /{function.route}")
    if _RESERVED.match(function.name):
        raise HostError(f"{where}: names that begin with admin or runtime are the host's own")
    return function


class _Status(SimpleNamespace):
    Failure, Success = 0, 1


class _BindingInfo(SimpleNamespace):
    in_, out, inout, undefined = 0, 1, 2, 0


def _protobuf_stand_ins() -> SimpleNamespace:
    """The message classes the worker fills in; it only sets and reads attributes."""
    names = (
        "WorkerInitResponse",
        "WorkerMetadata",
        "FunctionMetadataResponse",
        "RpcFunctionMetadata",
        "RpcException",
        "RpcRetryOptions",
    )
    classes = {name: type(name, (SimpleNamespace,), {}) for name in names}
    return SimpleNamespace(**classes, StatusResult=_Status, BindingInfo=_BindingInfo)
