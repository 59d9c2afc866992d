"""A stream is trimmed within what every group allows."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

MUTATIONS = tuple(
    Mutation(name=name, file="clients/redis/lua/trim.lua", old=old, new=new, tests=(f"contract/test_stream_trim.py::{test}",))
    for name, old, new, test in (
        (
            "trimmed-although-it-is-pending",
            "if lowest and not lower(stands_at, lowest) then",
            "if false then",
            "test_what_a_group_has_pending_stays_with_all_that_follows",
        ),
        (
            "trimmed-although-it-was-not-given",
            "local stands_at, is_pending = group['last-delivered-id'], false",
            "local stands_at, is_pending = last, false",
            "test_what_a_group_was_not_given_stays",
        ),
        (
            "trimmed-although-it-is-given-again",
            "if lowest and not lower(stands_at, lowest) then",
            "if lowest then",
            "test_a_group_that_was_moved_back_is_given_everything_again",
        ),
        (
            "last-group-alone-counts",
            "if not bound or lower(stands_at, bound) then",
            "if true then",
            "test_whatever_groups_do_nothing_is_taken_from_them",
        ),
        (
            "trimmed-by-age-past-a-group",
            "local below = (bound and lower(bound, old)) and bound or old",
            "local below = old",
            "test_what_a_group_was_not_given_stays",
        ),
        (
            "trimmed-by-length-past-a-group",
            "trim(bound or '18446744073709551615-18446744073709551615', excess)",
            "trim('18446744073709551615-18446744073709551615', excess)",
            "test_length_never_trims_past_a_group",
        ),
        (
            "trimmed-before-its-reader-has-come",
            "'', false, needed == ''",
            "'', false, true",
            "test_a_stream_that_nobody_has_read_yet_is_left_alone_where_a_reader_is_needed",
        ),
        (
            "ids-of-a-stream-that-was-put-back",
            "if known ~= '' and lower(last, known) then",
            "if false then",
            "test_ids_from_before_a_stream_was_put_back_say_nothing",
        ),
        (
            "ids-are-compared-as-texts",
            "return comparable(one) < comparable(other)",
            "return one < other",
            "test_ids_are_compared_as_numbers_however_large",
        ),
    )
)
