"""A local stand-in for an ADLS Gen2 account: the DFS and blob calls of the Azure SDK, on one port, over plain files.

    async with serve(root) as emulator:
        client = LakehouseClient.open(f"{emulator.url}/lake", emulator.key)

Committed files are `<root>/<filesystem>/<path>`, so any Parquet reader can open them. It is for tests and the local stack: one
process, one writer of the folder, no leases, no access control lists.
"""

from dev.lake_emulator.auth import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.lake_emulator.faults import Fault, Faults
from dev.lake_emulator.server import Emulator, serve

__all__ = ["DEFAULT_ACCOUNT", "DEFAULT_KEY", "Emulator", "Fault", "Faults", "serve"]
