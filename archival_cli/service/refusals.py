"""What the service refuses, in the command line's words."""

from __future__ import annotations

from typing import Any, Final

from archival_cli.errors import REFUSED, UNREACHABLE, CommandError
from archival_cli.service.transport import Answer

#: Fields of the API whose flag has another name; a field that is an argument has none.
_FLAGS: Final = {
    "hypertable": "the hypertable",
    "chunk": "the chunk",
    "error_code": "--code",
    "job_id": "the job's id",
    "job_ids": "the jobs' ids",
    "entry_id": "the entry",
    "entry_ids": "the entries",
    "id": "the job's id",
    "sql": "the query",
}


def refusal(answer: Answer, *, changes: bool = False) -> CommandError:
    """Of an answer that is no success; `changes` says that the request was no mere look."""
    exit_code = UNREACHABLE if answer.status >= 500 or answer.status == 429 else REFUSED
    if answer.status == 401:
        known = "does not take this key for that: it does not know it, or it is a viewer's, which may only look"
        told = f"the service {known if changes else 'does not know this key'}"
        return CommandError(f"{told}; `archival login` asks for another, or give --key or ARCHIVAL_API_KEY", UNREACHABLE)
    problem = answer.document
    if not isinstance(problem, dict):
        where = "; is this the address of an archival_service?" if answer.status == 404 else ""
        told = f"the service answers {answer.status} {answer.reason}{where}"
        return CommandError(told, UNREACHABLE if where else exit_code)
    code = str(problem.get("code", answer.status))
    if code == "invalid-request" and isinstance(problem.get("errors"), list):
        return CommandError("; ".join(_field(one) for one in problem["errors"][:5]), exit_code, code)
    told = problem.get("detail") or problem.get("title") or answer.reason
    # DuckDB shows the place of an error in lines of its own
    first, broken, others = str(told).partition("\n")
    return CommandError(f"{first} ({code}){broken}{others}", exit_code, code)


def _field(problem: Any) -> str:
    names = [part for part in str(problem.get("field", "")).split(".") if part not in ("body", "query", "path", "")]
    if not names:
        return str(problem.get("reason"))
    return f"{_FLAGS.get(names[0], '--' + names[0].replace('_', '-'))}: {problem.get('reason')}"
