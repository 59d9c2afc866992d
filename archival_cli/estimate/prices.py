"""Prices in US dollars, near the list prices of a European region on their date, without reservations or agreements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from archival_cli.errors import MISUSED, CommandError


@dataclass(frozen=True, slots=True)
class Prices:
    """Each month, unless the name says otherwise; `gb` are 1,000,000,000 bytes."""

    as_of: str = "2026-11-28"
    gb_second: float = 0.000026
    gb_seconds_free: float = 100_000
    million_executions: float = 0.40
    executions_free: float = 250_000
    hot_gb: float = 0.023
    cool_gb: float = 0.0125
    cold_gb: float = 0.0045
    read_cool_gb: float = 0.01
    read_cold_gb: float = 0.03
    write_10000: float = 0.065
    redis: float = 26.0
    logs_gb: float = 2.76
    nat_gateway: float = 32.0
    nat_gb: float = 0.045
    public_address: float = 3.65
    endpoint: float = 7.30
    #: in either direction
    endpoint_gb: float = 0.01
    dns_zone: float = 0.50
    alert_5_minutes: float = 1.50
    alert_rarer: float = 0.50
    postgresql_gb: float = 0.115
    postgresql_backup_gb: float = 0.095

    def with_own(self, own: Mapping[str, Any]) -> Prices:
        """With a reader's own prices in place of these; raises `CommandError` for a name that there is not."""
        known = {field.name for field in fields(self)}
        if strange := sorted(set(own) - known):
            raise CommandError(f"there is no price {', '.join(strange)}; there are {', '.join(sorted(known))}", MISUSED)
        for name, value in own.items():
            if name != "as_of" and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise CommandError(f"the price {name} is {value!r}; it must be a number of dollars", MISUSED)
        return replace(self, **own)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)
