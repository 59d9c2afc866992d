"""What is written in which order, as docs/architecture.md says: whatever a crash leaves can be taken up from there."""

from __future__ import annotations

from tests.kit.effects import recorded
from tests.kit.worlds import World


async def test_every_flow_writes_in_its_order(world: World) -> None:
    inside, service = world.ledger_url is None, world.service
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    with recorded() as effects:
        await service.runtime.event_drain.drain()
    assert effects == ["ledger: jobs", "queue: messages", "ledger: messaged", "redis: acknowledged"]
    with recorded() as effects:
        [message] = service.messages()
        await service.runtime.archival_processor.process(message)
    assert [effect for effect in effects if effect != "ledger: part"] == [
        *[
            "ledger: columns",
            "source: reading marked",
            "ledger: parts begun",
            "ledger: hash",
            "lake: renamed",
            "lake: manifest",
        ],
        *["ledger: archived", "redis: told", "ledger: told"],
    ]
    assert effects.index("ledger: part") > effects.index("ledger: parts begun")
    assert _last(effects, "ledger: part") < effects.index("ledger: hash")
    with recorded() as effects:
        assert (await world.remove()).removed == 1
    assert _as_one_message(effects, "ledger: removed") == [
        *["lake: commit", "ledger: commit", "source: mark"],
        *(["ledger: removed", "source: dropped", "source: committed"] if inside else []),
        *([] if inside else ["source: dropped", "source: committed", "ledger: removed"]),
        *["redis: told", "ledger: told"],
    ]
    with recorded() as effects:
        await world.restore()
    found = [effect for effect in effects if effect not in ("queue: messages", "ledger: messaged")]
    assert _as_one_message(found, "ledger: restored") == [
        *["source: rows", "source: mark"],
        *(["ledger: restored", "source: committed"] if inside else ["source: committed", "ledger: restored"]),
        *["redis: told", "ledger: told"],
    ]


def _as_one_message(effects: list[str], of_ledger: str) -> list[str]:
    """The mark and the ledger's row are one message, where they are in one transaction: whoever is told first says nothing."""
    first = effects.index("source: mark") - 1
    if effects[first] != of_ledger:
        return effects
    return [*effects[:first], effects[first + 1], effects[first], *effects[first + 2 :]]


def _last(effects: list[str], name: str) -> int:
    return len(effects) - 1 - effects[::-1].index(name)
