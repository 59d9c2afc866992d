"""Where things lie in the lake, relative to `LAKE_URL`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

from archival_core.model.chunks.chunk import Relation

STAGING = "staging"
#: where small files are prepared: under staging, so that whatever a crash leaves is swept with it
WRITE_ONCE = f"{STAGING}/write-once"
TABLES = "tables"
MANIFESTS = "manifests"
#: which source and ledger the lake belongs to
OWNER = "owner.json"
#: which state the lake is in, so that one that went back shows
GENERATION = "generation.json"
#: archives whose place a later revision has taken: kept, and out of the way of whoever reads `tables/`
SUPERSEDED = "superseded"
#: results of questions, for a while
RESULTS = "results"
#: the log of a table, beside its archives: what is in the table, and its schema
LOG = "_delta_log"
#: The manifest inside the archive's own folder; readers of Parquet folders skip names that begin with `_`.
INNER_MANIFEST = "_manifest.json"

_RESULT: Final = re.compile(rf"{RESULTS}/(\d{{8}}T\d{{6}}Z)-[0-9a-f]{{32}}", re.ASCII)


def escape(name: str) -> str:
    """A PostgreSQL name as one path segment, so that no name can climb or collide: `my table` is `my~20table`.

    ASCII letters, digits, `_` and `-` stay. Each byte of anything else, in UTF-8, is `~` and two hexadecimal digits: a percent
    sign would be read in two ways in the log of a Delta table, whose paths are URLs, and a dot separates schema and table.
    """
    return quote(name, safe="").replace("~", "%7E").replace(".", "%2E").replace("%", "~")


def _visible(name: str) -> str:
    """`name` without an underscore in front: Spark, Hive and pyarrow take such folders for hidden, and read nothing there."""
    return "~5F" + name[1:] if name.startswith("_") else name


def table_folder(hypertable: Relation) -> str:
    """`<schema>.<table>`."""
    return _visible(f"{escape(hypertable.schema)}.{escape(hypertable.name)}")


def archive_name(chunk: Relation, revision: int) -> str:
    """`<chunk>_r<revision>`: `hyper_1_1_chunk_r0` for TimescaleDB's `_timescaledb_internal._hyper_1_1_chunk`.

    The schema is left out where it says nothing; partitions of one table with the same name in two schemas differ by it.
    """
    name = escape(chunk.name)
    if chunk.schema == "_timescaledb_internal":
        name = name.removeprefix("_")
    elif chunk.schema != "public":
        name = f"{escape(chunk.schema)}.{name}"
    return f"{_visible(name)}_r{revision}"


def archive_folder(hypertable: Relation, chunk: Relation, revision: int) -> str:
    """Where a published archive's parts lie: `tables/<schema>.<table>/<chunk>_r<revision>`."""
    return f"{TABLES}/{table_folder(hypertable)}/{archive_name(chunk, revision)}"


def superseded_folder(archive: str) -> str:
    """Where the archive at `tables/…` goes when a later revision takes its place: `superseded/…`, the same below."""
    return SUPERSEDED + archive.removeprefix(TABLES)


def is_log(path: str) -> bool:
    """Whether what lies at `tables/<table>/…` is the table's log."""
    return path.count("/") == 2 and path.endswith(f"/{LOG}")


def archive_manifest(archive: str) -> str:
    """Where the manifest of the archive at `tables/…` or `superseded/…` lies: `manifests/…json`, the same below."""
    return f"{MANIFESTS}/{archive.partition('/')[2]}.json"


def job_staging(job_id: UUID) -> str:
    """What a job has in staging, of all its attempts."""
    return f"{STAGING}/{job_id}"


def staging_folder(job_id: UUID, attempt: int, lease_token: UUID) -> str:
    """One worker's own folder: several writers on one path are not supported by the lake.

    The number of the attempt is for people, and tells earlier folders from later ones. The lease's token makes the folder
    the worker's own, since numbers come again when the ledger is put back.
    """
    return f"{job_staging(job_id)}/{attempt}-{lease_token.hex[:12]}"


def staging_attempt(folder: str) -> int:
    """The attempt that a folder of `job_staging` belongs to."""
    return int(folder.rpartition("/")[2].partition("-")[0])


def shared_part(folder: str, number: int, claim: UUID) -> str:
    """Where a part is written that was claimed by itself, while the worker that shares the parts has the staging `folder`.

    It lies beside that folder: nobody but its worker writes into a folder that is published as a whole.
    """
    return f"{folder}.parts/{claim.hex[:12]}-{part_file(number)}"


def result_id(expires_at: datetime, number: UUID) -> str:
    """The name of a question's result, which says when it expires: `20260301T120000Z-0f3c…`."""
    return f"{expires_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{number.hex}"


def result_folder(result: str) -> str:
    """Where a question's result lies."""
    return f"{RESULTS}/{result}"


def result_expiry(folder: str) -> datetime | None:
    """When the result in `folder` expires; `None` if the folder is no result's."""
    found = _RESULT.fullmatch(folder)
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def part_path(folder: str, number: int) -> str:
    """The file of a part in the folder of an archive, or of an attempt."""
    return f"{folder}/{part_file(number)}"


def part_file(number: int) -> str:
    """`part-00000.parquet`."""
    return f"part-{number:05d}.parquet"
