"""Every error as a problem detail (RFC 9457): what was refused and why, never a stack, a secret or SQL.

What a `PermanentError` says is written for people, and is passed on when its code has a status in the catalogue of errors. A
`TransientError` may quote a server, so the catalogue's own sentence is told in its place, but for an `AwayError`: an
operator has to know its cause. Anything else is a defect: the log
has the details, and the caller gets a bare 500.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from archival_core.error_codes import CODES
from archival_core.errors import ArchivalError, AwayError, PermanentError, SettingsError, TransientError

_LOG = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
#: seconds after which a request that met a `TransientError` may be sent again
_RETRY_AFTER: Final = "5"

#: Of codes that a request may meet. Another code is the service's own trouble, and a 500.
STATUS_OF_CODE: Final[Mapping[str, int]] = {code: known.status for code, known in CODES.items() if known.status is not None}


class FieldProblem(BaseModel):
    """One field that was refused."""

    field: str = Field(description="where it is, `body.older_than` or `query.limit`", examples=["body.older_than"])
    reason: str = Field(examples=["Input should be a valid string"])


class Problem(BaseModel):
    """A problem detail, https://www.rfc-editor.org/rfc/rfc9457."""

    model_config = ConfigDict(json_schema_extra={"description": "A problem detail as of RFC 9457."})

    type: str = Field(default="about:blank", description="`code` says which problem it is")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(description="a stable word that programs may test", examples=["unknown-job"])
    detail: str | None = Field(default=None, examples=["there is no job 0190b3a4-0000-7000-8000-000000000000"])
    errors: list[FieldProblem] | None = Field(default=None, description="each field that was refused, of a 422")


def answer(
    status: int,
    code: str,
    detail: str | None = None,
    *,
    errors: Sequence[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A response that tells the problem."""
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, errors=list(errors) if errors else None
    )
    return JSONResponse(problem.model_dump(exclude_none=True), status, dict(headers or {}), media_type=MEDIA_TYPE)


_DOCUMENTED: Final[Mapping[int, str]] = {
    400: "the request cannot be read, for example because its body is no JSON",
    401: "without a valid function key; answered by the host, without a body",
    403: "the caller may not do this, or the service may not do it in the database",
    404: "there is no such thing",
    406: "the answer is to be had in none of the forms that `Accept` names",
    405: "the address knows other methods, named by `Allow`",
    409: "it cannot be done as things stand",
    413: "the body is larger than 64 KiB",
    415: "the body is not `application/json`",
    422: "a field is wrong; `errors` says which and why",
    429: "too many requests at a time; try again after `Retry-After` seconds",
    500: "a defect; the service's log has the details",
    503: "something that the service needs does not answer; try again after `Retry-After` seconds",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an operation that may answer with problems of these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _DOCUMENTED[status]} | ({} if status == 401 else {"content": content}) for status in statuses
    }


def from_error(error: ArchivalError) -> JSONResponse:
    """The answer to a request that met `error`."""
    if isinstance(error, TransientError):
        known = CODES.get(error.code)
        meaning = known.meaning if known else None
        if isinstance(error, AwayError):
            # what an operator with a key needs to know; no anonymous operation comes here
            meaning = f"{meaning or ''} {error}".strip()
        return answer(503, error.code, meaning, headers={"Retry-After": _RETRY_AFTER})
    if isinstance(error, SettingsError):
        # it names the settings, and never repeats a value
        return answer(503, error.code, str(error), headers={"Retry-After": "60"})
    status = STATUS_OF_CODE.get(error.code, 500)
    return answer(status, error.code, str(error) if status != 500 else None)


def install(app: FastAPI) -> None:
    """Answer every expected error of `app` with a problem; what nobody expects is answered in `api/gate/guard.py`."""

    @app.exception_handler(ArchivalError)
    async def archival(request: Request, error: ArchivalError) -> JSONResponse:
        if isinstance(error, PermanentError) and error.code in STATUS_OF_CODE:
            _LOG.info("%s %s: %s", request.method, request.url.path, error)
        else:
            _LOG.warning("%s %s: %s", request.method, request.url.path, error)
        return from_error(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = error.errors()
        if any(problem["type"] == "json_invalid" for problem in problems):
            return answer(400, "invalid-json", "the body is no JSON")
        fields = [
            FieldProblem(
                field=".".join(str(part) for part in problem["loc"])[:200],
                reason=str(problem["msg"]).removeprefix("Value error, ")[:500],
            )
            for problem in problems[:20]
        ]
        detail = "; ".join(f"{field.field}: {field.reason}" for field in fields[:3])
        return answer(422, "invalid-request", detail, errors=fields)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        # Starlette's own details are phrases; whoever raises one here on purpose writes a sentence
        detail = error.detail if error.detail and error.detail != phrase else None
        code = phrase.lower().replace(" ", "-")
        return answer(error.status_code, code, detail, headers=error.headers)
