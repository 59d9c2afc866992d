"""A lake on a bad day."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dev.lake_emulator import Fault
from tests.faults.stage import Stage, any_story

#: Each for a few requests, which the service outlives by itself, or for as long as one delivery lasts.
_FAULTS: dict[str, dict[str, object]] = {
    "503": {"method": "*", "kind": "status", "status": 503, "code": "ServerBusy"},
    "500 after the effect": {"method": "*", "kind": "status_after", "status": 500, "code": "InternalError"},
    "408": {"method": "*", "kind": "status", "status": 408, "code": "RequestTimeout"},
    "throttled": {"method": "*", "kind": "status", "status": 429, "code": "TooManyRequests", "retry_after": 0.2},
    "busy with Retry-After": {"method": "*", "kind": "status", "status": 503, "code": "ServerBusy", "retry_after": 0.2},
    "torn append": {"method": "PATCH", "contains": "action=append", "kind": "torn"},
    "torn answer": {"method": "GET", "contains": ".parquet", "kind": "torn"},
    "flipped on the way in": {"method": "PATCH", "contains": "action=append", "kind": "flip_bit"},
    "flipped in the store": {"method": "PATCH", "contains": "action=append", "kind": "bit_rot"},
    "flipped on read-back": {"method": "GET", "contains": ".parquet", "kind": "flip_bit"},
    "rotten on read-back": {"method": "GET", "contains": "", "kind": "bit_rot"},
    "expired credentials": {"method": "*", "kind": "status", "status": 403, "code": "AuthenticationFailed"},
    "expired in the middle": {"method": "PATCH", "kind": "status", "status": 401, "code": "InvalidAuthenticationInfo"},
    "no permission to delete": {"method": "DELETE", "kind": "status", "status": 403, "code": "AuthorizationPermissionMismatch"},
    "dropped": {"method": "*", "kind": "drop_request"},
}


@any_story
def _bad(name: str, stage: Stage) -> None:
    times = stage.rng.choice([1, 3, 1_000_000])
    skip = stage.rng.randrange(30) if _FAULTS[name]["method"] == "*" else stage.rng.randrange(3)
    if name == "no permission to delete":
        skip = 0
    stage.note(f"{name}, {times} times after {skip} requests")
    fault = Fault(**_FAULTS[name], times=times, skip=skip)  # type: ignore[arg-type]
    stage.world.servers.emulator.faults.append(fault)
    stage.play()
    stage.struck = bool(fault.hits)


SCENARIOS: list[Callable[[Stage], None]] = [partial(_bad, name) for name in _FAULTS]
