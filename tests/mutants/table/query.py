"""A question sees each row once, from one snapshot."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_MOMENT = "source/state/snapshot/moment.py"

MUTATIONS = (
    Mutation(
        name="marks-of-another-moment-than-the-rows",
        file=_MOMENT,
        inside="Moment._begin",
        old="self.standing = await standing(conn)",
        new="self.standing = await standing(self._beside)",
        tests=("acceptance/test_query_marks.py::test_marks_and_rows_are_of_one_snapshot",),
        guard="BYMARK",
    ),
    Mutation(
        name="restored-archives-are-counted",
        file=_MOMENT,
        old="WHERE kind IN ('removed', 'dropped by others')",
        new="WHERE kind <> 'forgotten'",
        tests=("acceptance/test_query.py::test_each_row_is_there_once_before_and_after_its_chunk_went_and_came_back",),
        guard="BYMARK",
    ),
)
