"""The checker: what design.md §5 promises, held against what is left after a run.

It reads five things and trusts none: the jobs that the broker has confirmed, the agents' log of
requests, all events, all rows (with a history that triggers have kept, see stage.py), the queues.
Nothing in here starts or asks anything: stage.py brings what was found, test_check.py plants lies.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

TERMINAL = {"completed": "completed", "completed_with_errors": "completed",
            "failed": "failed", "cancelled": "cancelled"}  # a row's status -> its event's kind
ENDS = set(TERMINAL.values())


class Event(NamedTuple):
    ms: int
    key: str          # TYPE.KIND
    message_id: str
    id: str
    workflow: str
    sequence: str
    status: str
    digest: str

    @property
    def kind(self):
        return self.key.rpartition(".")[2]


class Call(NamedTuple):
    ms: int
    agent: str        # lower case; "-": no agent's route
    kind: str         # submit, poll, page, unknown
    key: str
    workflow: str
    status: int       # 0: no answer
    fault: str
    repeat: str
    body: str         # its hash
    path: str


class Row(NamedTuple):
    type: str
    key: str
    status: str
    claimed_by: int | None
    event_id: str | None
    event_type: str | None
    digest: str | None  # of terminal_event
    claims: int


class Task(NamedTuple):
    workflow: str
    call: str
    agent: str
    status: str


class Change(NamedTuple):
    """A line of the history: what one committed transaction did to a row."""
    workflow: str
    what: str         # take, land, end
    call: str | None
    lease: int | None
    ms: float         # when it was committed


class DeadLetter(NamedTuple):
    reason: str
    workflow: str | None
    message_id: str | None


@dataclass
class Found:
    """What a run has left behind."""
    jobs: dict = field(default_factory=dict)       # workflow id -> (type, key); what was confirmed
    rows: dict = field(default_factory=dict)       # workflow id -> Row
    tasks: list = field(default_factory=list)
    history: list = field(default_factory=list)
    events: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    dead: list = field(default_factory=list)
    outbox: int = 0
    claimed: int = 0
    queues: dict = field(default_factory=dict)     # name -> messages, ready or not acked
    margin_ms: int = 100     # how long a request may have been on its way when its reply was committed


@dataclass
class Verdict:
    lost: list = field(default_factory=list)
    contradicted: list = field(default_factory=list)
    repeated: list = field(default_factory=list)   # calls asked after their reply was committed
    keys: list = field(default_factory=list)
    left: list = field(default_factory=list)       # claimed, unpublished, unacked, pending
    again: int = 0           # calls asked more than once, before that: allowed, under the same key
    failed: int = 0
    ended: int = 0

    @property
    def good(self):
        return not (self.lost or self.contradicted or self.repeated or self.keys or self.left)

    def complaints(self, most=5):
        for name in ("lost", "contradicted", "repeated", "keys", "left"):
            found = getattr(self, name)
            for text in found[:most]:
                yield f"{name}: {text}"
            if len(found) > most:
                yield f"{name}: … and {len(found) - most} more"


def check(found):
    verdict = Verdict()
    check_ends(found, verdict)
    check_events(found, verdict)
    check_history(found, verdict)
    check_calls(found, verdict)
    check_left(found, verdict)
    return verdict


def check_ends(found, verdict):
    """Each job that was acked has one end, and has told it."""
    refused = {d.message_id for d in found.dead if d.workflow is None}
    told = {e.workflow for e in found.events if e.kind in ENDS}
    for workflow, (type_, key) in found.jobs.items():
        row = found.rows.get(workflow)
        if row is None:
            if key not in refused:
                verdict.lost.append(f"job {key}: there is no row {workflow}")
            continue
        if (row.type, row.key) != (type_, key):
            verdict.contradicted.append(f"{workflow}: is {row.type} {row.key}, was {type_} {key}")
        if row.status not in TERMINAL:
            verdict.lost.append(f"{key} {workflow}: is still {row.status}")
        elif workflow not in told:
            verdict.lost.append(f"{key} {workflow}: {row.status}, and nobody was told")
        else:
            verdict.ended += 1
            verdict.failed += row.status == "failed"
    buried = {d.workflow for d in found.dead if d.workflow}
    for workflow, row in found.rows.items():
        if workflow not in found.jobs:
            verdict.contradicted.append(f"{workflow}: nobody has ordered it")
        if row.status == "failed" and workflow not in buried:
            verdict.lost.append(f"{row.key} {workflow}: failed, and there is no dead letter")


def check_events(found, verdict):
    """The same id has the same content; a workflow's ends are one event, and it is its row's."""
    first = {}
    ends = {}
    for e in found.events:
        if e.id != e.message_id:
            verdict.contradicted.append(f"event {e.id} came as message {e.message_id}")
        known = first.setdefault(e.id, e)
        if known.digest != e.digest or known.key != e.key:
            verdict.contradicted.append(f"event {e.id} of {e.workflow} has two contents")
        if e.workflow not in found.rows:
            verdict.contradicted.append(f"event {e.id} tells of {e.workflow}, which is not there")
        if e.kind not in ENDS:
            continue
        known = ends.setdefault(e.workflow, e)
        if known.id != e.id:
            verdict.contradicted.append(f"{e.workflow} has two ends: {known.key} and {e.key}")
    for workflow, e in ends.items():
        row = found.rows.get(workflow)
        if row is None:
            continue
        if (row.event_id, row.event_type, row.digest) != (e.id, e.key, e.digest):
            verdict.contradicted.append(f"{workflow}: its row has another end than was told, {e.key}")
        if e.status != row.status or TERMINAL.get(row.status) != e.kind:
            verdict.contradicted.append(f"{workflow}: told {e.key} ({e.status}), is {row.status}")


def check_history(found, verdict):
    """One end a workflow, one reply a call; nobody takes or lands what has landed."""
    ends = Counter()
    landed = {}
    for c in sorted(found.history, key=lambda c: c.ms):
        if c.what == "end":
            ends[c.workflow] += 1
            continue
        at = (c.workflow, c.call)
        if at in landed:
            verdict.contradicted.append(
                f"{c.workflow} {c.call}: {c.what} by lease {c.lease}, landed by {landed[at]}")
        elif c.what == "land":
            landed[at] = c.lease
    for workflow, n in ends.items():
        if n != 1:
            verdict.contradicted.append(f"{workflow}: was ended {n} times")


def excused(calls):
    """An agent that has forgotten a task, or has another at work, is rightly asked again."""
    return any(c.fault in ("conflict", "409", "404") or
               (c.kind == "poll" and c.status in (404, 409)) for c in calls)


def check_calls(found, verdict):
    """One key a call, and no request after what it would bring was committed."""
    tasks = {}
    for t in found.tasks:
        row = found.rows.get(t.workflow)
        if row:
            tasks[(t.workflow, f"{row.key}_{t.call}")] = t
    done = {(c.workflow, c.call, c.what): c.ms for c in found.history if c.what != "end"}
    by_key = defaultdict(list)
    for c in found.calls:
        if c.kind in ("submit", "poll") and c.agent != "-":
            by_key[(c.agent, c.key)].append(c)
    owners = defaultdict(set)
    for (agent, key), calls in by_key.items():
        owners[key].add(agent)
        check_call(found, verdict, agent, key, calls, tasks, done)
    for key, agents in owners.items():
        if len(agents) > 1:
            verdict.keys.append(f"{key} was sent to {', '.join(sorted(agents))}")


def check_call(found, verdict, agent, key, calls, tasks, done):
    submits = [c for c in calls if c.kind == "submit"]
    workflow = calls[0].workflow
    if any(c.workflow != workflow for c in calls):
        verdict.keys.append(f"{agent}: two workflows share {key}")
        return
    if len({c.body for c in submits}) > 1:
        verdict.keys.append(f"{agent}: {key} was sent with two bodies")
    task = tasks.get((workflow, key))
    if task is None or call_agent(task.call) != agent:
        verdict.keys.append(f"{agent}: {key} is no call of {workflow}")
        return
    verdict.again += len(submits) - 1 if submits else 0
    landed = done.get((workflow, task.call, "land"))
    taken = done.get((workflow, task.call, "take"))
    if taken is not None and excused(calls):
        taken = None
    for c in calls:
        if landed is not None and c.ms > landed + found.margin_ms:
            verdict.repeated.append(
                f"{agent} {key}: {c.kind} {c.ms - landed:.0f} ms after its reply was committed")
        elif c.kind == "submit" and taken is not None and c.ms > taken + found.margin_ms:
            verdict.repeated.append(
                f"{agent} {key}: submitted {c.ms - taken:.0f} ms after its acceptance was committed")


def call_agent(name):
    return name.partition("_")[0].lower()


def check_left(found, verdict):
    if found.claimed:
        verdict.left.append(f"{found.claimed} workflows are claimed")
    if found.outbox:
        verdict.left.append(f"{found.outbox} events are not struck out")
    for t in found.tasks:
        # One that failed, or was cancelled, may have left calls open: a replay goes on from them.
        ended_well = found.rows.get(t.workflow) and found.rows[t.workflow].status.startswith("completed")
        if ended_well and t.status not in ("completed", "failed"):
            verdict.left.append(f"call {t.call} of {t.workflow} is still {t.status}")
    for name, n in found.queues.items():
        if n:
            verdict.left.append(f"{n} messages in {name}")
