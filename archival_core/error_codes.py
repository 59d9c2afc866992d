"""The catalogue of errors: what each code means, and what to do. `docs/errors.md` and the API's statuses come from here.

Codes are a contract: programs test them, so a code is never given another meaning. A code that raises a `TransientError` is
tried again by itself; one that raises a `PermanentError` waits for somebody.

All codes are in one file, however long, because a catalogue is read as a whole: whoever wants a code looks here for one that
says the same already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code of the catalogue."""

    #: what is the case, as a sentence
    meaning: str
    #: What a person does; empty where nothing has to be done. A remedy that begins with "If it lasts" or "Nothing" asks nobody
    #: to act at once. The reader has the running service, and no file of this repository.
    remedy: str = ""
    #: HTTP status for a caller whose request met the error; `None` for what no request meets, or what is the service's own
    #: trouble
    status: int | None = None


#: Sections of docs/errors.md, in their order.
SECTIONS: Final[Mapping[str, Mapping[str, ErrorCode]]] = MappingProxyType(
    {
        "What was asked for": {
            "chunk-has-a-live-job": ErrorCode(
                "The chunk has a job that is queued or running.", "Wait for that job, or cancel it.", status=409
            ),
            "dismissed": ErrorCode("Somebody has dismissed the failure already."),
            "done-since": ErrorCode("A later request has archived the job's chunk, or restored its archive."),
            "idempotency-key-reused": ErrorCode(
                "The `Idempotency-Key` was used for another request.", "Send the request with a new key.", status=422
            ),
            "invalid-cursor": ErrorCode("The cursor is none of this list.", "Take `next` of the list's last page.", status=422),
            "invalid-name": ErrorCode(
                "A table's name cannot be read.",
                "Write `schema.name`, in double quotes where a part holds dots or spaces.",
                status=422,
            ),
            "invalid-policy": ErrorCode(
                "An age of the policy is out of its range.", "The message names the range.", status=422
            ),
            "no-archive": ErrorCode("There is no archive that the request means.", "Look at `GET /chunks`.", status=404),
            "no-clock-time": ErrorCode(
                "The hypertable is partitioned by an integer, which has no age.",
                "Archive its chunks by requests with `older_than`.",
                status=422,
            ),
            "no-reason": ErrorCode("A dead letter is discarded for a reason.", "Say the reason.", status=422),
            "not-undecided": ErrorCode(
                "The archive's table is there, or what became of its rows is decided.",
                "Nothing: `archival jobs --not-removed archive-undecided` lists the archives that wait for a word.",
                status=409,
            ),
            "not-cancellable": ErrorCode("The job has ended.", "Only queued and running jobs are cancelled.", status=409),
            "not-dismissed": ErrorCode("Nobody has dismissed the failure."),
            "not-in-encoding": ErrorCode(
                "A name or text has a character that the database's encoding lacks.", "Correct the name.", status=422
            ),
            "not-replayable": ErrorCode("The dead letter is no event that could be taken.", "Discard the letter.", status=409),
            "not-retryable": ErrorCode("The job is neither failed nor cancelled.", status=409),
            "policy-busy": ErrorCode("Others change the policy all the time."),
            "restore-under-way": ErrorCode(
                "Another restore of the archive is on its way.", "Follow that restore, or cancel it.", status=409
            ),
            "too-many-chunks": ErrorCode(
                "The request means more chunks than one request may.", "Narrow its bounds.", status=422
            ),
            "unknown-chunk": ErrorCode(
                "The table is not there, or is no chunk of the hypertable.",
                "See which there are: `archival chunks HYPERTABLE`.",
                status=404,
            ),
            "unknown-dead-letter": ErrorCode("There is no dead letter of that id.", status=404),
            "unknown-hypertable": ErrorCode(
                "The table is neither a hypertable nor partitioned by range.",
                "See which there are: `archival hypertables`.",
                status=404,
            ),
            "unknown-job": ErrorCode("There is no job of that id.", status=404),
            "unknown-policy": ErrorCode("The hypertable has no policy.", status=404),
            "wrong-bound": ErrorCode(
                "The bound is of another type than the time column.",
                "Write RFC 3339 text, or an integer for integer time.",
                status=422,
            ),
        },
        "What cannot be archived": {
            "default-partition": ErrorCode(
                "A DEFAULT partition has no range.", "Move its rows into partitions with a range.", status=409
            ),
            "detach-pending": ErrorCode(
                "A partition is being detached.", "Complete that with `ALTER TABLE … DETACH PARTITION … FINALIZE`.", status=409
            ),
            "foreign-partition": ErrorCode(
                "The partition, or one below it, is a foreign table.", "Archive the rows where they are stored.", status=409
            ),
            "no-leaves": ErrorCode(
                "The partition is partitioned itself, and has no partitions.", "Drop it, or give it partitions.", status=409
            ),
            "temporary-table": ErrorCode("A temporary table is readable by its own session alone.", "Detach it.", status=409),
            "unexpected-schema": ErrorCode(
                "Values arrived in another shape than was asked for.", "Report this: it is a defect."
            ),
            "unrepresentable-value": ErrorCode("The driver cannot read a value.", "Report the column's type: it is a defect."),
            "unsupported-encoding": ErrorCode(
                "The source is in SQL_ASCII, which does not say what text means.", "Convert it to UTF8."
            ),
            "unsupported-partitioning": ErrorCode("The table is not partitioned by RANGE of exactly one column.", status=409),
            "unsupported-time-type": ErrorCode("The time column's type has no order of time that is known.", status=409),
            "duplicate": ErrorCode("The chunk has a job or an archive already; the job is `skipped` and names it."),
            "removed": ErrorCode("The chunk is gone, because an archive of it was removed; the job is `skipped` and names it."),
        },
        "Why a chunk is not removed": {
            "aggregate-not-refreshed": ErrorCode(
                "A continuous aggregate has not aggregated all of the chunk's rows.", "Run the refresh that the message names."
            ),
            "archive-damaged": ErrorCode(
                "A file of the archive is missing, short or altered.",
                "Archive the chunk again with `force`, and find out who writes to the lake.",
            ),
            "archive-undecided": ErrorCode(
                "The archive's table is gone, and nobody can tell what became of its rows.",
                "Say it: `archival settle JOB --rows moved`, or `--rows dropped`; `--dry-run` says how many are there.",
            ),
            "archive-unsettled": ErrorCode(
                "An archive of the same range is of a table that is gone; `reconcile` finds out about it.",
                "If it lasts, settle what `archival jobs --not-removed archive-undecided` lists.",
            ),
            "continuous-aggregate": ErrorCode(
                "A refresh policy of a continuous aggregate reaches back into the range and would delete its aggregates.",
                "Give the policy the `start_offset` that the message names.",
            ),
            "copy-unsettled": ErrorCode(
                "The chunk is a copy of an archive that was attached, and the archive stands in for its rows still.",
                "Restore that archive without `into`, which inserts nothing.",
                status=409,
            ),
            "dropped-other": ErrorCode("The drop took something else along, and was undone."),
            "frozen": ErrorCode("The chunk is frozen.", "`unfreeze_chunk()` lets it be removed."),
            "outdated-archive": ErrorCode(
                "The archive is of before the lake's tables had a schema, and does not fit into its table.",
                "Nothing: the chunk is archived again, and goes with its new archive.",
            ),
            "left-out-of-table": ErrorCode(
                "The archive cannot be in the table of the lake as it is, so its chunk stays.",
                "Archive the chunk anew: `archival archive HYPERTABLE --chunk CHUNK --force`.",
            ),
            "marks-not-permitted": ErrorCode(
                "The service's role may not write to schema `archival_marks`.",
                "As an administrator of the source: `CREATE SCHEMA archival_marks AUTHORIZATION` the service's role.",
            ),
            "not-archived": ErrorCode(
                "The archive is not `archived` any more, or the chunk is being archived again.", status=409
            ),
            "not-in-table": ErrorCode("The archive is not in the table of the lake yet, so its chunk stays."),
            "not-restorable": ErrorCode(
                "Rows of the archive do not come back as they are, or the archive stands for no rows.",
                "The message names the column and a value, or where the rows are.",
                status=409,
            ),
            "not-compared": ErrorCode(
                "The archive was found in the lake and never compared with its chunk, which is gone.",
                "If the archive is yours, restore it into a table of its own.",
                status=409,
            ),
            "removal-blocked": ErrorCode(
                "A view, a foreign key or something else depends on the chunk.",
                "Drop what depends on it, or let it point elsewhere.",
            ),
            "removal-not-permitted": ErrorCode(
                "The service's role may not drop the chunk.",
                "Make the service's role a member of the role that owns the table: `GRANT` the owner `TO` the service's role.",
            ),
            "sibling-not-archived": ErrorCode("Another chunk of the same range of time is not archived yet."),
            "source-changed": ErrorCode("The chunk has changed since it was archived; it is archived again."),
            "stands-in": ErrorCode(
                "An archive of this job stands in for rows already; `reconcile` brings the ledger up to its mark."
            ),
            "unknown-timescaledb": ErrorCode(
                "This version of TimescaleDB keeps its catalog in a form that is not known.",
                "Take a newer version of the service.",
            ),
            "unlogged": ErrorCode(
                "The table is UNLOGGED, so a crash may have emptied it.", "`ALTER TABLE … SET LOGGED`; it is archived anew."
            ),
            "was-gone": ErrorCode("Somebody else dropped the chunk; its rows live in its archive alone."),
        },
        "Why an archive is not restored": {
            "into-its-table": ErrorCode(
                "The table to restore into is the archive's own, or is read together with it: each row would be read twice.",
                "Restore without `into`, or into a table that is no part of it.",
                status=409,
            ),
            "another-table": ErrorCode(
                "The table of that name is another one now, or none to restore into.",
                "Ask under the present name of the table, or restore into a table of its own.",
            ),
            "columns-differ": ErrorCode("The table lacks columns of the archive.", "Restore into a table of its own."),
            "generated-differs": ErrorCode("Generated columns compute other values now.", "Restore into a table of its own."),
            "labels-differ": ErrorCode(
                "Labels of an enum were renamed since the archive was made.",
                "Restore into a table of your own in which the column is text.",
            ),
            "lossy-type": ErrorCode(
                "A column's type does not hold the archive's values exactly.", "Restore into a table of its own."
            ),
            "name-taken": ErrorCode(
                "The partition's name belongs to something else.", "Rename that, or restore into a table of its own."
            ),
            "not-recreated": ErrorCode("The manifest's DDL does not make the table.", "Make the table by hand."),
            "placed-differs": ErrorCode(
                "A trigger or a rule changes the rows.", "Disable it meanwhile, or restore into a table of its own."
            ),
            "restore-differs": ErrorCode("What was loaded is not what the archive has."),
            "not-rewritable": ErrorCode(
                "The archive of before cannot be written anew now: the message says what stands in for its rows.",
                "Let `reconcile` run, then `archival tables migrate` again.",
            ),
            "rewrite-differs": ErrorCode(
                "An archive of before has other rows when it is written anew, and stays as it is.",
                "Report this: it is a defect.",
            ),
            "table-gone": ErrorCode("The table is gone.", "Ask for it to be recreated, or restore into a table of its own."),
            "target-has-triggers": ErrorCode("Triggers would fire for rows that were there before.", "Disable them meanwhile."),
            "target-refuses": ErrorCode(
                "The table does not take the rows.", "The message says why; or restore into a table of its own."
            ),
            "unknown-form": ErrorCode(
                "The archive is of a newer version of the service.", "Restore with the version that the manifest names."
            ),
            "unknown-type": ErrorCode(
                "A type of a column is not in the database.", "Make it first; the manifest's DDL has it."
            ),
            "unreadable-value": ErrorCode("A value is not taken by its column's type.", "The message names both."),
            "would-double": ErrorCode(
                "Rows are there already, and some could be there twice.",
                "Restore `beside`, or into a table of its own.",
                status=409,
            ),
        },
        "Questions": {
            "archive-not-found": ErrorCode(
                "The manifest of an archive that stands in for rows of the table is neither in the ledger nor in the lake.",
                "Bring back the ledger or an earlier version of the manifest; the message names both its places. Other tables"
                " can be asked.",
                status=409,
            ),
            "archive-unreadable": ErrorCode(
                "A file of an archive that stands in for rows is missing or damaged.",
                "`POST /verifications` tells more; look for who writes to the lake.",
                status=409,
            ),
            "archives-below": ErrorCode(
                "A table that has archives of its own was attached to the table as a partition.",
                "Restore its archives, or detach it and ask it by itself.",
                status=409,
            ),
            "archives-in-doubt": ErrorCode(
                "Archives were made in another database, and tables or columns have other names since.",
                "Give table and columns the names and the order that the manifest has, or restore the archives.",
                status=409,
            ),
            "copy-in-doubt": ErrorCode(
                "A copy of an archive is part of the table, and was written anew or is there only in part: both are read.",
                "Restore the archive without `into`, which inserts no row that is there.",
            ),
            "filter-without-form": ErrorCode(
                "The engine has a condition that cannot be handed to where rows are read.",
                "Nothing: the question is asked again by itself, and the condition is applied to all rows of the range.",
            ),
            "former-table": ErrorCode(
                "Archives of a table that was dropped, and whose name another one has, are no part of the answer.",
                "Restore them into a table of their own, which can be asked.",
            ),
            "large-values": ErrorCode(
                "Archived values are so large that another reader has to read them, which needs less memory.",
                "Nothing: the question is asked again by itself.",
            ),
            "moment-passed": ErrorCode("Tables were dropped or written anew while they were about to be read.", "Ask again."),
            "not-acceptable": ErrorCode("The answer is to be had in none of the forms that `Accept` names.", status=406),
            "numbers-as-text": ErrorCode(
                "The question compares, orders or groups by a column of numbers or moments that DuckDB has as text alone.",
                "`CAST` the column to a type of numbers, as the message says, or to `VARCHAR` to go by the text.",
                status=422,
            ),
            "queries-off": ErrorCode(
                "Questions are not answered until the setting `QUERY_ROLE` names the role that they read tables as.",
                "Make a role that may read the tables (`CREATE ROLE`, `GRANT USAGE ON SCHEMA`, `GRANT SELECT`), `GRANT` it"
                " to the service's role, and set `QUERY_ROLE` to its name.",
                status=403,
            ),
            "query-busy": ErrorCode("As many questions as may be are being answered.", "Ask again."),
            "query-called-off": ErrorCode("The question was called off.", status=409),
            "query-failed": ErrorCode("DuckDB cannot compute a value.", "The message says which.", status=422),
            "query-invalid": ErrorCode("DuckDB cannot read the statement, or not find a column of it.", status=422),
            "query-memory": ErrorCode(
                "The question needs more memory than questions may have.",
                "Group or join fewer rows at a time; or ask with `--direct`.",
                status=422,
            ),
            "query-names": ErrorCode(
                "DuckDB cannot tell names apart that differ in case alone, nor a schema from a database of its own.",
                "Rename one.",
                status=409,
            ),
            "query-process": ErrorCode("The process that answered the question has ended by itself.", "Ask again."),
            "query-refused": ErrorCode("The statement is not one SELECT that only reads tables.", status=422),
            "query-role": ErrorCode(
                "The service may not act as the role that `QUERY_ROLE` names.",
                "`GRANT` that role to the service's role, and make the role first if it is not there.",
                status=409,
            ),
            "query-time": ErrorCode(
                "The question took longer than questions may.",
                "Ask for a shorter range of time, or with `--direct`.",
                status=422,
            ),
            "query-too-wide": ErrorCode("The question reads too many tables of the database at a time.", status=422),
            "result-lost": ErrorCode("The instance of the service that wrote the result has ended.", "Ask again."),
            "result-not-done": ErrorCode(
                "The result is still being written, or the question has failed.",
                "`GET /queries/{id}` says how far it is.",
                status=409,
            ),
            "result-not-found": ErrorCode(
                "There is no such result, or it has expired, or it was called off.", "Ask again.", status=404
            ),
            "row-security": ErrorCode("The table has row-level security, which archived rows cannot follow.", status=409),
            "unknown-table": ErrorCode(
                "There is no table of that name that may be read.", "Look at `archival tables`.", status=404
            ),
            "row-too-large": ErrorCode(
                "One row is larger than an answer may be.", "Ask for fewer columns, or for a part of the value.", status=422
            ),
            "value-without-form": ErrorCode(
                "A column has a value that its type in DuckDB has not, such as a NaN in a numeric(10,2).",
                "Name the column in `as_text`, or leave it out.",
                status=422,
            ),
        },
        "The source database": {
            "count-differs": ErrorCode("The copy has another number of rows than the database counted."),
            "gave-way": ErrorCode(
                "Somebody alters the table, or waits to, and goes first.",
                "If it lasts, look for whoever alters the table again and again.",
            ),
            "history-changed": ErrorCode("The source was put back to before the chunk was read.", status=409),
            "other-owner": ErrorCode(
                "The lake belongs to another source or ledger.",
                "Stop one of the two services; `source takeover` says that this one is the owner.",
            ),
            "other-server": ErrorCode(
                "The archive is of another server, or the server does not tell who it is.",
                "The message says which.",
                status=409,
            ),
            "snapshot-lost": ErrorCode("The session that held the snapshot has ended."),
            "source-busy": ErrorCode("The source has no memory for the statement now, or another one is in its way."),
            "source-cancelled": ErrorCode(
                "Somebody cancelled the statement.",
                "If it lasts, the server's log says who cancels it.",
            ),
            "source-connections": ErrorCode(
                "All connections of the source, or of the service's role there, are taken.",
                "Raise `max_connections`, or have fewer instances: `DATABASE_CONNECTIONS`.",
            ),
            "source-damaged": ErrorCode(
                "The source reads damaged pages of the chunk.", "Put the table right, from a standby or a backup.", status=409
            ),
            "source-failed": ErrorCode("The source reports an internal error.", "Look at the server's log."),
            "source-full": ErrorCode("The source has no disk space left.", "Give the server more storage."),
            "source-limit": ErrorCode("The source has a limit that the statement meets.", "Raise `temp_file_limit`."),
            "source-locked": ErrorCode(
                "Somebody else has the lock, and kept it for longer than the service waits.",
                "If it lasts, look for a long transaction in `pg_stat_activity`.",
            ),
            "source-login": ErrorCode(
                "The source does not let the service's role in.", "Look at the URL, its password, or the app's identity."
            ),
            "source-permission-denied": ErrorCode(
                "The service's role may not do that.",
                "`GRANT` the service's role what the message names: `USAGE` on the schema and `SELECT` on the table to archive,"
                " and membership in the table's owner to remove and to restore.",
                status=403,
            ),
            "source-missing": ErrorCode(
                "The server has no database of the name that `SOURCE_DATABASE_URL` has.",
                "Correct the URL, or make the database.",
            ),
            "source-read-only": ErrorCode(
                "The source takes no writes: its storage is nearly full, its parameters say so, or the server is a standby.",
                "Give the server more storage; Azure then lifts the ban by itself.",
            ),
            "source-refused": ErrorCode("The source refuses the statement.", "The message says why.", status=409),
            "source-statement-timeout": ErrorCode(
                "A statement took longer than the `statement_timeout` that held for it.",
                "If it lasts, look for what slows the server down, and for a pooler or a script that"
                " sets `statement_timeout` in spite of the service's sessions.",
            ),
            "source-standby": ErrorCode(
                "The source is a standby.", "Let `SOURCE_DATABASE_URL` name the primary server.", status=409
            ),
            "source-timeout": ErrorCode("A time-out of the source ended the session, in spite of the session's own settings."),
            "source-unreachable": ErrorCode("The source does not answer."),
        },
        "PostgreSQL, source or ledger": {
            "connections-in-use": ErrorCode(
                "All connections that an instance keeps to the ledger, or to the source beside its readings, are in use.",
                "If it lasts, look for what slows the server down.",
            ),
            "database": ErrorCode("A database does not answer."),
            "database-busy": ErrorCode("A database has no memory for the statement now, or another one is in its way."),
            "database-cancelled": ErrorCode(
                "Somebody cancelled the statement.",
                "If it lasts, the server's log says who cancels it.",
            ),
            "database-connections": ErrorCode(
                "All connections of a database, or of the service's role there, are taken.",
                "Raise `max_connections`, or have fewer instances: `DATABASE_CONNECTIONS`.",
            ),
            "database-damaged": ErrorCode(
                "The ledger reads damaged pages.", "Put the table right, from a standby or a backup."
            ),
            "database-failed": ErrorCode("A database reports an internal error.", "Look at the server's log."),
            "database-full": ErrorCode("A database has no disk space left.", "Give the server more storage."),
            "database-limit": ErrorCode("A database has a limit that the statement meets.", "Raise `temp_file_limit`."),
            "database-locked": ErrorCode(
                "Somebody else has the lock, and kept it for longer than the service waits.",
                "If it lasts, look for a long transaction in `pg_stat_activity`.",
            ),
            "database-login": ErrorCode(
                "A database does not let the service's role in.", "Look at the URL, its password, or the app's identity."
            ),
            "database-missing": ErrorCode(
                "The server has no database of the name that the URL has.", "Correct the URL, or make the database."
            ),
            "database-pooler": ErrorCode(
                "The port is that of a connection pooler, which keeps no session.", "Name PostgreSQL's own port, 5432."
            ),
            "database-read-only": ErrorCode(
                "A database takes no writes: its storage is nearly full, its parameters say so, or the server is a standby.",
                "Give the server more storage; Azure then lifts the ban by itself.",
            ),
            "database-refused": ErrorCode(
                "A database refuses the statement.",
                "The message has the server's own words. If nobody has changed the ledger by hand, report it: it is a defect.",
            ),
            "database-restoring": ErrorCode(
                "`timescaledb.restoring` is on, or the library is not loaded.",
                "`SELECT timescaledb_post_restore()`, or load the library.",
            ),
            "database-setting": ErrorCode(
                "The role has a setting that only a superuser may take back.", "`ALTER ROLE … RESET`."
            ),
            "database-statement-timeout": ErrorCode(
                "A statement took longer than the `statement_timeout` that held for it.",
                "If it lasts, look for what slows the server down, and for a pooler or a script that"
                " sets `statement_timeout` in spite of the service's sessions.",
            ),
            "database-timeout": ErrorCode(
                "A time-out of a database ended the session, in spite of the session's own settings."
            ),
            "no-token": ErrorCode("There is no Microsoft Entra token.", "Give the app an identity, or the URL a password."),
            "not-permitted": ErrorCode("A database refuses the service's role.", "Grant what the message names.", status=403),
            "undefined": ErrorCode(
                "A table or column of the ledger is missing.", "The ledger is of another version of the service."
            ),
        },
        "The lake": {
            "invalid-manifest": ErrorCode(
                "A manifest in the lake, or the ledger's copy of one, cannot be read.",
                "Find out who wrote it. Two are in the lake, at the archive and below `manifests/`; `archival.job` has a copy.",
                status=409,
            ),
            "lake-aborted": ErrorCode("A transfer was called off."),
            "lake-attempt-refused": ErrorCode("The lake refused this attempt."),
            "lake-back": ErrorCode(
                "The lake went back to an earlier state. Nothing is removed before what was archived since then is verified.",
                "Wait: what was archived since is verified by itself. Then look at the view Verification, which names files"
                " that are missing: bring them back by the lake's soft delete or from a backup, or archive their chunks again.",
            ),
            "lake-conflict": ErrorCode("Something else lies where the archive would."),
            "lake-damaged-transfer": ErrorCode("Data were damaged on their way, repeatedly."),
            "lake-destination-exists": ErrorCode(
                "An archive of that name is published already.", "Compare the two before removing either."
            ),
            "lake-filesystem-missing": ErrorCode(
                "The filesystem of `LAKE_URL` does not exist.", "Create it, or correct the setting."
            ),
            "lake-forbidden": ErrorCode(
                "The lake refuses the credentials.", "The app's identity needs the role Storage Blob Data Contributor."
            ),
            "lake-not-found": ErrorCode("There is no such path in the lake."),
            "lake-not-replicated": ErrorCode("The archive is not in the account's second region yet, so its chunk stays."),
            "lake-refused": ErrorCode("The lake refuses the request.", "The message has its answer."),
            "lake-replication-unknown": ErrorCode(
                "The account does not tell how far its second region is, so nothing is removed.",
                "Make the account RA-GRS or RA-GZRS, and the identity its Reader; or set `LAKE_REPLICATION` to `local`.",
            ),
            "lake-short-read": ErrorCode("Fewer bytes came than were asked for."),
            "lake-unavailable": ErrorCode("The lake does not answer as it should."),
            "moved-archive": ErrorCode("A folder's manifest is that of another folder.", "Move the folder back."),
            "no-manifest": ErrorCode("There is no manifest of the archive.", "Restore the file, or archive the chunk again."),
            "not-declared": ErrorCode(
                "Neither ledger nor source knows of the archive.", "`rebuild_ledger --add` takes in what is yours."
            ),
            "read-back-differs": ErrorCode("What was read back is not what was written."),
            "staging-differs": ErrorCode("Staging does not hold what was written there."),
            "staging-lost": ErrorCode("The rows that were loaded are gone; the next attempt loads them again."),
            "table-foreign-commit": ErrorCode(
                "Somebody else wrote to the log of a table in the lake; the next commit takes it back.",
                "Take the right to write to the lake from whoever it was.",
            ),
            "table-log-back": ErrorCode(
                "The log of a table in the lake went back; the next commit brings it up to marks and ledger.",
                "Find out whether somebody put the lake back, by a failover, an undelete or a copy, and whether the view"
                " Verification names files that are missing.",
            ),
            "table-log-damaged": ErrorCode(
                "The log of a table in the lake cannot be read, so no engine can read the table, and no chunk of it goes.",
                "`archival tables rebuild` makes the log anew.",
            ),
            "table-ledger-behind": ErrorCode(
                "The ledger does not know all archives that count in a table, so its log cannot be made anew.",
                "Wait for `reconcile`, which tells the ledger of them, and ask again.",
            ),
            "table-log-gone": ErrorCode("The log of a table in the lake was gone, and is made anew."),
            "table-overtaken": ErrorCode("Another committer was faster; the next run goes on from there."),
        },
        "Jobs, events and the service itself": {
            "cancelled": ErrorCode("The work was called off, or a person cancelled the job."),
            "entry-lost": ErrorCode(
                "A group still has to read an entry that somebody else trimmed or deleted.",
                "Acknowledge the entry for the group.",
            ),
            "internal": ErrorCode("A defect.", "The service's log has the details: report them."),
            "invalid-event": ErrorCode(
                "The event cannot be understood.", "Correct it and send it again: the dead letter says what is wrong."
            ),
            "invalid-message": ErrorCode("The message is none of this service."),
            "ledger-not-empty": ErrorCode("The ledger has jobs already.", "`rebuild_ledger --add` adds what it does not know."),
            "lost-claim": ErrorCode("Another instance reads the part of the chunk now."),
            "lost-lease": ErrorCode("Another worker has the job."),
            "migration-changed": ErrorCode(
                "A migration of the ledger was edited after its release.", "Deploy the files of the release."
            ),
            "event-lost": ErrorCode(
                "The event's entry was trimmed or deleted before it was drained.",
                "Ask for the chunk again; add no event with `MAXLEN`.",
            ),
            "over-delivered": ErrorCode(
                "The event was tried alone, and failed each time by itself.", "Replay it when the cause is mended."
            ),
            "no-answer": ErrorCode("A dependency gives no answer in time."),
            "poisoned": ErrorCode("The worker of the job was killed each time.", "Retry the job when the cause is mended."),
            "queue": ErrorCode("The storage queue does not answer."),
            "redis": ErrorCode("Redis does not answer."),
            "redis-full": ErrorCode(
                "Redis has no memory left and takes nothing more.", "Give it more memory, or keep less in its streams."
            ),
            "stream-held": ErrorCode(
                "A consumer group keeps a stream from being trimmed.", "Let its reader go on, or delete the group."
            ),
            "wrong-setting": ErrorCode("A setting is missing or wrong.", "The message names it.", status=503),
        },
    }
)

CODES: Final[Mapping[str, ErrorCode]] = MappingProxyType(
    {code: known for section in SECTIONS.values() for code, known in section.items()}
)
