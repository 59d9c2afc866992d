"""Questions in the asker's own process, under the asker's own rights: for work that a function is too small for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial

from archival_core.clients.credentials import token_source
from archival_core.clients.postgres.database import ENTRA_SCOPE, Database
from archival_core.lake.arrow_files import arrow_files
from archival_core.lake.client import LakehouseClient
from archival_core.query.answer.answer import Collected
from archival_core.query.queries import Queries
from archival_core.query.question.forms import Form
from archival_core.query.question.limits import Limits


def answer(
    sql: str,
    form: Form,
    *,
    database_url: str,
    lake_url: str,
    account_key: str | None,
    limits: Limits,
    as_text: Collection[str] = (),
    explain: bool = False,
) -> Collected:
    """The rows of `sql` in `form`; the lake's own manifests say where archives lie. Raises as `Queries.ask`."""

    async def ask() -> Collected:
        lake = LakehouseClient.open(lake_url, account_key)
        queries = Queries(
            Database(database_url, token_source(ENTRA_SCOPE, "source")),
            lake,
            None,
            partial(arrow_files, lake_url, account_key),
            limits=limits,
        )
        try:
            return await queries.collected(sql, form, as_text=as_text, explain=explain)
        finally:
            await queries.close()
            await lake.close()

    return asyncio.run(ask())
