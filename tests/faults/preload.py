"""What the parent of all workers has imported: the whole app, and what the SDKs import only when they are used."""
# ruff: noqa: F401

from __future__ import annotations

import encodings.utf_8_sig
import gc
import importlib
import pkgutil

import azure.core.rest._aiohttp
import azure.functions as func
import azure.storage.filedatalake.aio
import azure.storage.queue.aio
import importlib_resources.readers
import pyarrow.parquet
import redis.asyncio

import archival_core
import function_app
from tests.faults import clock, haste, sabotage, steps
from tests.faults.truth import SCHEMA, TABLE

importlib.import_module("_strptime")
for _found in pkgutil.walk_packages(archival_core.__path__, "archival_core."):
    importlib.import_module(_found.name)


async def request_restore(_: object) -> None:
    """What a management request does: everything that was removed from the table comes back."""
    from archival_core import runtime
    from archival_core.flows.asking.restore_requests import RestoreRequest
    from archival_core.flows.restore.chunk_restore import RestoreWish
    from archival_core.model.chunks.chunk import ChunkRange, Relation

    request = RestoreRequest(
        Relation(SCHEMA, TABLE), None, ChunkRange(None, None), RestoreWish(), request_key="faults", requested_by="faults"
    )
    await runtime.get().restore_requests.request(request)


async def request_archive(message: func.QueueMessage) -> None:
    """What a management request with `force` does: `chunks` of the message are archived, whatever archives they have."""
    from uuid import uuid4

    from archival_core import runtime
    from archival_core.flows.asking.archive_requests import ArchiveWish
    from archival_core.model.chunks.chunk import Relation

    asked = message.get_json()
    for chunk in asked["chunks"]:
        wish = ArchiveWish(Relation(SCHEMA, TABLE), Relation(SCHEMA, chunk), remove=asked["remove"], force=True)
        await runtime.get().archive_requests.request(wish, f"again/{uuid4()}", "faults")


#: the app's functions by their name
FUNCTIONS = {str(function.get_function_name()): function for function in function_app.app.get_functions()}
#: what can be invoked: they, and what a client of the management interface asks for
INVOCABLE = {name: function.get_user_function() for name, function in FUNCTIONS.items()} | {
    "request_restore": request_restore,
    "request_archive": request_archive,
}

# what is shared with the children stays shared: their collector does not touch it
gc.collect()
gc.freeze()
