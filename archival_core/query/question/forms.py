"""The forms in which an answer is to be had."""

from __future__ import annotations

from typing import Literal

Form = Literal["json", "csv", "arrow", "parquet"]
#: why an answer has not all rows
Cut = Literal["rows", "bytes"]
