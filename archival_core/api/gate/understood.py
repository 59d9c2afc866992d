"""What a request says and its operation does not know is refused.

A parameter in the wrong place, a field of another operation or a slip of the pen would otherwise be passed over, and something
else would be done than was asked for. The models of bodies check their fields; this module checks what no model sees.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

#: The function key may stand in the address of every operation; the host reads it there.
_KEY: Final = "code"


async def understood(request: Request) -> None:
    """A dependency of every operation. Raises `RequestValidationError` that names each thing which is not understood."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute), "every operation is a route of FastAPI's"
    found = [*_in_address(request, route), *_in_body(await request.body(), route)]
    if found:
        raise RequestValidationError(found)


def _in_address(request: Request, route: APIRoute) -> Iterator[dict[str, Any]]:
    known = dict(_parameters(route.dependant))
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known and name != _KEY:
            where = "; what is asked for stands in the body" if route.body_field else ""
            yield _problem("query", name, f"this operation has no such parameter{where}")
        elif times > 1 and not known.get(name, False):
            yield _problem("query", name, "is given more than once")


def _in_body(body: bytes, route: APIRoute) -> Iterator[dict[str, Any]]:
    if route.body_field is None:
        # some clients cannot send a POST without a body, and an empty object says nothing
        if body.strip() not in (b"", b"{}"):
            yield {"type": "unexpected", "loc": ("body",), "msg": "this operation takes no body"}
        return
    twice: list[str] = []

    def seen(pairs: list[tuple[str, Any]]) -> None:
        twice.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)

    # the route has parsed it before: it is JSON
    json.loads(body or b"null", object_pairs_hook=seen)
    for name in twice:
        yield _problem("body", name, "is given more than once")


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Names of query parameters, and whether each may be repeated."""
    for field in dependant.query_params:
        yield field.alias, _is_list(field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is UnionType:
        return all(_is_list(part) for part in get_args(annotation) if part is not NoneType)
    return get_origin(annotation) is list


def _problem(place: str, name: str, reason: str) -> dict[str, Any]:
    return {"type": "not_understood", "loc": (place, name), "msg": reason}
