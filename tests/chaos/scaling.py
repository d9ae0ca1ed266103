"""An autoscaler's day in two minutes: waves of jobs, workers added, asked to leave, and killed. See scaling.sh."""

import math
import random
import signal
import sys
import threading
import time
from pathlib import Path

import check
import stage

WAVES = 5
MOST = 6          # workers
EACH = 150        # jobs waiting or in flight that one worker is wanted for
DOWN_S = 1.0      # how long fewer must be enough before one is asked to leave
KILL_S = 4.0      # how often one is killed, about
GRACE_S = 10.0    # in Kubernetes: terminationGracePeriodSeconds, which is more than CPOA_DRAIN_SECONDS
DRAIN_S = 2
PANEL, WIDTH, LEFT = 130, 900, 60


class Scaler:
    def __init__(self, s):
        self.s, self.rng = s, random.Random(1)
        self.active, self.leavers, self.samples, self.kills = [], [], [], []
        self.exits = []       # (code, seconds) of those that were asked to leave
        self.began, self.enough_since = time.monotonic(), None
        self.kill_at = time.monotonic() + KILL_S
        self.grow()

    def grow(self):
        self.active.append(self.s.add_worker())

    def shrink(self):
        worker = self.active.pop(self.rng.randrange(len(self.active)))
        thread = threading.Thread(target=lambda: self.exits.append(worker.end(GRACE_S)))
        thread.start()
        self.leavers.append(thread)

    def turn(self):
        now = time.monotonic()
        waiting = sum(max(n, 0) for n in self.s.queues().values())
        inflight = self.s.servers.sql(self.s.name, "SELECT count(*) FROM workflow_instances"
                                      " WHERE claimed_by IS NOT NULL")[0][0]
        wanted = min(MOST, max(1, math.ceil((waiting + inflight) / EACH)))
        self.samples.append((now - self.began, waiting, inflight, len(self.active)))
        while len(self.active) < wanted:
            self.grow()
        if len(self.active) == wanted:
            self.enough_since = None
        elif self.enough_since is None:
            self.enough_since = now
        elif now - self.enough_since > DOWN_S:
            self.shrink()
            self.enough_since = now
        if now > self.kill_at:
            self.rng.choice(self.active).signal(signal.SIGKILL)
            self.kills.append(now - self.began)
            self.kill_at = now + KILL_S * self.rng.uniform(0.5, 1.5)
        return waiting + inflight

    def play(self, jobs):
        for wave in range(WAVES):
            feed = self.s.publish(jobs // WAVES, rate=jobs / WAVES / 6)
            while feed.poll() is None or self.turn() > EACH:
                time.sleep(0.2)
            quiet = time.monotonic() + 8
            while time.monotonic() < quiet and len(self.active) > 1:
                self.turn()
                time.sleep(0.2)
        while len({w for _, w in self.s.ends()}) < jobs and self.turn() >= 0 and time.monotonic() - self.began < 900:
            time.sleep(0.5)
        for thread in self.leavers:
            thread.join()


# ---- the plot ----

def line(samples, column, top, colour, title, kills):
    last, most = samples[-1][0], max(max(s[column] for s in samples), 1)
    x = lambda t: LEFT + t / last * (WIDTH - LEFT - 20)
    y = lambda v: top + PANEL - 10 - v / most * (PANEL - 35)
    points = []
    for before, s in zip([samples[0], *samples], samples):
        points += [(x(s[0]), y(before[column]))] if column == 3 else []
        points += [(x(s[0]), y(s[column]))]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    marks = "".join(f'<line x1="{x(k):.1f}" x2="{x(k):.1f}" y1="{y(most):.0f}" y2="{y(0):.0f}" stroke="#c33" '
                    f'stroke-dasharray="2 3"/>' for k in kills)
    return (f'<text x="{LEFT}" y="{top + 14}" font-weight="bold">{title}</text>'
            f'<text x="{LEFT - 8}" y="{y(most) + 4:.0f}" text-anchor="end">{most}</text>'
            f'<text x="{LEFT - 8}" y="{y(0) + 4:.0f}" text-anchor="end">0</text>'
            f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(0):.0f}" y2="{y(0):.0f}" stroke="#999"/>{marks}'
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>')


def plot(scaler, path):
    s = scaler.samples
    panels = [(1, "#1f6fb4", "jobs waiting"), (2, "#2a8f5a", "workflows in flight"),
              (3, "#7a4fa3", "workers (red: one is killed)")]
    body = "".join(line(s, column, i * PANEL, colour, title, scaler.kills if column == 3 else ())
                   for i, (column, colour, title) in enumerate(panels))
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{3 * PANEL + 24}" '
                    f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{body}'
                    f'<text x="{LEFT}" y="{3 * PANEL + 14}">0 s</text><text x="{WIDTH - 20}" y="{3 * PANEL + 14}" '
                    f'text-anchor="end">{s[-1][0]:.0f} s</text></svg>\n')


def main():
    directory, out, svg, jobs = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    servers = stage.Servers(directory)
    servers.prepare()
    s = stage.Stage(servers, out, workers=0, agents=("--style", "mixed", "--latency", "150"),
                    env={"CPOA_MAX_INFLIGHT": "64", "CPOA_DRAIN_SECONDS": str(DRAIN_S)})
    try:
        scaler = Scaler(s)
        scaler.play(jobs)
        s.finish()
        found = s.found()
    finally:
        s.close()
    plot(scaler, svg)
    verdict = check.check(found)
    complaints = list(verdict.complaints())
    complaints += [f"failed: {verdict.failed} workflows"] if verdict.failed else []
    slow = [e for e in scaler.exits if e[0] != 0]
    complaints += [f"drain: {len(slow)} of {len(scaler.exits)} did not end with 0 within {GRACE_S:.0f} s: {slow[:5]}"] if slow else []
    counts = [n for *_, n in scaler.samples]
    peaks = sum(1 for a, b in zip(counts, counts[1:]) if a < MOST <= b)
    print(f"{len(found.jobs)} jobs in {scaler.samples[-1][0]:.0f} s; workers from {min(counts)} to {max(counts)}, "
          f"{peaks} times up to {MOST}; {len(scaler.exits)} left, the slowest within "
          f"{max((t for _, t in scaler.exits), default=0):.1f} s; {len(scaler.kills)} killed")
    print(f"lost {len(verdict.lost)}, contradicted {len(verdict.contradicted)}, calls repeated that had landed "
          f"{len(verdict.repeated)}, asked again before {verdict.again}, failed {verdict.failed}; plot: {svg}")
    for complaint in complaints:
        print("    " + complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
