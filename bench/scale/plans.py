"""How many pages of the database each statement of the ledger touches: what does not grow, costs the same for ever."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from archival_core.ledger.sql import queries
from archival_core.source.state.marks import stand_ins, table_marks

#: An archive in the middle, of hypertable `scale.h1`: number 401 of `archives.fill`.
_NUMBER: Final = 401
_JOB: Final = "md5('archive 401')::uuid"
_FOLDER: Final = "tables/scale.h1/scale.h1_100_r0"
_CHUNK: Final = "scale.h1_100"
_START, _END = "2010-01-05T04:00:00Z", "2010-01-05T05:00:00Z"
#: An archive that is not removed, and the job that is running.
_ARCHIVED: Final = "md5('archive 417')::uuid"
_RUNNING: Final = "md5('running')::uuid"
#: Ten archives that are beside each other, some of which had a later job that failed, and these jobs.
_SOME: Final = "select md5(of || i)::uuid from generate_series(401, 410) i, unnest(array['archive ', 'again ']) of"
_OF_ARCHIVED: Final = frozenset(
    {
        "archived_jobs",
        "finish_dropped",
        "finish_removal",
        "has_later",
        "hold_removal",
        "record_proof",
        "refuse_removal",
        "supersede_archive",
    }
)
#: Values of single statements.
_OWN: Final[dict[str, dict[str, Any]]] = {
    "matching_jobs": {"after": "-infinity"},
    "count_matching_jobs": {"after": "-infinity"},
    "removal_candidates": {"job_id": None},
    "audit_page": {"before": 2**62},
}
_LATE: Final = datetime(2100, 1, 1, tzinfo=UTC)

#: Statements that look at all archives, or at a share of them that grows with their number, and why that is well.
GROWS: Final = {
    "count_matching_jobs": "a person asks how many jobs a filter means",
    "outdated_archives": "a person asks which archives of before tables had a schema are to be written anew",
    "owe_all_marks": "a person asks for every mark to be written again",
    "request_verification": "a person asks for all archives of a hypertable to be verified",
    "note_lake_back": "the lake went back: everything since then is verified",
    "table_candidates": "now and then, and in doubt, what is in a table of the lake is decided from all of its archives",
    "count_in_lake_alone": "a person looks at the hypertables: of the archives that are not removed, how many have no table",
    "fold_day_tally": "sums of many days become sums of one day",
}


def values(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """A value for each parameter of the ledger's statements, by its name; a parameter that is not here is NULL."""
    found = connection.execute(f"select {_JOB}, now(), md5('token')::uuid".encode()).fetchone()
    assert found is not None
    job, now, token = found
    identity = connection.execute("select system_identifier::text, current_database() from pg_control_system()").fetchone()
    assert identity is not None
    some = [row[0] for row in connection.execute(_SOME.encode()).fetchall()]
    minutes = timedelta(minutes=15)
    return {
        "after": UUID(int=2**127),
        "attnum": 1,
        "column_name": "value",
        "postgresql_type": "bigint",
        "form": "int64",
        "name": "value",
        "table_oid": 1,
        "table_born": "1",
        "duty": "scale",
        "key": "scale",
        "fingerprint": "x",
        "stream": "scale",
        "reasons": ["x"] * 10,
        "archive_after": timedelta(days=1),
        "dropped_by_others": "keep",
        "enabled": True,
        "paused": False,
        "sequence": 1,
        "entry_ids": ["1-1"],
        "fields": [Jsonb({})],
        "discarded_by": "scale",
        "jobs": [],
        "token": token,
        "after_id": UUID(int=0),
        "age": timedelta(days=90),
        "allowed": 5,
        "announced": True,
        "archive": job,
        "archived_at": now,
        "archives": some,
        "as_of": _LATE,
        "attempt": 1,
        "back_to": now,
        "before": _LATE,
        "before_id": UUID(int=2**128 - 1),
        "began_at": now,
        "born": "7",
        "busy": [],
        "by_another": False,
        "chunk": _CHUNK,
        "chunks": [_CHUNK],
        "chunk_oids": [7],
        "code": "lost",
        "database": identity[1],
        "default_drop": False,
        "ends": [_END],
        "entered": Jsonb([{"folder": _FOLDER, "files": ["part-00000.parquet"], "rows": 1}]),
        "entry_id": "1-1",
        "every": timedelta(days=30),
        "events": "archival.events",
        "first": now - timedelta(days=30),
        "folders": [f"tables/scale.h{i % 4}/scale.h{i % 4}_{i // 4}_r0" for i in range(400, 410)],
        "force": False,
        "from_statuses": ["archived"],
        "grace": timedelta(0),
        "hypertable": "scale.h1",
        "job_id": job,
        "job_ids": some,
        "kind": "archive",
        "kinds": ["archive"],
        "lake_path": _FOLDER,
        "lease": minutes,
        "limit": 100,
        "lost": True,
        "manifest": Jsonb({"supersedes": []}),
        "most": 2_000,
        "number": 1,
        "oid": 7,
        "oids": [7],
        "open": False,
        "passed": [],
        "others": Jsonb({}),
        "part": Jsonb({}),
        "patience": minutes,
        "position": "-Infinity",
        "postponed": False,
        "problem": "x",
        "range_end": _END,
        "range_start": _START,
        "reason": "x",
        "relation_born": str(1000 + _NUMBER),
        "relation_oid": 100_000_000 + _NUMBER,
        "request_key": "scale/new",
        "requested_by": "scale",
        "restored": [],
        "revision": 0,
        "sha256": "x",
        "since": now - timedelta(days=365),
        "starts": [_START],
        "status": "archived",
        "statuses": ["failed"],
        "supersedes": [_FOLDER],
        "system_identifier": identity[0],
        "taken": -1,
        "tried": [],
        "until": _LATE,
        "up_to": UUID(int=2**128 - 1),
    }


