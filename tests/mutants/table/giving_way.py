"""Work of the service lets go of a table when somebody waits to alter the table."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_WAITING = "source/state/snapshot/waiting.py"

MUTATIONS = (
    Mutation(
        name="nobody-looks-who-waits",
        file="flows/jobs/watches/giving_way.py",
        inside="_until_somebody_waits",
        old="if who := await waiting.who_waits(beside, sessions, tree):",
        new="if (who := await waiting.who_waits(beside, sessions, tree)) and False:",
        tests=("contract/test_waiting.py::test_sessions_end_whatever_the_work_waits_for",),
    ),
    Mutation(
        name="sessions-are-left-to-themselves",
        file="flows/jobs/watches/giving_way.py",
        inside="giving_way",
        old="await waiting.end(beside, sessions)",
        new="pass",
        tests=("contract/test_waiting.py::test_sessions_end_whatever_the_work_waits_for",),
    ),
    Mutation(
        name="work-is-not-called-off",
        file="flows/jobs/watches/giving_way.py",
        inside="giving_way",
        old="call_off(gave)",
        new="pass",
        tests=("contract/test_waiting.py::test_sessions_end_whatever_the_work_waits_for",),
    ),
    Mutation(
        name="ended-session-is-a-failure",
        file="flows/jobs/watches/calling_off.py",
        inside="watched",
        old="except (asyncio.CancelledError, Exception) as error:",
        new="except asyncio.CancelledError as error:",
        tests=("contract/test_waiting.py::test_sessions_end_whatever_the_work_waits_for",),
    ),
    Mutation(
        name="session-that-writes-to-its-client-is-left",
        file=_WAITING,
        old=" AND coalesce(a.wait_event, '') NOT IN ('ClientRead', 'ClientWrite')",
        new="",
        tests=("contract/test_waiting.py::test_a_session_that_writes_to_its_client_is_ended",),
    ),
    Mutation(
        name="waits-long-for-a-lock",
        file=_WAITING,
        old='MappingProxyType({"lock_timeout": LOCK_TIMEOUT})',
        new='MappingProxyType({"lock_timeout": "60s"})',
        tests=("contract/test_waiting.py::test_what_is_told_to_wait_briefly_gives_up",),
    ),
    Mutation(
        name="who-waits-behind-another-is-not-seen",
        file=_WAITING,
        old="    UNION\n    SELECT c.waiter, b.pid FROM chain c,"
        " pg_catalog.unnest(pg_catalog.pg_blocking_pids(c.blocker)) AS b (pid)\n",
        new="",
        tests=("contract/test_waiting.py::test_who_waits_for_an_index_that_waits_for_the_snapshot",),
    ),
    Mutation(
        name="who-works-through-the-tree-is-not-seen",
        file=_WAITING,
        old="OR (w.pid IN",
        new="OR (false AND w.pid IN",
        tests=("contract/test_waiting.py::test_who_works_through_the_tree",),
    ),
    Mutation(
        name="who-waits-elsewhere-works-through-the-tree",
        file=_WAITING,
        old=" AND w.pid IN (SELECT pid FROM of_tree WHERE NOT granted)",
        new="",
        tests=("contract/test_waiting.py::test_who_works_through_the_tree",),
    ),
    Mutation(
        name="a-subtree-is-no-part-of-the-tree",
        file=_WAITING,
        old="        pg_catalog.pg_partition_root(l.relation)::oid,\n",
        new="",
        tests=("contract/test_waiting.py::test_who_works_through_the_tree",),
    ),
    Mutation(
        name="own-statements-work-through-the-tree",
        file=_WAITING,
        old="\n       AND a.application_name <> pg_catalog.current_setting('application_name')",
        new="",
        tests=("contract/test_waiting.py::test_the_service_s_own_removal_is_of_one_chunk",),
    ),
    Mutation(
        name="session-of-somebody-else-is-ended",
        file=_WAITING,
        old=" AND a.application_name = pg_catalog.current_setting('application_name')",
        new="",
        tests=("contract/test_waiting.py::test_sessions_of_others_are_not_ended",),
    ),
    Mutation(
        name="session-that-idles-is-only-cancelled",
        file=_WAITING,
        old="ELSE pg_catalog.pg_terminate_backend(a.pid)",
        new="ELSE pg_catalog.pg_cancel_backend(a.pid)",
        tests=("contract/test_waiting.py::test_sessions_of_others_are_not_ended",),
    ),
    Mutation(
        name="readings-wait-long-for-a-lock",
        file=_WAITING,
        old='LOCK_TIMEOUT: Final[LiteralString] = "3s"',
        new='LOCK_TIMEOUT: Final[LiteralString] = "6s"',
        tests=("contract/test_waiting.py::test_a_snapshot_behind_an_alter_table_gives_up",),
    ),
)
