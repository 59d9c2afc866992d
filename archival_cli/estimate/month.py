"""One month of the service, line by line: what, by which formula, and how many dollars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from archival_cli.estimate.prices import Prices

#: measured: gigabytes of PostgreSQL's size a second that an instance of 2 GB archives, and of Parquet that it reads again
_ARCHIVED_A_SECOND: Final = 0.05
_READ_A_SECOND: Final = 0.1
_MEMORY_GB: Final = 2.0
#: gigabytes of a request that writes to the lake
_REQUEST_GB: Final = 0.004
_MONTH_SECONDS: Final = 30 * 86_400
#: seconds between runs of the other timers: removal and reconcile, verification, commits of the lake's tables
_OTHER_TIMERS: Final = (300, 300, 900, 60)
#: of the template: alert rules that are asked each five minutes, and the others
_ALERTS: Final = (2, 6)
_ENDPOINTS: Final = 7
_ZONES: Final = 7


@dataclass(frozen=True, slots=True)
class Use:
    """How the service is used; sizes in gigabytes."""

    #: of new chunks each month, in PostgreSQL's size
    new: float = 1000
    #: months of archives that are there already
    months: int = 0
    #: Parquet's size by PostgreSQL's
    ratio: float = 1 / 7
    #: months that archives stay hot and then cool, before they are cold; `None` for ever
    hot_months: int | None = None
    cool_months: int | None = None
    #: days between two readings of each archive
    verify_days: float = 30
    drain_seconds: float = 15
    logs: float = 5
    private: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """One cost of a month."""

    what: str
    formula: str
    dollars: float


def month(use: Use, prices: Prices) -> list[Line]:
    """The lines of one month."""
    lines = [*_work(use, prices), *_lake(use, prices), *_standing(use, prices)]
    return lines + (list(_network(use, prices)) if use.private else [])


def tiers(use: Use) -> tuple[float, float, float]:
    """Gigabytes of Parquet that are hot, cool and cold, with this month's."""
    each, there = use.new * use.ratio, max(use.months, 1)
    hot = there if use.hot_months is None else min(there, use.hot_months)
    cool = there - hot if use.cool_months is None else min(there - hot, use.cool_months)
    return hot * each, cool * each, (there - hot - cool) * each


def _verified(use: Use) -> tuple[float, float, float]:
    """Gigabytes that verification reads each month, by tier."""
    times = 30 / use.verify_days
    hot, cool, cold = tiers(use)
    return hot * times, cool * times, cold * times


def _work(use: Use, prices: Prices) -> Iterator[Line]:
    new_parquet = use.new * use.ratio
    runs = _MONTH_SECONDS / use.drain_seconds + sum(_MONTH_SECONDS / seconds for seconds in _OTHER_TIMERS)
    parts = {
        "archiving": use.new / _ARCHIVED_A_SECOND,
        "proof of removals": new_parquet / _READ_A_SECOND,
        "verification": sum(_verified(use)) / _READ_A_SECOND,
        "timers": runs,
    }
    seconds = {what: part * _MEMORY_GB for what, part in parts.items()}
    for what, used in seconds.items():
        yield Line(what, f"{used:,.0f} GB-s", used * prices.gb_second)
    free = min(prices.gb_seconds_free, sum(seconds.values()))
    yield Line("free GB-seconds", f"{free:,.0f} GB-s", -free * prices.gb_second)
    paid = max(0.0, runs - prices.executions_free)
    yield Line("executions", f"{runs:,.0f}", paid / 1e6 * prices.million_executions)


def _lake(use: Use, prices: Prices) -> Iterator[Line]:
    hot, cool, cold = tiers(use)
    stored = hot * prices.hot_gb + cool * prices.cool_gb + cold * prices.cold_gb
    yield Line("lake", f"{hot:,.0f} GB hot, {cool:,.0f} cool, {cold:,.0f} cold", stored)
    writes = use.new * use.ratio / _REQUEST_GB
    yield Line("writes", f"{writes:,.0f}", writes / 10_000 * prices.write_10000)
    _, read_cool, read_cold = _verified(use)
    read = read_cool * prices.read_cool_gb + read_cold * prices.read_cold_gb
    yield Line("reading for verification", f"{read_cool:,.0f} GB cool, {read_cold:,.0f} cold", read)


def _standing(use: Use, prices: Prices) -> Iterator[Line]:
    yield Line("Redis", "Balanced_B0 with high availability", prices.redis)
    yield Line("logs", f"{use.logs:,.0f} GB", use.logs * prices.logs_gb)
    often, rarer = _ALERTS
    yield Line("alerts", f"{often} each 5 minutes, {rarer} rarer", often * prices.alert_5_minutes + rarer * prices.alert_rarer)


def _network(use: Use, prices: Prices) -> Iterator[Line]:
    yield Line(
        "NAT gateway and address",
        f"{use.logs:,.0f} GB out",
        prices.nat_gateway + prices.public_address + use.logs * prices.nat_gb,
    )
    yield Line("private endpoints", f"{_ENDPOINTS}", _ENDPOINTS * prices.endpoint)
    # the rows come in; files go out, are read back, and once more before a chunk is removed
    through = use.new + 3 * use.new * use.ratio + sum(_verified(use))
    yield Line("data through endpoints", f"{through:,.0f} GB", through * prices.endpoint_gb)
    yield Line("private DNS zones", f"{_ZONES}", _ZONES * prices.dns_zone)
