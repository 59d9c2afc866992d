"""How every connection to PostgreSQL begins, whichever driver opens the connection: libpq's parameters, the session's settings.

A role, a database or a server may have any setting at any value (ALTER ROLE … SET, ALTER DATABASE … SET, postgresql.conf). What
changes how a value or a name looks, how a statement is read, or how a transaction behaves, is therefore said here, for the
source and the ledger alike. Settings that change only what a statement costs are left to the administrators.

A setting in the connection's `options` goes before those of role and database, but a server refuses a connection that names a
setting which the server does not know, or which the role may not change. So `STARTUP` has what every role may set on every
version since PostgreSQL 12, and `first_statement` sets the rest where the server knows a setting and its value is another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from archival_core.clients import network

#: libpq's parameters that no URL changes. The encoding is here because it holds for the first statement already.
FIXED: Final[Mapping[str, str]] = MappingProxyType({"application_name": "archival_service", "client_encoding": "UTF8"})

#: Everything that changes how PostgreSQL prints a value or a name. With only `pg_catalog` on the search path every other name
#: is printed with its schema; `pg_temp` comes last, so that no temporary table takes the place of a catalog.
TEXT_FORMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timezone": "UTC",
        "datestyle": "ISO, YMD",
        "intervalstyle": "postgres",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        # of `money`: in the locale of the day its text, and the number that it is cast to, would be read back as another amount
        "lc_monetary": "C",
        "lc_numeric": "C",
        "lc_time": "C",
        "xmlbinary": "base64",
        "quote_all_identifiers": "off",
        "search_path": "pg_catalog, pg_temp",
    }
)

#: What is said to the server with the connection: every role may set it, on every version since PostgreSQL 12.
STARTUP: Final[Mapping[str, str]] = MappingProxyType(
    {
        **TEXT_FORMS,
        # how values and statements are read
        "timezone_abbreviations": "Default",
        "xmloption": "content",
        "array_nulls": "on",
        "standard_conforming_strings": "on",
        "transform_null_equals": "off",
        # how transactions behave
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        # A chunk is read for as long as it takes. Where a time-out is wanted, its transaction says so.
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        # an error that a savepoint catches is no reason to end the session
        "exit_on_error": "off",
        "client_min_messages": "warning",
        # What is found: never through a row-level security policy. With `off` the server refuses instead of leaving rows out.
        "row_security": "off",
        "gin_fuzzy_search_limit": "0",
        # compiling costs more than a plain copy gains
        "jit": "off",
        # where tables are made: as pg_dump does it; a partitioned table is not made at all where a tablespace is named
        "default_table_access_method": "heap",
        "default_tablespace": "",
        # The server looks after its side of the connection, and lets go of the locks of a host that is gone. A host that reads
        # slowly, because the lake does, must not be taken for one: no user time-out on this side.
        "tcp_keepalives_idle": str(network.KEEPALIVE_IDLE),
        "tcp_keepalives_interval": str(network.KEEPALIVE_INTERVAL),
        "tcp_keepalives_count": str(network.KEEPALIVE_COUNT),
        "tcp_user_timeout": "0",
        # a session without TimescaleDB's library sees no row of a compressed chunk; without TimescaleDB the name means nothing
        "timescaledb.disable_load": "off",
    }
)

#: What is set by `first_statement`: newer than PostgreSQL 12, of an extension, or a superuser's.
AFTERWARDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "backslash_quote": "safe_encoding",
        "idle_session_timeout": "0",  # PostgreSQL 14
        "transaction_timeout": "0",  # 17
        "restrict_nonsystem_relation_kind": "",  # 17, and minor releases of earlier ones
        # TimescaleDB: without them a compressed chunk looks empty (the name changed), or takes a row twice
        "timescaledb.enable_transparent_decompression": "on",
        "timescaledb.enable_columnarscan": "on",
        "timescaledb.enable_dml_decompression": "on",
        "timescaledb.read_legacy_bloom1_v1": "off",
        # rows that come back are compressed by `restore.compression`, and tell the continuous aggregates
        "timescaledb.enable_direct_compress_insert": "off",
        "timescaledb.skip_cagg_invalidation": "off",
        # A superuser's: triggers and foreign keys hold, and damaged pages are errors instead of missing rows.
        "session_replication_role": "origin",
        "event_triggers": "on",  # 17
        "zero_damaged_pages": "off",
        "ignore_checksum_failure": "off",
    }
)


def _values(settings: Mapping[str, str]) -> LiteralString:
    # constants, none of which holds a quote
    rows: LiteralString = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
    return rows


#: What the ledger's sessions and most of the source's have besides: nothing.
NOTHING_MORE: Final[Mapping[LiteralString, LiteralString]] = MappingProxyType({})


def first_statement(more: Mapping[LiteralString, LiteralString] = NOTHING_MORE) -> LiteralString:
    """The first statement of a session, outside of any transaction. Its one row has what `Database.begin` looks at.

    The statement says all of `FIXED` and `STARTUP` again, for what stands in between may have kept the connection's `options`
    to itself, or forgets them when a session ends on a connection that is kept. Where `more` has another value for a setting,
    that value counts.

    A role or a database that is read-only by default is overruled, since that is a setting like the others. A server that is
    read-only by its own configuration is not: Azure does that to a server whose disk is nearly full.
    """
    return f"""
SELECT pg_catalog.pg_backend_pid() AS backend_pid,
       (SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
        FROM (VALUES {_values({**FIXED, **STARTUP, **AFTERWARDS, **more})}) AS s (name, value)
        WHERE pg_catalog.current_setting(s.name, true) <> s.value) AS changed,
       CASE WHEN pg_catalog.current_setting('default_transaction_read_only') = 'on' AND EXISTS (
           SELECT FROM pg_catalog.pg_settings g
           WHERE g.name = 'default_transaction_read_only' AND g.source IN ('database', 'user', 'database user'))
       THEN pg_catalog.set_config('default_transaction_read_only', 'off', false) END AS writable,
       coalesce(pg_catalog.current_setting('timescaledb.restoring', true), 'off') = 'on' OR EXISTS (
           -- which a connection that was there before does not notice
           SELECT FROM pg_catalog.pg_db_role_setting r JOIN pg_catalog.pg_database d ON d.oid = r.setdatabase
           WHERE d.datname = pg_catalog.current_database() AND r.setrole = 0
             AND 'timescaledb.restoring=on' = ANY(r.setconfig)) AS is_restoring,
       EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'timescaledb') AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_settings g WHERE g.name = 'timescaledb.restoring') AS lacks_library
"""  # noqa: S608  constants of this module and of its callers


def conninfo(url: str, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """What libpq needs to connect to `url` as every connection does, with the settings of `more` besides.

    Raises `psycopg.ProgrammingError`, which never repeats the URL, for one that libpq cannot read.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise psycopg.ProgrammingError("the database URL cannot be read") from None  # its message would quote a password
    options = " ".join(f"-c {name}={_escaped(value)}" for name, value in {**STARTUP, **more}.items())
    if theirs := given.get("options"):
        options = f"{theirs} {options}"  # the last one counts
    # the URL may say otherwise about the network: what a network needs, its administrator knows
    return make_conninfo("", **{**network.LIBPQ_PARAMETERS, **given, **FIXED, "options": options})


def _escaped(value: str) -> str:
    return re.sub(r"([\\ ])", r"\\\1", value)
