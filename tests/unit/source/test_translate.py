"""What a SQLSTATE means for the job."""

import psycopg
import pytest
from psycopg import errors as postgres

from archival_core.errors import AwayError, LostConnectionError, PermanentError, PostponedError, TransientError
from archival_core.model.chunk import Chunk, ChunkRange, Relation
from archival_core.source.translate import source_errors, translate
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches


@pytest.mark.parametrize(
    ("sqlstate", "kind", "code"),
    [
        (None, TransientError, "source-unreachable"),
        ("57P01", TransientError, "source-unreachable"),
        ("57014", TransientError, "source-unreachable"),
        ("53300", TransientError, "source-busy"),
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
        # what may be the chunk's own doing: a limit that it met alone, a statement that somebody cancelled, a damaged page
        ("53400", TransientError),
        ("57014", TransientError),
        ("XX001", TransientError),
    ],
)
def test_an_outage_is_told_from_what_a_chunk_does(sqlstate: str | None, kind: type[Exception]) -> None:
    assert type(translate(sqlstate, "why")) is kind


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
