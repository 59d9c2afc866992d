"""Questions to a real TimescaleDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


def is_community(service: Service) -> bool:
    """Whether the edition has compression and continuous aggregates."""
    return service.rows("show timescaledb.license") == [("timescale",)]


def chunks(service: Service) -> list[str]:
    """The chunks of the service's schema, the oldest first."""
    query = (
        "select chunk_schema || '.' || chunk_name from timescaledb_information.chunks where hypertable_schema = '$s'"
        " order by range_start, chunk_name"
    )
    return [name for (name,) in service.rows(query)]
