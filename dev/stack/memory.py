"""The worker's settings of memory: as in Azure, so that what is measured here is what runs there."""

from __future__ import annotations

from typing import Final

FLAT_MEMORY: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "3000000",
}
