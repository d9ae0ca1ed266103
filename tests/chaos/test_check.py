"""The checker against histories with one lie each: a true one is good, each lie is found where it belongs."""

import dataclasses
import unittest

from check import Call, Change, DeadLetter, Event, Found, Row, Task, check

W, V = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
START, END = "e-start", "e-end"


def call(ms, kind="submit", agent="pswa", key="k_pswa", workflow=W, status=200, fault="-", body="b"):
    return Call(ms, agent, kind, key, workflow, status, fault, "-", body, "/")


def event(kind="completed", id_=END, digest="d", workflow=W, status="completed", message_id=None, ms=500):
    return Event(ms, f"podcast_generation.{kind}", message_id or id_, id_, workflow, "1", status, digest)


def row(status="completed", key="k", type_="podcast_generation", digest="d", event_type="podcast_generation.completed"):
    return Row(type_, key, status, None, END, event_type, digest, 1)


def truth():
    """One podcast with one call: accepted at 100, landed at 300, ended at 400; and taken over in between."""
    return Found(
        jobs={W: ("podcast_generation", "k")},
        rows={W: row()},
        tasks=[Task(W, "pswa", "PSWA", "completed")],
        history=[Change(W, "take", "pswa", 1, 100.0), Change(W, "land", "pswa", 2, 300.0),
                 Change(W, "end", None, 2, 400.0)],
        events=[event("started", START, "s", status="in_progress"), event(), event()],
        calls=[call(40, status=202), call(90, status=202), call(150, "poll"), call(290, "poll")],
        queues={"cpoa.jobs.podcast_generation": 0})


class Lies(unittest.TestCase):
    def judge(self, **changes):
        return check(dataclasses.replace(truth(), **changes))

    def expect(self, kind, text, **changes):
        verdict = self.judge(**changes)
        found = getattr(verdict, kind)
        self.assertFalse(verdict.good)
        self.assertTrue(any(text in line for line in found), list(verdict.complaints()))
        self.assertTrue(list(verdict.complaints()))

    def test_truth(self):
        verdict = check(truth())
        self.assertEqual([], list(verdict.complaints()))
        self.assertTrue(verdict.good)
        self.assertEqual((1, 1, 0), (verdict.ended, verdict.again, verdict.failed))

    # ---- lost ----

    def test_no_row(self):
        self.expect("lost", "there is no row", jobs={**truth().jobs, V: ("podcast_generation", "other")})

    def test_refused_is_not_lost(self):
        verdict = self.judge(jobs={**truth().jobs, V: ("podcast_generation", "other")},
                             dead=[DeadLetter("invalid_job", None, "other")])
        self.assertTrue(verdict.good, list(verdict.complaints()))

    def test_not_ended(self):
        self.expect("lost", "is still in_progress", rows={W: row("in_progress")})

    def test_end_never_told(self):
        self.expect("lost", "nobody was told", events=[truth().events[0]])

    def test_failed_without_dead_letter(self):
        self.expect("lost", "no dead letter", rows={W: row("failed", event_type="podcast_generation.failed")},
                    events=[event("failed", status="failed")])

    # ---- contradicted ----

    def test_another_job_in_the_row(self):
        self.expect("contradicted", "was podcast_generation k", rows={W: row(type_="search_results_generation")})

    def test_nobody_ordered_it(self):
        self.expect("contradicted", "nobody has ordered", rows={**truth().rows, V: row(key="v")})

    def test_same_id_other_content(self):
        self.expect("contradicted", "two contents", events=truth().events + [event(digest="x")])

    def test_start_told_differently(self):
        self.expect("contradicted", "two contents", events=truth().events + [event("started", START, "t")])

    def test_two_ends(self):
        self.expect("contradicted", "two ends", events=truth().events + [event("failed", "e-2", status="failed")])

    def test_message_id(self):
        self.expect("contradicted", "came as message", events=truth().events + [event(message_id="m")])

    def test_row_has_another_end(self):
        self.expect("contradicted", "another end than was told", rows={W: row(digest="x")})

    def test_status_differs(self):
        self.expect("contradicted", "told podcast_generation.completed (failed)",
                    events=[event(status="failed")])

    def test_event_of_nobody(self):
        self.expect("contradicted", "which is not there", events=truth().events + [event("started", "e-9", workflow=V)])

    def test_ended_twice(self):
        self.expect("contradicted", "was ended 2 times", history=truth().history + [Change(W, "end", None, 3, 450.0)])

    def test_landed_twice(self):
        self.expect("contradicted", "land by lease 3", history=truth().history + [Change(W, "land", "pswa", 3, 350.0)])

    def test_taken_after_it_landed(self):
        self.expect("contradicted", "take by lease 1", history=truth().history + [Change(W, "take", "pswa", 1, 350.0)])

    # ---- calls ----

    def test_asked_after_commit(self):
        self.expect("repeated", "after its reply was committed", calls=truth().calls + [call(450)])

    def test_polled_after_commit(self):
        self.expect("repeated", "poll 150 ms", calls=truth().calls + [call(450, "poll")])

    def test_on_its_way_when_committed(self):
        self.assertTrue(self.judge(calls=truth().calls + [call(350, "poll")]).good)

    def test_submitted_after_acceptance(self):
        self.expect("repeated", "after its acceptance", calls=truth().calls + [call(250)])

    def test_submitted_after_the_agent_forgot(self):
        self.assertTrue(self.judge(calls=truth().calls + [call(200, "poll", status=404), call(250)]).good)

    def test_key_of_two_workflows(self):
        self.expect("keys", "two workflows share", calls=truth().calls + [call(60, workflow=V)])

    def test_key_of_two_agents(self):
        self.expect("keys", "was sent to pswa, vfa", calls=truth().calls + [call(60, agent="vfa")])

    def test_key_of_no_call(self):
        self.expect("keys", "is no call of", calls=truth().calls + [call(60, key="k_other")])

    def test_no_key(self):
        self.expect("keys", "is no call of", calls=truth().calls + [call(60, key="-")])

    def test_two_bodies(self):
        self.expect("keys", "two bodies", calls=truth().calls + [call(60, body="c")])

    # ---- left ----

    def test_left(self):
        self.expect("left", "are claimed", claimed=1)
        self.expect("left", "not struck out", outbox=1)
        self.expect("left", "is still dispatched", tasks=[Task(W, "pswa", "PSWA", "dispatched")])
        self.expect("left", "2 messages in cpoa.dead", queues={"cpoa.dead": 2})


if __name__ == "__main__":
    unittest.main()
