"""Policies through the API: set, previewed, changed in what is given alone, forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.acceptance.managing import POLICY, managed

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with managed(service) as opened:
        yield opened


async def test_policies_are_set_previewed_and_forgotten(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    body = {"archive_after": "P1D", "remove_after": "P2D", "enabled": True, "dropped_by_others": "keep"}
    answer = await client.put(f"/policies/{table}", json=body)
    assert (answer.status_code, answer.json()) == (201, {"hypertable": table, **body, "problem": None})
    assert (await client.put(f"/policies/{table}", json=body)).status_code == 200
    assert (await client.get("/policies")).json()["policies"] == [answer.json()]
    assert (await client.get(f"/policies/{table}")).json() == answer.json()
    due = (await client.post("/policies/preview", json={"hypertable": table, "archive_after": "P1D"})).json()["chunks"]
    assert [chunk["chunk"].partition(".")[2] for chunk in due] == ["jan", "feb", "mar"]
    answer = await client.put(f"/policies/{table}", json={**body, "archive_after": "P2D", "remove_after": "P1D"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-policy")
    assert (await client.delete(f"/policies/{table}")).status_code == 204
    assert (await client.delete(f"/policies/{table}")).json()["code"] == "unknown-policy"


async def test_a_policy_is_changed_in_what_is_given_alone(service: Service, client: httpx.AsyncClient) -> None:
    address = f"/policies/{service.schema}.readings"
    assert (await client.patch(address, json={"archive_after": "P1D"})).json()["code"] == "unknown-policy"
    await client.put(
        address, json={"archive_after": "P1D", "remove_after": "P9D", "enabled": False, "dropped_by_others": "keep"}
    )
    for change, then in (
        ({"archive_after": "P3D"}, ("P3D", "P9D", False, "keep")),
        ({"remove_after": "P5D"}, ("P3D", "P5D", False, "keep")),
        ({"dropped_by_others": "forget"}, ("P3D", "P5D", False, "forget")),
        ({"enabled": True}, ("P3D", "P5D", True, "forget")),
        ({"remove_after": None}, ("P3D", None, True, "forget")),
        ({"archive_after": "P4D", "enabled": False}, ("P4D", None, False, "forget")),
    ):
        answer = await client.patch(address, json=change)
        assert (answer.status_code, tuple(answer.json()[name] for name in POLICY)) == (200, then), change
        assert (await client.get(address)).json() == answer.json()
    answer = await client.patch(address, json={"remove_after": "P1D"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-policy")
    merging = {"content-type": "application/merge-patch+json"}
    assert (await client.patch(address, content='{"remove_after": "P8D"}', headers=merging)).json()["remove_after"] == "P8D"
    assert (await client.put(address, content=json.dumps(POLICY), headers=merging)).status_code == 415


async def test_changes_of_a_policy_at_the_same_time_all_count(service: Service, client: httpx.AsyncClient) -> None:
    address = f"/policies/{service.schema}.readings"
    for _ in range(5):
        await client.put(
            address, json={"archive_after": "P1D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
        )
        changes: list[dict[str, Any]] = [
            {"archive_after": "P2D"},
            {"remove_after": "P7D"},
            {"enabled": False},
            {"dropped_by_others": "forget"},
        ]
        answers = await asyncio.gather(*(client.patch(address, json=change) for change in changes))
        assert [answer.status_code for answer in answers] == [200] * 4
        found = (await client.get(address)).json()
        assert {name: found[name] for name in POLICY} == {
            "archive_after": "P2D",
            "remove_after": "P7D",
            "enabled": False,
            "dropped_by_others": "forget",
        }


async def test_a_policy_is_turned_off_whatever_became_of_its_table(service: Service, client: httpx.AsyncClient) -> None:
    address = f"/policies/{service.schema}.readings"
    await client.put(address, json=POLICY)
    service.execute("drop table $s.readings")
    assert (await client.patch(address, json={"enabled": False})).json()["enabled"] is False
    answer = await client.patch(address, json={"enabled": True})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-hypertable")
    assert (await client.get(address)).json()["enabled"] is False
