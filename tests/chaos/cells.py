"""The cells of the matrix: what is done to whom while jobs run. One small function each.

A cell gets a stage (stage.py) whose workers are up, orders jobs, does harm, mends it, and returns;
matrix.py then awaits every job's end, lets the checker judge, and writes the row. To add one: a
function with @cell. Its options are the stage's (agents, workers, env, via, faults, clock, disk_mb), and

    jobs        of the full matrix; the short form takes a part of it
    may_fail    workflows may end as failed: what is done to them allows no better end
    margin_ms   how long a request may be on its way
    short       it is part of the short form
"""

import random
import signal
import time
from dataclasses import dataclass, field

import load

CELLS = {}
MANY = {"CPOA_MAX_CLAIMS": "1000"}  # where whoever takes over is killed as well: that is no job's fault
POINTS = ("received", "planned", "committing", "sent", "committed", "admitted", "acked", "calling",
          "asked", "accepted", "answered", "ended", "published", "confirmed")
BATCHES = ("committing", "sent", "committed", "acked", "asked", "published")  # passed once a transaction, not once a job
KILLS = 8        # of each of the two workers that are made to die at a point
RATE = 100       # jobs a second where the time to full rate is measured: so many that there is load left for that
AGENT_FAULTS = ("hang", "slow", "cut", "503", "garbage", "oversize", "utf8", "nul")


@dataclass
class Cell:
    name: str
    play: object
    jobs: int = 1500
    may_fail: bool = False
    margin_ms: int = 100
    short: bool = False
    stage: dict = field(default_factory=dict)


def cell(name, jobs=1500, may_fail=False, margin_ms=100, short=False, **stage):
    def add(play):
        CELLS[name] = Cell(name, play, jobs, may_fail, margin_ms, short, stage)
        return play
    return add


def share(s, n, part):
    """Waits until this part of n jobs has ended, or nothing has for a while."""
    s.await_ended(int(n * part), 10)


# ---- kill -9 ----

def kill_at(point):
    rng = random.Random(point)
    nth = lambda: rng.randint(1, 6) if point in BATCHES else rng.randint(20, 120)
    faults = {i: [f"{point}:{nth()}:kill" for _ in range(KILLS)] for i in (0, 1)}

    @cell(f"kill -9 at {point}", short=point in ("admitted", "answered", "published"), env=MANY, faults=faults)
    def play(s, n):
        s.publish(n)


for _point in POINTS:
    kill_at(_point)


@cell("kill -9 at leased", env=MANY, faults={i: ["leased"] * 3 for i in (0, 1)})
def kill_leased(s, n):
    s.publish(n)


def kill_in_rescue(point):
    """One worker is killed again and again; who takes over its work dies as well."""
    @cell(f"kill -9 at {point}", env=MANY, faults={0: [point] * 5, 1: [point] * 5})
    def play(s, n):
        s.publish(n)
        for _ in range(6):
            share(s, n, 0.1)
            s.workers[2].signal(signal.SIGKILL)
            time.sleep(0.4)


kill_in_rescue("rescuing")
kill_in_rescue("taken_over")


def kill_in_drain(point):
    """Each is asked to leave, and dies on its way out."""
    @cell(f"kill -9 at {point}", env={**MANY, "CPOA_DRAIN_SECONDS": "0.2"}, faults={i: [point] * 3 for i in (0, 1)},
          agents=("--style", "mixed", "--latency", "200"))
    def play(s, n):
        s.publish(n)
        for i in range(6):
            share(s, n, 0.1)
            s.workers[i % 2].signal(signal.SIGTERM)
            time.sleep(0.5)


for _point in ("draining", "clearing", "releasing"):
    kill_in_drain(_point)


@cell("kill -9, take-over", jobs=3000, env=MANY, agents=("--style", "async", "--latency", "300"))
def take_over(s, n):
    """Room for all that a dead one leaves: how long until the last of it is at work again."""
    s.publish(n, rate=n / 20)
    for i in range(16):
        time.sleep(1.2)
        s.mark("kill")
        s.workers[i % 3].signal(signal.SIGKILL)


@cell("SIGSTOP beyond the lease", agents=("--style", "async", "--latency", "300"), env={"CPOA_LEASE_SECONDS": "2"})
def freeze(s, n):
    s.publish(n, rate=n / 18)
    for i in range(3):
        time.sleep(1)
        s.mark("stop")
        s.workers[i].signal(signal.SIGSTOP)
        time.sleep(4.5)
        s.workers[i].signal(signal.SIGCONT)


@cell("SIGTERM at full load", short=True, env={"CPOA_DRAIN_SECONDS": "0.3"},
      agents=("--style", "mixed", "--latency", "100"))
