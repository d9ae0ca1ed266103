"""Plays cells, judges what they leave, and prints the table: see run.sh."""

import json
import sys
import time
from datetime import datetime
from pathlib import Path

import cells
import check
import stage

SHORT = 0.2     # of a cell's jobs
FULL_RATE = 0.8  # of the rate before


class Row:
    def __init__(self, name):
        self.name = name
        self.jobs = self.lost = self.contradicted = self.repeated = self.again = self.failed = self.deaths = 0
        self.full = self.seconds = None
        self.takeovers = {}
        self.complaints = []

    @property
    def good(self):
        return not self.complaints


def play(cell, servers, folder, part):
    row = Row(cell.name)
    began = time.monotonic()
    n = int(cell.jobs * part)
    s = stage.Stage(servers, folder, **cell.stage)
    try:
        if not any(w.faults or "CPOA_FAULT" in w.env for w in s.workers):
            s.await_ready()
        cell.play(s, n)
        s.finish()
        found = s.found(cell.margin_ms)
        verdict = check.check(found)
        judge(row, cell, s, found, verdict)
    except Exception as e:  # the cell itself has gone wrong: that is no pass
        row.complaints.append(f"{type(e).__name__}: {e}")
    finally:
        s.close()
    row.seconds = time.monotonic() - began
    return row


def judge(row, cell, s, found, verdict):
    row.jobs = len(found.jobs)
    row.lost, row.contradicted = len(verdict.lost), len(verdict.contradicted)
    row.repeated, row.again, row.failed = len(verdict.repeated), verdict.again, verdict.failed
    row.deaths = sum(1 for w in s.workers for code, _ in w.deaths if code == -9)
    row.complaints = list(verdict.complaints())
    bad = getattr(s, "bad", set())
    others = [w for w, r in found.rows.items() if r.status == "failed" and w not in bad]
    if others and (bad or not cell.may_fail):
        row.complaints.append(f"failed: {len(others)} workflows, for example {others[0]}")
    if bad:
        check_bad(row, bad, found)
    refused = {d.message_id for d in found.dead if d.workflow is None} - {found.jobs[w][1] for w in bad}
    if refused:
        row.complaints.append(f"refused: {len(refused)} good jobs, for example {min(refused)}")
    for worker in s.workers:
        for code, lived in worker.deaths:
            # One that was asked to leave before it could listen to that has done nothing yet.
            if code not in (0, -9) and not (code == -15 and lived < 3):
                row.complaints.append(f"worker {worker.index} ended with {code}; see {s.folder}")
    row.full = seconds_to_full_rate(s)
    row.takeovers = takeovers(s, found)


def check_bad(row, bad, found):
    """Each job that kills is a dead letter crash_loop."""
    parked = {d.workflow for d in found.dead if d.reason == "crash_loop" and d.workflow}
    parked |= {w for w, (_, key) in found.jobs.items()
               if any(d.reason == "crash_loop" and d.message_id == key for d in found.dead)}
    for workflow in bad - parked:
        row.complaints.append(f"{workflow} kills, and is no dead letter crash_loop")


def seconds_to_full_rate(s):
    if "back" not in s.marks:
        return None
    fault, back = s.marks["fault"][0], s.marks["back"][-1]
    ends = sorted(ms for ms, _ in s.ends())
    before = [ms for ms in ends if ms < fault]
    if len(before) < 50:
        return None
    rate = len(before) / max(fault - before[0], 1)
    at = back
    while at + 1000 < ends[-1]:
        if sum(1 for ms in ends if at <= ms < at + 1000) >= FULL_RATE * rate * 1000:
            return (at - back) / 1000
        at += 100
    return None  # there was not enough left to do


