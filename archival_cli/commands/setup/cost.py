"""`cost`: what a month of the service costs, by a reader's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from archival_cli.errors import MISUSED, CommandError


@click.command()
@click.option("--new", type=click.FloatRange(min=0), default=1000.0, help="GB of new chunks each month; 1000.")
@click.option("--months", type=click.IntRange(min=0), default=0, help="Months of archives that are there already; 0.")
@click.option("--ratio", type=click.FloatRange(0.001, 1), default=1 / 7, help="Parquet's size by PostgreSQL's; 1/7.")
@click.option("--hot-months", type=click.IntRange(min=0), help="Months until archives are cool; never, unless said.")
@click.option("--cool-months", type=click.IntRange(min=0), help="Months that they are cool before they are cold.")
@click.option("--verify-days", type=click.FloatRange(min=1), default=30.0, help="VERIFY_EVERY, in days; 30.")
@click.option("--drain-seconds", type=click.FloatRange(min=1), default=15.0, help="Between two drains; 15.")
@click.option("--logs", type=click.FloatRange(min=0), default=5.0, help="GB of telemetry and resource logs a month; 5.")
@click.option("--public", is_flag=True, help="Without private networking.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON with your own prices.")
@click.option("--show-prices", is_flag=True, help="Print the prices as JSON, to be changed.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
def cost(
    new: float,
    months: int,
    ratio: float,
    hot_months: int | None,
    cool_months: int | None,
    verify_days: float,
    drain_seconds: float,
    logs: float,
    public: bool,
    prices: Path | None,
    show_prices: bool,
    as_json: bool,
) -> int:
    """Reckon what a month of the service costs on Azure.

    The database server is not in it, because it is there anyway. Prices have a date; put in your own.
    """
    from archival_cli.estimate.month import Use, month
    from archival_cli.estimate.prices import Prices

    used = Prices()
    if prices is not None:
        try:
            own = json.loads(prices.read_text())
        except ValueError as error:
            raise CommandError(f"{prices} is not JSON: {error}", MISUSED) from None
        used = used.with_own(own if isinstance(own, dict) else {})
    if show_prices:
        click.echo(json.dumps(used.document(), indent=2))
        return 0
    use = Use(new, months, ratio, hot_months, cool_months, verify_days, drain_seconds, logs, not public)
    lines = month(use, used)
    total = sum(line.dollars for line in lines)
    if as_json:
        found = [{"what": line.what, "formula": line.formula, "dollars": round(line.dollars, 2)} for line in lines]
        click.echo(json.dumps({"prices_as_of": used.as_of, "lines": found, "total": round(total, 2)}))
        return 0
    for line in lines:
        click.echo(f"{line.what:26}{line.formula:38}{line.dollars:10,.2f}")
    click.echo(f"{'each month':26}{f'prices of {used.as_of}':38}{total:10,.2f}")
    return 0
