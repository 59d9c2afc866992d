"""Events become jobs and messages, and only then they are acknowledged."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

MUTATIONS = (
    Mutation(
        name="asked-anew-is-away",
        file="flows/insight/readiness.py",
        inside="ReadinessCheck.states",
        old="asked = dict(self._asked)",
        new="asked = self._asked",
        tests=("unit/flows/test_readiness.py::test_who_asks_anew_makes_no_outage_for_those_who_asked_before",),
    ),
    Mutation(
        name="backlog-from-before-the-group",
        file="clients/redis/messaging.py",
        old='id="0"',
        new='id="$"',
        tests=("acceptance/test_main_job.py::test_an_event_becomes_a_verified_archive",),
    ),
    Mutation(
        name="acknowledged-before-it-is-buried",
        file="clients/redis/messaging.py",
        inside="MessagingClient.bury",
        old="await self._redis.xadd(self._dead, fields)",
        new="await self._redis.xack(self._events, self._group, entry.entry_id); await self._redis.xadd(self._dead, fields)",
        tests=("acceptance/test_handing_over.py::test_an_event_that_cannot_be_buried_comes_again",),
    ),
    Mutation(
        name="dead-letter-gone-before-it-is-replayed",
        file="clients/redis/messaging.py",
        inside="MessagingClient.replay",
        old="fields: dict[Any, Any] = dict(letter.fields)",
        new="fields: dict[Any, Any] = dict(letter.fields); await self._redis.xdel(self._dead, letter.entry_id)",
        tests=("acceptance/test_handing_over.py::test_a_dead_letter_that_cannot_be_replayed_stays",),
    ),
    Mutation(
        name="acknowledged-before-the-job",
        file="flows/asking/event_drain.py",
        inside="EventDrain._settle_named",
        old="recorded, added = await self._recorded(",
        new="await self._messaging.acknowledge(list(asked)); recorded, added = await self._recorded(",
        tests=("acceptance/test_handing_over.py::test_an_event_whose_job_is_not_recorded_comes_again",),
    ),
    Mutation(
        name="acknowledged-before-the-message",
        file="flows/asking/event_drain.py",
        old="queued = await send_for_queued(",
        new="await self._messaging.acknowledge(recorded); queued = await send_for_queued(",
        tests=("acceptance/test_handing_over.py::test_an_event_whose_message_is_not_sent_comes_again",),
    ),
    Mutation(
        name="wide-event-acknowledged-before-its-jobs",
        file="flows/asking/event_drain.py",
        inside="EventDrain._record_wide",
        old="recorded, added = await self._recorded(",
        new="await self._messaging.acknowledge(list(asked)); recorded, added = await self._recorded(",
        tests=("acceptance/test_wide_events.py::test_what_was_cut_off_comes_again_and_goes_on",),
    ),
    Mutation(
        name="postponed-and-acknowledged",
        file="flows/asking/event_drain.py",
        inside="EventDrain._chunks_of",
        old="report.postponed += 1",
        new="await self._messaging.acknowledge([entry.entry_id])",
        tests=("acceptance/test_outages.py::test_an_event_that_is_not_understood_now_comes_again",),
    ),
    Mutation(
        name="buried-for-deliveries-alone",
        file="flows/asking/event_drain.py",
        inside="EventDrain._try_alone",
        old="await self._trials.withdraw(entry.entry_id)",
        new="pass",
        tests=("acceptance/test_outages.py::test_deliveries_bury_no_event",),
    ),
    Mutation(
        name="refused-by-the-ledger-and-acknowledged",
        file="flows/asking/event_drain.py",
        inside="EventDrain._recorded",
        old="report.postponed += 1",
        new="recorded.append(entry_id)",
        tests=("acceptance/test_handing_over.py::test_an_event_whose_job_is_not_recorded_comes_again",),
    ),
)
