"""Settings as no service expects them: each at a value that changes how values look or how statements behave."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

#: Settings that any role may have. Times are as short as a test survives where nothing else can be said before the first
#: statement.
ODD: Final = {
    # how values look, and how they are read
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "timezone_abbreviations": "India",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "lc_monetary": "POSIX",
    "lc_numeric": "POSIX",
    "lc_time": "POSIX",
    "client_encoding": "LATIN1",
    "xmlbinary": "hex",
    "xmloption": "document",
    "array_nulls": "off",
    "default_text_search_config": "pg_catalog.german",
    # how names are quoted and found, and how statements are read
    "quote_all_identifiers": "on",
    "search_path": "nonsense",
    "standard_conforming_strings": "off",
    "escape_string_warning": "on",
    "backslash_quote": "off",
    "transform_null_equals": "on",
    # how transactions behave
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "2s",
    "transaction_timeout": "2s",
    "exit_on_error": "on",
    "client_min_messages": "debug5",
    # what is found, and in which order
    "row_security": "on",
    "gin_fuzzy_search_limit": "1",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "synchronize_seqscans": "on",
    "enable_seqscan": "off",
    "enable_tidscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit_above_cost": "0",
    "debug_parallel_query": "regress",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    # what is made
    "default_tablespace": "pg_default",
    "check_function_bodies": "off",
}
#: Settings that only a superuser may give to a role, and only a superuser may take back.
ODD_OF_SUPERUSERS: Final = {
    "session_replication_role": "replica",
    "event_triggers": "off",
    "zero_damaged_pages": "on",
    "ignore_checksum_failure": "on",
}


def give(admin: psycopg.Connection[Any], whom: str, settings: dict[str, str]) -> None:
    """Let the sessions of `whom` (`ROLE r` or `DATABASE d`) begin with those of `settings` that the server knows."""
    known = {name.lower() for (name,) in admin.execute("select name from pg_settings").fetchall()}
    for name, value in settings.items():
        if name.lower() in known:
            statement = sql.SQL("ALTER {} SET {} = {}").format(
                sql.SQL(whom),  # a test's own text
                sql.Identifier(name.lower()),
                sql.SQL(", ").join(map(sql.Literal, value.split(", "))),
            )
            admin.execute(statement)
