"""`Accept` is read as RFC 9110 has it."""

from __future__ import annotations

import pytest

from archival_core.api.management.lake.accepting import accepted
from archival_core.errors import PermanentError

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
MEDIA = [JSON, CSV, ARROW, "application/vnd.apache.parquet"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("TEXT/CSV", CSV),
        ("text/csv; charset=utf-8", CSV),
        # the greatest weight, wherever it stands
        ("text/csv;q=0.5, application/json;q=0.9", JSON),
        ("application/json;q=0.5, text/csv", CSV),
        ("text/csv;q=0.9, */*;q=0.1", CSV),
        ("text/csv;q=0.1, */*;q=0.9", JSON),
        (f"application/*;q=0.4, {ARROW};q=0.8, text/*;q=0.5", ARROW),
        # 0 excludes, whatever a wider range says
        ("application/json;q=0, */*", CSV),
        (f"{JSON};q=0, {CSV};q=0, */*;q=0.1", ARROW),
        ("application/*;q=0, */*", CSV),
        # of the same weight: what is named most exactly, and then what stands first
        ("*/*, text/csv", CSV),
        ("text/csv, application/json", CSV),
        ("application/json, text/csv", JSON),
        # what a browser sends
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        # a range that cannot be read names nothing
        ("csv, application/json", JSON),
        ("text/csv;q=much, application/json;q=0.1", JSON),
        ("*/csv, text/csv;q=0.1", CSV),
    ],
)
def test_what_is_preferred(accept: str, media: str) -> None:
    assert accepted(accept, MEDIA) == media


@pytest.mark.parametrize(
    "accept", ["image/png", "text/csv;q=0", "*/*;q=0", "csv", "*", ",", ";;", "text/csv;q=2", "/", "text/"]
)
def test_what_no_form_is(accept: str) -> None:
    with pytest.raises(PermanentError, match="takes none of the forms that there are: application/json, text/csv") as refused:
        accepted(accept, MEDIA)
    assert refused.value.code == "not-acceptable"