def leave(s, n):
    s.publish(n)
    for i in range(9):
        share(s, n, 0.05)
        s.workers[i % 3].signal(signal.SIGTERM)
        time.sleep(0.6)


# ---- PostgreSQL ----

def restart(server, mode, jobs):
    @cell(f"{'PostgreSQL' if server == 'pg' else 'RabbitMQ'} restarted, {mode}", jobs=jobs,
          short=server == "pg" and mode == "immediate")
    def play(s, n):
        s.publish(n, rate=RATE)
        share(s, n, 0.3)
        s.mark("fault")
        s.mark("back", s.servers.restart(server, mode))


for _mode in ("fast", "immediate", "kill"):
    restart("pg", _mode, 4000)
for _mode in ("fast", "kill"):
    restart("mq", _mode, 4000)


@cell("PostgreSQL's backends terminated, 10/s", jobs=2500)
def terminate(s, n):
    s.publish(n)
    until = time.monotonic() + 8
    c = s.servers.connect("postgres", "postgres")
    while time.monotonic() < until:
        c.cursor().execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                           " AND application_name = 'cpoa' ORDER BY random() LIMIT 1", (s.name,))
        time.sleep(0.1)
    c.close()


@cell("PostgreSQL's connections used up", jobs=3000)
def exhaust(s, n):
    s.publish(n, rate=RATE)
    share(s, n, 0.3)
    s.mark("fault")
    held = []
    s.servers.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                  " AND application_name = 'cpoa'", s.name, user="postgres")
    try:
        while True:
            held.append(s.servers.connect(s.name))
    except Exception:  # no more: as it should be
        pass
    s.servers.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                  " AND application_name = 'cpoa'", s.name, user="postgres")
    time.sleep(2)
    for c in held:
        c.close()
    s.mark("back")


@cell("PostgreSQL read-only", jobs=3000)
def read_only(s, n):
    s.publish(n, rate=RATE)
    share(s, n, 0.3)
    s.mark("fault")
    alter = f"ALTER DATABASE {s.name} SET default_transaction_read_only = "
    s.servers.sql("postgres", alter + "on", user="postgres")
    s.servers.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                  " AND application_name = 'cpoa'", s.name, user="postgres")
    time.sleep(2)
    s.servers.sql("postgres", f"ALTER DATABASE {s.name} RESET default_transaction_read_only", user="postgres")
    s.mark("back")


@cell("PostgreSQL's disk full", jobs=3000, disk_mb=400)
def disk_full(s, n):
    """That of this database; a full disk under the log (pg_wal) is a server that has crashed."""
    s.publish(n, rate=RATE)
    share(s, n, 0.3)
    s.mark("fault")
    s.disk.fill()
    time.sleep(3)
    s.disk.clear()
    s.mark("back")


