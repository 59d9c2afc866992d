"""The worker's settings of memory: as in Azure, so that what is measured here is what runs there."""

from __future__ import annotations

from typing import Final

FLAT_MEMORY: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=3000000:glibc.malloc.hugetlb=1",
}
