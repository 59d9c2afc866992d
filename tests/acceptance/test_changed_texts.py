"""A value's text may change although no row is written: then the chunk is not what was archived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MOOD = "create type $s.mood as enum ('ok', 'bad')"
#: the type of a column, how it is made, and one of its values
MADE_OF_MOODS = {
    "a row": ("$s.pair", "create type $s.pair as (m $s.mood, n int)", "row('ok', 1)::$s.pair"),
    "a row in an array of a domain": (
        "$s.pairs",
        "create type $s.pair as (m $s.mood, n int); create domain $s.pairs as $s.pair[]",
        "array[row('ok', 1)::$s.pair]",
    ),
    "a table's row": ("$s.other", "create table $s.other (m $s.mood)", "row('ok')::$s.other"),
    "a range": ("$s.moods", "create type $s.moods as range (subtype = $s.mood)", "$s.moods('ok', null)"),
}


@pytest.mark.parametrize("how", MADE_OF_MOODS)
async def test_a_label_that_is_renamed_inside_of_another_type_is_a_change(service: Service, how: str) -> None:
    type_name, made, value = MADE_OF_MOODS[how]
    service.execute(f"{MOOD}; {made}")
    fill(service, type_name, value)
    await archive(service, "jan")
    service.execute("alter type $s.mood rename value 'ok' to 'fine'")
    assert [message for message in (await remove(service)).kept.values() if "its table was altered" in message]
    # archived again, it goes, with the label that it has now
    await service.work()
    assert (await remove(service)).removed == 1


async def test_a_value_that_names_a_table_is_compared_wherever_it_is(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows come back in trial, and those are the first and the last."""
    monkeypatch.setattr("archival_core.codec.slices.SLICE_ROWS", 1)
    monkeypatch.setattr("archival_core.flows.removal.trial._FEW_ROWS", 10)
    service.execute("create table $s.one (v int); create table $s.two (v int)")
    fill(service, "regclass", "'$s.one'::regclass")
    await archive(service, "jan")
    service.execute("alter table $s.one rename to three; alter table $s.two rename to one; alter table $s.three rename to two")
    assert (await remove(service)).removed == 0
    await service.work()
    assert (await remove(service)).removed == 1
    assert [job["status"] for job in service.jobs()] == ["superseded", "removed"]


def fill(service: Service, type_name: str, value: str) -> None:
    """A table of 10,000 rows, of which one in the middle has `value`, and the others NULL."""
    service.execute(
        f"create table $s.readings (time timestamptz not null, value {type_name}) partition by range (time);"
        "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
        f"insert into $s.readings select timestamptz '2026-01-01Z' + i * interval '1 minute',"
        f" case when i = 5000 then {value} end from generate_series(1, 10000) i"
    )
