"""The lake's errors: what the SDK raises becomes `TransientError` or `PermanentError` here, once.

No message repeats what the service said in full: a refused signature comes back with the text that was signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from archival_core import telemetry
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError

_MISSING_FILESYSTEM = {"FilesystemNotFound", "ContainerNotFound"}
#: Answers of status 400 and 409 that a new attempt can outlive, because it starts from its own empty staging directory
#: or because the service is still busy with an earlier call.
_PASSING = {
    "InvalidFlushPosition",
    "SourcePathIsBeingDeleted",
    "DestinationPathIsBeingDeleted",
    "FilesystemBeingDeleted",
    "ContainerBeingDeleted",
    "LeaseAlreadyPresent",
}


class DestinationExistsError(PermanentError):
    """Something else is already published under the name; nothing was overwritten."""

    def __init__(self, source: str, destination: str) -> None:
        super().__init__(
            f"{destination} already exists in the lake and is not what {source} holds; compare the two before removing either",
            code="lake-destination-exists",
        )
        self.source, self.destination = source, destination


class FilesystemMissingError(AwayError):
    """The filesystem of LAKE_URL is not there."""

    def __init__(self, where: str, said: str) -> None:
        super().__init__(
            f"{where}: the filesystem of LAKE_URL does not exist ({said}); create it or correct the setting",
            code="lake-filesystem-missing",
            dependency="lake",
        )


def error_code(error: AzureError) -> str:
    """The service's own code for an answer, such as `PathNotFound`; empty if there was no answer."""
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    code = response.headers.get("x-ms-error-code") if response is not None else None
    return str(code or "")


def is_missing_path(error: AzureError) -> bool:
    """Whether the path is not there, as opposed to the whole filesystem."""
    return isinstance(error, HttpResponseError) and error.status_code == 404 and error_code(error) not in _MISSING_FILESYSTEM


def is_damaged(error: AzureError) -> bool:
    """Whether an MD5 did not match, on arrival at the service or here; sending or reading again may help."""
    # the SDK has no type of its own for what it finds wrong in an answer
    return error_code(error) == "Md5Mismatch" or error.message.startswith("MD5 mismatch")


_LAKE = telemetry.Dependency(
    "lake",
    # the convention's name, and the one that Application Insights knows so far
    {"azure.resource_provider.namespace": "Microsoft.Storage", "az.namespace": "Microsoft.Storage"},
)
_OPERATIONS = {"look at": "stat"}
#: What is done for each block, or yields while it is going on: timed, and no spans.
_TIMED_ONLY = frozenset({"append", "read", "list"})


@contextmanager
def lake_errors(action: str, path: str) -> Iterator[None]:
    """Time what the lake does, and translate what the SDK raises; `action` and `path` begin the message ("read tables/…")."""
    operation = _OPERATIONS.get(action, action.partition(" ")[0])
    with (
        _LAKE.timed(operation) if operation in _TIMED_ONLY else _LAKE.call(operation, lake_path=path),
        _translated(action, path),
    ):
        yield


@contextmanager
def _translated(action: str, path: str) -> Iterator[None]:
    try:
        yield
    except ClientAuthenticationError as error:
        # without its cause: that text quotes what was signed
        raise _forbidden(action, path, error_code(error)) from None
    except AzureError as error:
        translated = translate(error, action, path)
        raise translated from (None if translated.code == "lake-forbidden" else error)


def translate(error: AzureError, action: str, path: str) -> ArchivalError:
    """The error to raise instead of `error`."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    code = error_code(error)
    where, said = f"{action} {path}".rstrip(), f"{status} {code}".rstrip()
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        return _forbidden(action, path, code)
    if is_damaged(error):
        return TransientError(f"{where}: the data was damaged on its way, repeatedly", code="lake-damaged-transfer")
    # an answer of success is an error where its content cannot be read, such as an answer without a token
    if status is None or status < 300 or status in (408, 429) or status >= 500:
        reason = said if status else type(error).__name__
        return AwayError(
            f"{where}: the lake did not answer as it should ({reason})", code="lake-unavailable", dependency="lake"
        )
    if code in _MISSING_FILESYSTEM:
        return FilesystemMissingError(where, said)
    if code in _PASSING or status == 412:
        return TransientError(f"{where}: the lake refused this attempt ({said})", code="lake-attempt-refused")
    if status == 404:
        return PermanentError(f"{where}: there is no such path in the lake ({said})", code="lake-not-found")
    if status == 409:
        return PermanentError(f"{where}: something else has that name ({said})", code="lake-conflict")
    return PermanentError(f"{where}: the lake refused the request ({said})", code="lake-refused")


def _forbidden(action: str, path: str, code: str) -> AwayError:
    # Away: a credential is corrected outside, and what is queued meanwhile must not be given up.
    return AwayError(
        f"{action} {path}".rstrip()
        + f": the lake refused the credentials ({code or 'no code'}); the app's identity needs the role Storage Blob Data"
        " Contributor, or LAKE_ACCOUNT_KEY is wrong; work waits in the queue until then",
        code="lake-forbidden",
        dependency="lake",
    )
