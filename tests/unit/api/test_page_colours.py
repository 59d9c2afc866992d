"""Every colour of the page has the contrast that WCAG 2.2 asks for at level AA, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "archival_core" / "api" / "static" / "styles"
TEXT, GRAPHICS = 4.5, 3.0
STATES = [f"state-{name}" for name in ("database", "archiving", "failed", "archived", "removed")]

#: what stands on what
PAIRS = [
    *((text, ground, TEXT) for text in ("ink", "muted", "accent", "bad", "good") for ground in ("ground", "surface")),
    ("ink", "bad-ground", TEXT),
    ("bad", "bad-ground", TEXT),
    # rows under the pointer, previews and code; the toast
    *((text, "lane", TEXT) for text in ("ink", "muted", "accent", "bad")),
    ("ground", "ink", TEXT),
    ("on-accent", "accent", TEXT),
    ("surface", "bad", TEXT),
    *((state, "surface", GRAPHICS) for state in STATES),
    # the outline of a field, and of what has the focus
    ("muted", "surface", GRAPHICS),
    ("accent", "ground", GRAPHICS),
]


def schemes() -> dict[str, dict[str, str]]:
    css = (STATIC / "colours.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    found = {"light": colours(light)}
    return found | {"dark": found["light"] | colours(dark)}


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


def luminance(colour: str) -> float:
    """Relative luminance as of WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrasts(scheme: str) -> None:
    known = schemes()[scheme]
    ratios = {(front, back): round(contrast(known[front], known[back]), 2) for front, back, _ in PAIRS}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < {(f, b): r for f, b, r in PAIRS}[pair]} == {}


def test_both_schemes_name_every_colour_and_no_other_file_has_one() -> None:
    css = (STATIC / "colours.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    assert set(colours(light)) == set(colours(dark))
    for file in STATIC.glob("*.css"):
        used = set(re.findall(r"var\(--([\w-]+)\)", file.read_text()))
        assert used <= set(colours(light)), file.name
        if file.name != "colours.css":
            assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", file.read_text()) == [], file.name
