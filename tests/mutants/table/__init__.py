"""Every mutation, in the order of a chunk's life; in each room by file."""

from tests.mutants.mutation import Mutation
from tests.mutants.table import (
    archive,
    asking,
    commits,
    giving_way,
    jobs,
    lake,
    lake_marker,
    query,
    removal,
    restore,
    rewriting,
    runner,
    source,
    streams,
    upkeep,
)

MUTATIONS: tuple[Mutation, ...] = tuple(
    mutation
    for room in (
        asking,
        streams,
        jobs,
        runner,
        giving_way,
        source,
        archive,
        lake,
        lake_marker,
        commits,
        removal,
        restore,
        rewriting,
        upkeep,
        query,
    )
    for mutation in room.MUTATIONS
)