def pages(connection: psycopg.Connection[Any], name: str) -> int | None:
    """Pages that a statement touches; what it writes is taken back. `connection` is in autocommit mode.

    `None` if the ledger refuses the statement with these values, among them NULL for what `values` does not know.
    """
    query, asked = queries()[name], values(connection)
    if "%(token)s" in query or name in _OF_ARCHIVED:
        job = connection.execute(f"select {_ARCHIVED if name in _OF_ARCHIVED else _RUNNING}".encode()).fetchone()
        assert job is not None
        asked["job_id"] = job[0]
    asked |= _OWN.get(name, {})
    asked = {key: asked.get(key) for key in re.findall(r"%\((\w+)\)s", query)}
    try:
        return _touched(connection, query, asked)
    except psycopg.IntegrityError:
        return None


def pages_of_marks(connection: psycopg.Connection[Any]) -> int:
    """Pages that are touched for the marks of a table that has three archives, and others have all the rest."""
    mark = "insert into archival_marks.stand_in select md5('few ' || i)::uuid, 'removed', 'scale.few', 'x', 'x', 'x', i, '1'"
    connection.execute(f"{mark} from generate_series(1, 3) i on conflict do nothing".encode())
    connection.execute("analyze archival_marks.stand_in")
    of_table = _touched(connection, table_marks.OF_TABLE, ["scale.few", []])
    about = {"archives": [UUID(int=1)], "oids": [1, 2], "born": ["1", "1"], "hypertable": "scale.few"}
    of_table += _touched(connection, table_marks.ABOUT, about)
    return of_table + _touched(connection, stand_ins.STANDING_IN, [["scale.few"]])


def _touched(connection: psycopg.Connection[Any], query: str, asked: Mapping[str, Any] | Sequence[Any]) -> int:
    explain = f"explain (analyze, buffers, timing off, format json) {query}".encode()
    touched: list[int] = []
    # the first execution reads the catalog as well, and so may a later one, if much has changed on the server meanwhile
    for _ in range(3):
        with connection.transaction(force_rollback=True):
            row = connection.execute(explain, asked).fetchone()
            assert row is not None
            plan = row[0][0]["Plan"]
            touched.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    return min(touched)
