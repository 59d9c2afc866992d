"""`archival cost`: the formulas, the page that quotes it, and the template that it counts."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archival_cli.__main__ import main
from archival_cli.estimate import month as reckoning
from archival_cli.estimate.month import Use, month
from archival_cli.estimate.prices import Prices
from tests.infra.bicep import INFRA, load
from tests.infra.queries import ALERTS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
EXAMPLES = re.findall(r"^```console\n\$ archival (cost [^\n]*)\n(.*?)^```", (ROOT / "docs/cost.md").read_text(), re.M | re.S)


def dollars(use: Use, prices: Prices | None = None) -> dict[str, float]:
    return {line.what: round(line.dollars, 2) for line in month(use, prices or Prices())}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["cost", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("call", "printed"), EXAMPLES)
def test_the_page_quotes_what_is_printed(capsys: pytest.CaptureFixture[str], call: str, printed: str) -> None:
    assert run(capsys, *shlex.split(call)[1:]) == printed


def test_there_are_two_examples() -> None:
    assert len(EXAMPLES) == 2


def test_lines_are_what_the_formulas_say() -> None:
    found = dollars(Use(months=36, hot_months=1, cool_months=5))
    hot, cool, cold = (n * 1000 / 7 for n in (1, 5, 30))
    assert found["lake"] == round(hot * 0.023 + cool * 0.0125 + cold * 0.0045, 2)
    assert found["reading for verification"] == round(cool * 0.01 + cold * 0.03, 2)
    assert found["archiving"] == round(1000 / 0.05 * 2 * 0.000026, 2)
    assert found["data through endpoints"] == round((1000 + 3 * 1000 / 7 + 36_000 / 7) * 0.01, 2)
    rarely = dollars(Use(months=36, hot_months=1, cool_months=5, verify_days=180))
    assert rarely["reading for verification"] == pytest.approx(found["reading for verification"] / 6, abs=0.01)


def test_nothing_costs_no_more_than_being_there() -> None:
    found = dollars(Use(new=0, logs=0, private=False, drain_seconds=10**9))
    assert found["free GB-seconds"] <= 0
    assert sum(found.values()) == pytest.approx(26 + 6 + found["timers"] + found["free GB-seconds"])
    assert sum(found.values()) >= 32


@pytest.mark.parametrize("change", ["new", "months", "logs", "ratio"])
def test_more_costs_more(change: str) -> None:
    less, more = ({"new": 10.0, "months": 2, "logs": 1.0, "ratio": 0.1}, {"new": 20.0, "months": 9, "logs": 2.0, "ratio": 0.3})
    assert sum(dollars(Use(**(less | {change: more[change]}))).values()) > sum(dollars(Use(**less)).values())  # type: ignore[arg-type]


def test_own_prices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    known = json.loads(run(capsys, "--show-prices"))
    own = tmp_path / "prices.json"
    own.write_text(json.dumps(known | {"redis": 1000, "as_of": "2027-01-01"}))
    found = json.loads(run(capsys, "--json", "--prices", str(own)))
    assert found["prices_as_of"] == "2027-01-01"
    assert {line["what"]: line["dollars"] for line in found["lines"]}["Redis"] == 1000
    for wrong, words in (('{"gold": 1}', "no price gold"), ('{"redis": "much"}', "'much'"), ("{", "not JSON")):
        own.write_text(wrong)
        assert main(["cost", "--prices", str(own)]) == 2
        assert words in capsys.readouterr().err


def test_what_is_counted_is_what_the_template_makes() -> None:
    often = [rule for rule in ALERTS if rule["frequency"] == "PT5M"]
    assert (len(often), len(ALERTS) - len(often)) == reckoning._ALERTS
    zones: Sequence[str] = load(INFRA / "modules/dns-zones.bicep").of("var")["groups"].value
    assert len(zones) == reckoning._ZONES
    # the API's own endpoint is there only where the API is not public
    assert len(set(zones) - {"sites"}) + 1 == reckoning._ENDPOINTS, "blob twice: of the host's storage and of the lake"
