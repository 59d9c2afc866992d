"""Events as people see them: waiting, in a drain's hands, drained, and what is no event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
"""


async def test_an_event_is_waiting_then_pending_then_drained(service: Service) -> None:
    service.execute(TABLE)
    stream = service.names["EVENTS_STREAM"]
    async with api_client() as client:

        async def listed(**query: Any) -> Any:
            answer = await client.get("/events", params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert await listed() == {"events": [], "next": None}
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
        [event] = (await listed())["events"]
        assert (event["progress"], event["chunk"], event["remove"]) == ("waiting", f"{service.schema}.jan", True)
        assert event["requested_by"].startswith("test#")
        # the drain is killed after it has read the event
        await service.runtime.messaging.new("a drain", 10)
        assert [one["progress"] for one in (await listed())["events"]] == ["pending"]
        await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-02-01T00:00:00Z")
        await service.redis.xadd(stream, {"event": "no JSON"})
        await service.redis.xadd(stream, {"event": "x" * 70_000})
        newest = (await listed())["events"]
        assert [one["progress"] for one in newest] == ["waiting", "waiting", "waiting", "pending"]
        assert newest[0]["problem"] == "it is too large for an event"
        assert "not JSON" in newest[1]["problem"]
        assert (newest[2]["older_than"], newest[2]["chunk"]) == ("2026-02-01T00:00:00Z", None)
        first = await listed(limit=3)
        assert first["events"] == newest[:3]
        assert await listed(limit=3, before=first["next"]) == {"events": newest[3:], "next": None}
        await service.runtime.messaging.acknowledge([newest[3]["entry_id"]])
        await service.runtime.event_drain.drain()
        assert {one["progress"] for one in (await listed())["events"]} == {"drained"}
        assert (await client.get("/events", params={"before": "yesterday"})).json()["code"] == "invalid-cursor"