def takeovers(s, found):
    """For each death, the time until the last of its orphans has asked its agent again; in seconds."""
    moments = sorted((ms, what) for what in ("kill", "stop", "cut") for ms in s.marks.get(what, []))
    if not moments:
        return {}
    calls = {}
    for c in found.calls:
        calls.setdefault(c.workflow, []).append(c.ms)
    last = {}
    for worker in s.workers:
        for at, workflow in taken_over(s.folder / f"worker{worker.index}.log"):
            death = max((m for m in moments if m[0] <= at), default=None)
            after = [ms for ms in calls.get(workflow, []) if ms >= at]
            if death and after:
                last[death] = max(last.get(death, 0), (min(after) - death[0]) / 1000)
    out = {}
    for (_, what), seconds in last.items():
        out.setdefault(what, []).append(seconds)
    return out


def taken_over(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            if '"workflow taken over"' in line:
                o = json.loads(line)
                yield datetime.fromisoformat(o["@timestamp"]).timestamp() * 1000, o["workflow.id"]


# ---- the table ----

HEADS = ("fault", "jobs", "lost", "contradicted", "repeated", "asked again", "failed", "kills", "full rate, s", "")


def cells_of(row):
    return (row.name, row.jobs, row.lost, row.contradicted, row.repeated, row.again, row.failed, row.deaths,
            "–" if row.full is None else f"{row.full:.1f}", "" if row.good else "**bad**")


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def summary(rows):
    total = [sum(getattr(r, name) for r in rows) for name in ("jobs", "lost", "contradicted", "repeated", "again", "failed", "deaths")]
    yield ("all", *total, "", "")


def times(rows):
    for what, title in (("kill", "kill -9"), ("stop", "SIGSTOP"), ("cut", "a cut network")):
        values = [v for r in rows for v in r.takeovers.get(what, [])]
        if values:
            yield (f"Take-over after {title}, until the last orphan's next call: p50 {quantile(values, .5):.2f} s, "
                   f"p99 {quantile(values, .99):.2f} s, of {len(values)}")
    for name in ("PostgreSQL restarted", "RabbitMQ restarted"):
        values = [r.full for r in rows if r.name.startswith(name) and r.full is not None]
        if values:
            yield f"Full rate after {name.replace('restarted', 'is back')}: at most {max(values):.1f} s"


def markdown(rows):
    out = ["| " + " | ".join(HEADS) + " |", "|---|" + "--:|" * (len(HEADS) - 2) + "---|"]
    for line in [cells_of(r) for r in rows] + list(summary(rows)):
        out.append("| " + " | ".join(str(x) for x in line) + " |")
    return "\n".join([*out, "", *times(rows), ""])


def text(line):
    return f"{line[0]:<46.46}" + "".join(f"{x!s:>9}" for x in (*line[1:3], *line[3:5])) + \
        f"{line[5]!s:>10}{line[6]!s:>8}{line[7]!s:>7}{line[8]!s:>8} {line[9]}"


def main():
    directory, out, what, *names = sys.argv[1:]
    chosen = [cells.CELLS[n] for n in cells.CELLS if (not names or any(w.lower() in n.lower() for w in names))
              and (what == "full" or cells.CELLS[n].short or names)]
    if not chosen:
        print("no cell is called so; there are:", *cells.CELLS, sep="\n  ", file=sys.stderr)
        return 2
    servers = stage.Servers(directory)
    servers.prepare()
    rows = []
    print(text(("fault", "jobs", "lost", "contrad.", "repeated", "again", "failed", "kills", "full,s", "")), flush=True)
    for i, c in enumerate(chosen):
        rows.append(play(c, servers, Path(out, f"cell{i}"), SHORT if what == "short" else 1))
        print(text(cells_of(rows[-1])), f"{rows[-1].seconds:.0f} s", flush=True)
        for complaint in rows[-1].complaints:
            print("    " + complaint, flush=True)
    print(text(next(summary(rows))))
    print(*times(rows), sep="\n")
    Path(out, "table.md").write_text(markdown(rows))
    return 0 if all(r.good for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
