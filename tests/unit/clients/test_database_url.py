"""Which database URLs ask for a Microsoft Entra token."""

import pytest

from archival_core.clients.postgres.database import Database


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("postgresql://app@db.example.com/tsdb", "postgresql://app:a%2Ftoken@db.example.com/tsdb"),
        ("postgresql://me%40x@db:5433/tsdb?sslmode=require", "postgresql://me%40x:a%2Ftoken@db:5433/tsdb?sslmode=require"),
        ("postgresql://app:secret@db/tsdb", "postgresql://app:secret@db/tsdb"),
        ("postgresql://app:@db/tsdb", "postgresql://app:@db/tsdb"),
        ("postgresql://app@127.0.0.1:5432/tsdb", "postgresql://app@127.0.0.1:5432/tsdb"),
        ("postgresql:///tsdb", "postgresql:///tsdb"),
    ],
)
async def test_a_token_is_the_password(url: str, used: str) -> None:
    assert await Database(url, lambda: "a/token").url() == used