@cell("PostgreSQL's idle_session_timeout", jobs=1500, env={"CPOA_LEASE_SECONDS": "1", "CPOA_RESCUE_INTERVAL_SECONDS": "5"})
def idle(s, n):
    """Silence longer than every timeout, between bursts."""
    s.servers.sql("postgres", f"ALTER DATABASE {s.name} SET idle_session_timeout = '300ms'", user="postgres")
    for _ in range(3):
        s.publish(n // 3, wait=True)
        time.sleep(2)


# ---- RabbitMQ ----

@cell("RabbitMQ's memory alarm", jobs=3000)
def alarm(s, n):
    s.publish(n, rate=RATE)
    share(s, n, 0.3)
    s.mark("fault")
    s.servers.rabbitmqctl("set_vm_memory_high_watermark", "0")
    time.sleep(3)
    s.servers.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    s.mark("back")


@cell("RabbitMQ's queues deleted under consumers", jobs=2000)
def delete_queues(s, n):
    """What was in them is gone with them, so every sender sends again."""
    feed = s.publish(n)
    for part in (0.1, 0.3, 0.5):
        share(s, n, part)
        for type_ in load.TYPES:
            try:
                s.servers.mq("DELETE", f"queues/{s.name}/cpoa.jobs.{type_}")
            except OSError:
                pass  # it is not there again yet
        time.sleep(0.5)
    feed.wait()
    s.publish_again()


@cell("RabbitMQ delivers 10 % twice", jobs=2000, short=True, faults={0: ["admitted:30", "admitted:60"], 1: ["ended:40"]})
def twice(s, n):
    s.publish(n, twice=10)


# ---- jobs that kill ----

def poisonous(point, word):
    """Five jobs that kill whoever touches them, among many that do not."""
    @cell(f"jobs that crash a worker when {word}", jobs=1000, may_fail=True,
          faults={i: [point] * 1000 for i in range(3)})
    def play(s, n):
        rng = random.Random(point)
        bad = [load.job("podcast_generation", f"{s.name}-0-{i}", rng, topic=f"chaos-{point} {i}") for i in range(5)]
        s.publish(0, jobs=bad, wait=True)
        s.publish(n)
        s.bad = {job[2] for job in bad}
        if point == "venom":
            s.await_refused([job[1] for job in bad])


poisonous("poison", "run")
poisonous("venom", "read")


# ---- the network ----

def proxied(target, fault, command, seconds):
    title = {"pg": "PostgreSQL", "mq": "RabbitMQ", "agents": "agents"}[target]
    margin = 3000 if target == "agents" else 100
    env = {"CPOA_LEASE_SECONDS": "2"}
    if target == "agents":
        env |= {f"CPOA_{a}_SUBMIT_TIMEOUT_SECONDS": "2" for a in ("WCHA", "PSWA", "VFA", "SCA", "IGA", "TDA")}

    @cell(f"network to {title}: {fault}", via=(target,), margin_ms=margin, may_fail=target == "agents", env=env,
          jobs=1500, short=(target, fault) == ("pg", "swallow"))
    def play(s, n):
        s.publish(n, rate=RATE)
        share(s, n, 0.2)
        s.mark("fault")
        for _ in range(3):
            s.proxy.say(f"{target} {command}")
            time.sleep(seconds)
            s.proxy.say(f"{target} pass")
            time.sleep(0.3)
        s.mark("back")


for _target in ("pg", "mq", "agents"):
    proxied(_target, "delay", "delay 150", 1)
    proxied(_target, "dribble", "dribble 400", 1)
    proxied(_target, "cut after n bytes", "cut 20000", 0.8)
    proxied(_target, "reset", "reset", 0.3)
    proxied(_target, "swallow", "swallow", 0.8)
    proxied(_target, "refuse", "refuse", 0.8)


@cell("network of one worker cut", jobs=1500, via=("pg", "mq", "agents"), workers=1, env={"CPOA_LEASE_SECONDS": "2"},
      agents=("--style", "async", "--latency", "300"))
def cut_off(s, n):
    """One of three is cut off from all, for longer than its lease and in the midst of what it says to PostgreSQL;
    the others go direct."""
    rng = random.Random("cut")
    s.add_worker(**s.direct)
    s.add_worker(**s.direct)
    s.await_ready()
    s.publish(n, rate=n / 70)
    for _ in range(3):
        time.sleep(2)
        s.mark("cut")
        s.proxy.say(f"pg swallow {rng.randint(1, 400)}")
        for name in ("mq", "agents"):
            s.proxy.say(f"{name} swallow")
        time.sleep(6)
        for name in ("pg", "mq", "agents"):
            s.proxy.say(f"{name} pass")
        s.await_ready(40)


# ---- agents ----

def misbehaving(fault, share_of):
    """Some in a hundred answers are bad, and workers die besides."""
    env = {f"CPOA_{a}_SUBMIT_TIMEOUT_SECONDS": "1" for a in ("WCHA", "PSWA", "VFA", "SCA", "IGA", "TDA")}
    faults = [f"--fault={fault}={share_of}"] + ([f"--fault=poll-{fault}={share_of}"])

    @cell(f"agents: {fault}", may_fail=True, env=env, faults={0: ["answered:150", "answered:200"]},
          agents=("--style", "mixed", "--latency", "20", *faults))
    def play(s, n):
        s.publish(n)


for _fault, _share in (("hang", 0.01), ("slow", 0.01), ("cut", 0.03), ("garbage", 0.03), ("oversize", 0.005),
                       ("utf8", 0.05), ("nul", 0.05)):
    misbehaving(_fault, _share)


@cell("agents: a storm of 503 with Retry-After", jobs=1500, may_fail=True,
      agents=("--style", "mixed", "--latency", "20", "--retry-after", "1"))
def storm(s, n):
    s.publish(n, rate=RATE)
    share(s, n, 0.3)
    s.mark("fault")
    s.control(faults=["503=0.9", "poll-503=0.9"])
    time.sleep(2)
    s.control(faults=[])
    s.mark("back")


@cell("agents: a poll URL that points elsewhere", may_fail=True,
      agents=("--style", "mixed", "--latency", "20", "--evil-status-url", "http://127.0.0.2:9/v1/tasks/x"))
def elsewhere(s, n):
    s.publish(n)


# ---- the clock ----

@cell("the clock set on and back an hour", jobs=2000, clock=True, margin_ms=7300000)
def clock(s, n):
    s.publish(n)
    for offset, part in (("+1h", 0.2), ("-1h", 0.4), ("+0", 0.6)):
        share(s, n, part)
        s.set_clock(offset)
    s.workers[0].signal(signal.SIGKILL)
