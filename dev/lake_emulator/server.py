"""The server: signature, faults, and which call goes where."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

from aiohttp import web

from dev.lake_emulator import blob, dfs
from dev.lake_emulator.account import about_account, is_about_account
from dev.lake_emulator.auth import DEFAULT_ACCOUNT, DEFAULT_KEY, check_shared_key
from dev.lake_emulator.entry import TreeError
from dev.lake_emulator.faults import Fault, Faults, flip_bit
from dev.lake_emulator.protocol import ANSWER_HEADERS, Call, StorageError, error_response, http_date, is_dfs, stamp
from dev.lake_emulator.tree import Tree

_LARGEST_BODY = 1 << 30
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class Emulator:
    """A running emulator."""

    root: Path
    account: str
    key: str
    port: int = 0
    faults: Faults = field(default_factory=Faults)
    #: the account's redundancy, and how far its second region is where it has one; `None` is a region that cannot tell
    sku: str = "Standard_ZRS"
    last_sync: datetime | None = None
    #: how often the account was asked about itself
    asked: int = 0

    @property
    def url(self) -> str:
        """The account's address; filesystems come below it."""
        return f"http://127.0.0.1:{self.port}/{self.account}"


@asynccontextmanager
async def serve(
    root: Path | str, port: int = 0, account: str = DEFAULT_ACCOUNT, key: str = DEFAULT_KEY
) -> AsyncIterator[Emulator]:
    """Serve the folder `root` on 127.0.0.1 while the context is open; port 0 takes any free one."""
    emulator = Emulator(Path(root), account, key)
    handler = _Handler(emulator, Tree(emulator.root))
    application = web.Application(client_max_size=_LARGEST_BODY)
    application.router.add_route("*", "/{address:.*}", handler.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        emulator.port = runner.addresses[0][1]
        yield emulator
    finally:
        await runner.cleanup()


class _Handler:
    def __init__(self, emulator: Emulator, tree: Tree) -> None:
        self._emulator, self._tree = emulator, tree

    async def handle(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        request[ANSWER_HEADERS] = {
            "x-ms-request-id": request_id,
            "x-ms-version": request.headers.get("x-ms-version", "2021-06-08"),
            "x-ms-client-request-id": request.headers.get("x-ms-client-request-id", ""),
            "Date": http_date(datetime.now(UTC)),
        }
        fault: Fault | None = None
        try:
            body = await request.read()
            check_shared_key(request, self._emulator.account, self._emulator.key)
            fault = self._emulator.faults.take(request)
            response = await self._answer(request, body, fault)
            if fault and fault.kind == "delay_after":
                await asyncio.sleep(fault.seconds)
            if fault and fault.kind == "status_after":
                raise StorageError(fault.status, fault.code, "A fault was asked for; the call had its effect.")
        except TreeError as error:
            response = error_response(request, error, request_id)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            response = error_response(request, StorageError(500, "InternalError", "The disk is full."), request_id)
        if fault and fault.kind in ("drop_request", "drop_response", "torn") and request.transport:
            request.transport.abort()
        if fault and fault.kind == "status" and fault.retry_after is not None:
            response.headers["Retry-After"] = f"{fault.retry_after:g}"
        if not response.prepared:
            response.headers.update(request[ANSWER_HEADERS])
        return response

    async def _answer(self, request: web.Request, body: bytes, fault: Fault | None) -> web.StreamResponse:
        if fault:
            if fault.kind == "drop_request":
                return web.Response()
            if fault.kind == "status":
                raise StorageError(fault.status, fault.code, "A fault was asked for; the call had no effect.")
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            if fault.kind == "flip_bit":
                body = flip_bit(body, fault.byte)
            if fault.kind == "torn":
                body = body[: len(body) // 2]
        account, _, address = request.rel_url.raw_path.lstrip("/").partition("/")
        if is_about_account(request):
            self._emulator.asked += 1
            return about_account(
                request, self._emulator.sku, self._emulator.last_sync, secondary=account.endswith("-secondary")
            )
        if account != self._emulator.account:
            raise StorageError(404, "ResourceNotFound", "The specified account does not exist.")
        filesystem, _, path = unquote(address).partition("/")
        call = Call(request, self._tree, filesystem, path.rstrip("/"), body, fault)
        return await (_path_call(call) if call.path else _filesystem_call(call))


async def _path_call(call: Call) -> web.StreamResponse:
    match call.request.method:
        case "PUT" if "x-ms-rename-source" in call.headers:
            return await dfs.rename(call)
        case "PUT" if "resource" in call.query:
            return await dfs.create(call)
        case "PUT":
            return await blob.put(call)
        case "PATCH":
            return await dfs.patch(call)
        case "DELETE":
            return await dfs.delete(call)
        case "GET" | "HEAD":
            return await blob.read(call)
    raise StorageError(405, "UnsupportedHttpVerb", "The resource does not support this verb.")


async def _filesystem_call(call: Call) -> web.StreamResponse:
    tree, name = call.tree, call.filesystem
    match call.request.method:
        case "PUT":
            return web.Response(status=201, headers=stamp(tree.create_filesystem(name)))
        case "GET" if call.query.get("resource") == "filesystem":
            return await dfs.list_paths(call)
        case "GET" if call.query.get("comp") == "list":
            return await blob.list_blobs(call)
        case "GET" | "HEAD":
            kind = {"x-ms-resource-type": "directory"} if is_dfs(call.request) else {}
            lease = {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
            namespace = {"x-ms-namespace-enabled": "true"}
            return web.Response(headers=stamp(tree.filesystem(name)) | lease | namespace | kind)
        case "DELETE":
            tree.delete_filesystem(name)
            return web.Response(status=202)
    raise StorageError(405, "UnsupportedHttpVerb", "The resource does not support this verb.")
