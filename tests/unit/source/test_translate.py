"""What a SQLSTATE means for the job."""

import psycopg
import pytest
from psycopg import errors as postgres

from archival_core.clients.postgres.database import translated
from archival_core.error_codes import CODES
from archival_core.errors import ArchivalError, AwayError, LostConnectionError, PermanentError, PostponedError, TransientError
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.source.translate import source_errors, translate
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches


@pytest.mark.parametrize(
    ("sqlstate", "kind", "code"),
    [
        (None, TransientError, "source-unreachable"),
        ("57P01", TransientError, "source-unreachable"),
        ("57P03", TransientError, "source-unreachable"),
        ("57P05", TransientError, "source-timeout"),
        ("25P03", TransientError, "source-timeout"),
        ("25P04", TransientError, "source-timeout"),
        ("57014", TransientError, "source-cancelled"),
        ("57P04", TransientError, "source-missing"),
        ("3D000", TransientError, "source-missing"),
        ("25006", TransientError, "source-read-only"),
        ("53100", TransientError, "source-full"),
        ("53200", TransientError, "source-busy"),
        ("53300", TransientError, "source-connections"),
        ("53400", TransientError, "source-limit"),
        ("28P01", TransientError, "source-login"),
        ("58030", TransientError, "source-failed"),
        ("XX001", PermanentError, "source-damaged"),
        ("40P01", TransientError, "source-busy"),
        ("55P03", TransientError, "source-locked"),
        ("42703", TransientError, "source-changed"),
        ("42P01", PermanentError, "unknown-chunk"),
        ("42501", PermanentError, "source-permission-denied"),
        ("22012", PermanentError, "source-refused"),
    ],
)
def test_translate(sqlstate: str | None, kind: type[Exception], code: str) -> None:
    error = translate(sqlstate, "why")
    assert isinstance(error, kind)
    assert error.code == code
    assert "why" in str(error)


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        (None, LostConnectionError),
        ("08006", AwayError),
        ("25006", AwayError),
        ("28000", AwayError),
        ("3D000", AwayError),
        ("53100", AwayError),
        ("53300", AwayError),
        ("57P01", AwayError),
        ("57P02", LostConnectionError),
        ("57P03", AwayError),
        # what others hold
        ("40P01", PostponedError),
        ("55P03", PostponedError),
        ("25P04", AwayError),
        # what may be the chunk's own doing: a limit that it met alone, a statement that somebody cancelled
        ("53400", TransientError),
        ("57014", TransientError),
        # nobody has to wait for a damaged page
        ("XX001", PermanentError),
    ],
)
def test_an_outage_is_told_from_what_a_chunk_does(sqlstate: str | None, kind: type[Exception]) -> None:
    assert type(translate(sqlstate, "why")) is kind


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("connection failed: FATAL:  sorry, too many clients already", "source-connections"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "source-connections"),
        ('FATAL:  too many connections for role "archiver"', "source-connections"),
        ("FATAL:  the database system is starting up", "source-unreachable"),
        ("FATAL:  the database system is not yet accepting connections", "source-unreachable"),
        ('FATAL:  password authentication failed for user "archiver"', "source-login"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.4", user "archiver", database "tsdb", no encryption', "source-login"),
        ("ERROR:  canceling statement due to user request", "source-cancelled"),
        ("ERROR:  canceling statement due to statement timeout", "source-statement-timeout"),
        ("ERROR:  canceling statement due to lock timeout", "source-locked"),
        ('FATAL:  database "tsdb" does not exist', "source-missing"),
        ("ERROR:  canceling statement due to conflict with recovery", "source-busy"),
        ("FATAL:  terminating connection due to administrator command", "source-unreachable"),
        ("FATAL:  terminating connection due to idle-session timeout", "source-timeout"),
        ('ERROR:  temporary file size exceeds "temp_file_limit" (1024kB)', "source-limit"),
        ('ERROR:  could not extend file "base/5/16384": No space left on device', "source-full"),
        ('ERROR:  could not read blocks 0..0 in file "base/5/16384": Input/output error', "source-failed"),
        ('ERROR:  invalid page in block 0 of relation "base/5/16384"', "source-damaged"),
        ("ERROR:  division by zero", "source-failed"),
        ("[libpq] PQgetCopyData() failed: server closed the connection unexpectedly", "source-unreachable"),
    ],
)
def test_words_stand_for_a_sqlstate_that_did_not_come(words: str, code: str) -> None:
    assert translate(None, words).code == code


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (
            postgres.QueryCanceled("canceling statement due to statement timeout"),
            ("source-statement-timeout", "database-statement-timeout"),
        ),
        (postgres.QueryCanceled("canceling statement due to user request"), ("source-cancelled", "database-cancelled")),
        (postgres.LockNotAvailable("canceling statement due to lock timeout"), ("source-locked", "database-locked")),
        (postgres.InvalidCatalogName('database "tsdb" does not exist'), ("source-missing", "database-missing")),
        # a server that answers is not said to be away
        (postgres.UniqueViolation("duplicate key value"), ("source-refused", "database-refused")),
        (postgres.RaiseException("no"), ("source-refused", "database-refused")),
    ],
)
def test_source_and_ledger_tell_the_same_trouble(error: psycopg.Error, codes: tuple[str, str]) -> None:
    for errors, code in zip((source_errors(), translated("the ledger")), codes, strict=True):
        with pytest.raises(ArchivalError) as caught, errors:
            raise error
        assert caught.value.code == code
        assert CODES[code].remedy or code == "source-refused"


def test_a_refusal_says_what_to_grant() -> None:
    with pytest.raises(PermanentError, match="GRANT"), source_errors():
        raise postgres.InsufficientPrivilege("permission denied for table conditions")


def test_a_lost_connection_is_transient() -> None:
    with pytest.raises(TransientError, match="server closed"), source_errors():
        raise psycopg.OperationalError("server closed the connection unexpectedly")


def test_our_own_mistakes_are_not_hidden() -> None:
    with pytest.raises(psycopg.ProgrammingError), source_errors():
        raise psycopg.ProgrammingError("the query has 1 placeholder but 0 parameters were passed")


@pytest.mark.parametrize("url", ["postgresql://u:s3cret@127.0.0.1:1/x", "postgresql://u:12@s3cret:@127.0.0.1:1/x"])
def test_no_password_in_an_error(url: str) -> None:
    table = Relation("s", "t")
    chunk = Chunk(table, table, "native", "at", "integer", ChunkRange(None, None), oid=1)
    with pytest.raises(TransientError) as caught:
        next(read_batches(url, "00000003-0000001B-1", chunk, plan_columns([])))
    assert caught.value.code == "source-unreachable"
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
