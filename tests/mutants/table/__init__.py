"""Every mutation, in the order of a chunk's life; in each room by file."""

from tests.mutants.mutation import Mutation
from tests.mutants.table import archive, asking, jobs, lake, lake_history, removal, restore, source, upkeep

MUTATIONS: tuple[Mutation, ...] = tuple(
    mutation
    for room in (asking, jobs, source, archive, lake, lake_history, removal, restore, upkeep)
    for mutation in room.MUTATIONS
)
