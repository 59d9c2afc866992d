"""What the parent of all workers has imported: the whole app, what the SDKs import only when they are used, and nothing started."""
# ruff: noqa: F401

from __future__ import annotations

import importlib
import pkgutil

import _strptime
import encodings.utf_8_sig

import azure.core.rest._aiohttp
import azure.storage.filedatalake.aio
import azure.storage.queue.aio
import psycopg_pool
import pyarrow.parquet
import redis.asyncio
import importlib_resources.readers

import archival_core
import function_app
from tests.faults import clock, haste, sabotage, steps

for _found in pkgutil.walk_packages(archival_core.__path__, "archival_core."):
    importlib.import_module(_found.name)

#: the app's functions by their name
FUNCTIONS = {function.get_function_name(): function for function in function_app.app.get_functions()}
