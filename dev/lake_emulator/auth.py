"""SharedKey: the signature of every request is recomputed and compared.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import unquote

from aiohttp import web

from dev.lake_emulator.protocol import StorageError

#: The account and key that Azure's own local tools publish for this purpose; they protect nothing.
DEFAULT_ACCOUNT = "devstoreaccount1"
DEFAULT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_SIGNED_HEADERS = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)


def check_shared_key(request: web.Request, account: str, key: str) -> None:
    """Raise a 403 `StorageError` unless `request` is signed with `key`."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    signer, _, signature = credential.partition(":")
    if scheme != "SharedKey" or signer != account:
        raise StorageError(403, "AuthenticationFailed", "Server failed to authenticate the request.")
    secret = base64.b64decode(key)
    if not any(
        hmac.compare_digest(signature, base64.b64encode(hmac.digest(secret, text.encode(), hashlib.sha256)).decode())
        for text in _strings_to_sign(request, account)
    ):
        raise StorageError(403, "AuthenticationFailed", "The signature does not match: is the account key right?")


def _strings_to_sign(request: web.Request, account: str) -> Iterator[str]:
    values = {name: request.headers.get(name, "") for name in _SIGNED_HEADERS}
    if values["Content-Length"] == "0":
        values["Content-Length"] = ""
    if "x-ms-date" in request.headers:
        values["Date"] = ""
    extensions = [(name.lower(), value.strip()) for name, value in request.headers.items() if name.lower().startswith("x-ms-")]
    head = "\n".join([request.method, *values.values()]) + "\n"
    resource = _canonical_resource(request, account)
    # Clients disagree on the weight of a hyphen in the order of headers; the service takes both.
    for order in (sorted(extensions), sorted(extensions, key=lambda item: item[0].replace("-", ""))):
        yield head + "".join(f"{name}:{value}\n" for name, value in order) + resource


def _canonical_resource(request: web.Request, account: str) -> str:
    # A path-style URL names the account already, so it stands here twice.
    parameters: defaultdict[str, list[str]] = defaultdict(list)
    for pair in filter(None, request.rel_url.raw_query_string.split("&")):
        name, _, value = pair.partition("=")
        parameters[unquote(name).lower()].append(unquote(value))
    query = "".join(f"\n{name}:{','.join(sorted(values))}" for name, values in sorted(parameters.items()))
    return f"/{account}{request.rel_url.raw_path}{query}"
