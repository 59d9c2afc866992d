"""A hypertable is whole for whoever asks: archived and live rows, each once."""

from __future__ import annotations

from tests.kit.asking import asked, queries_of
from tests.kit.worlds import World


async def test_each_row_is_there_once_before_and_after_its_chunk_went_and_came_back(world: World) -> None:
    queries = queries_of(world.service)
    table = f"{world.service.schema}.readings"
    sql = f"select count(*) as n, sum(value) as total, min(time) as first, max(note) as last from {table}"
    live = (await asked(queries, sql)).result.to_pylist()
    assert live[0]["n"] == 1393

    await world.archive("jan", "feb")
    archived = await asked(queries, sql)
    assert (archived.result.to_pylist(), archived.figures.archives) == (live, 0)

    await world.archive("jan", remove=True)
    await world.remove()
    removed = await asked(queries, sql)
    assert removed.result.to_pylist() == live
    assert 0 < removed.figures.archives == removed.figures.archives_read

    await world.restore()
    restored = await asked(queries, sql)
    assert (restored.result.to_pylist(), restored.figures.archives) == (live, 0)
