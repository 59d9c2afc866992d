"""Settings of the role that the service connects with: whatever they are, values, names and statements are what they were.

Somebody has set them for reasons of their own, for the role or its database, and no program can ask them to be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.faults.stage import Stage, any_story

#: Odd values of what changes how PostgreSQL shows or reads a value, a name or a statement, or how a transaction behaves.
_ODD: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "how values look": {
        "datestyle": ("German, DMY", "SQL, MDY", "Postgres, YMD"),
        "intervalstyle": ("sql_standard", "iso_8601", "postgres_verbose"),
        "timezone": ("Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"),
        "extra_float_digits": ("-15", "0"),
        "bytea_output": ("escape",),
        "client_encoding": ("LATIN1", "SJIS", "SQL_ASCII"),
        "xmloption": ("document",),
        "quote_all_identifiers": ("on",),
    },
    "how statements are read": {
        "standard_conforming_strings": ("off",),
        "backslash_quote": ("off",),
        "array_nulls": ("off",),
        "transform_null_equals": ("on",),
        "lc_messages": ("C",),
        "check_function_bodies": ("off",),
        "plan_cache_mode": ("force_generic_plan",),
    },
    "how names are found": {"search_path": ("trap, pg_catalog, public", "trap", "")},
    "how transactions behave": {
        "default_transaction_isolation": ("serializable", "repeatable read", "read uncommitted"),
        "default_transaction_read_only": ("on",),
        "default_transaction_deferrable": ("on",),
        "session_replication_role": ("replica",),
        "row_security": ("off",),
        "synchronous_commit": ("local",),
    },
    "how long they may take": {
        "statement_timeout": ("20ms", "300ms"),
        "lock_timeout": ("1ms",),
        "idle_in_transaction_session_timeout": ("20ms", "300ms"),
        "transaction_timeout": ("100ms", "1s"),
        "idle_session_timeout": ("100ms",),
    },
    "how plans are made": {
        "jit_above_cost": ("0",),
        "debug_parallel_query": ("on",),
        "enable_seqscan": ("off",),
        "enable_tidscan": ("off",),
        "enable_indexscan": ("off",),
        "enable_partition_pruning": ("off",),
        "max_parallel_workers_per_gather": ("0", "8"),
        "synchronize_seqscans": ("off",),
        "work_mem": ("64kB",),
    },
}
#: What is found first on the search path of somebody who meant no harm.
_TRAP = """
create schema trap;
create function trap.now() returns timestamptz language sql as $$ select timestamptz '2001-02-03 04:05Z' $$;
create function trap.to_regclass(text) returns regclass language sql as $$ select null::regclass $$;
create function trap.format(text, variadic text[]) returns text language sql as $$ select 'trapped' $$;
create table trap.job (job_id uuid);
create table trap.pg_class (oid oid, relname name);
grant usage on schema trap to public;
"""


@any_story
def _odd(group: str, stage: Stage) -> None:
    """One kind of settings, or all of them, each at one of its odd values."""
    groups = _ODD if group == "everything" else {group: _ODD[group]}
    chosen = {name: stage.rng.choice(values) for settings in groups.values() for name, values in settings.items()}
    stage.note(f"the role's settings: {chosen}")
    _connect_as_a_role_with(stage, chosen)
    stage.play()


def _connect_as_a_role_with(stage: Stage, settings: Mapping[str, str]) -> None:
    world = stage.world
    role = f"odd_{world.token}"
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        connection.execute(_TRAP.encode())
        connection.execute(sql.SQL("create role {} superuser login password 'odd'").format(sql.Identifier(role)))
        world.roles.append(role)
        for name, value in settings.items():
            words = value.split(", ") if name == "search_path" else [value]
            values = sql.SQL(", ").join(sql.Literal(word) for word in words)
            # half of them for this database alone: both ways have to be put right
            where = sql.SQL("in database {}").format(sql.Identifier(connection.info.dbname))
            connection.execute(
                sql.SQL("alter role {} {} set {} = {}").format(
                    sql.Identifier(role), where if stage.rng.random() < 0.5 else sql.SQL(""), sql.Identifier(name), values
                )
            )
    for variable in ("SOURCE_DATABASE_URL", "LEDGER_DATABASE_URL"):
        if url := world.environment.get(variable):
            parts = urlsplit(url)
            world.environment[variable] = urlunsplit(parts._replace(netloc=f"{role}:odd@{parts.netloc.rpartition('@')[2]}"))


SCENARIOS: list[Callable[[Stage], None]] = [partial(_odd, group) for group in (*_ODD, "everything")]
