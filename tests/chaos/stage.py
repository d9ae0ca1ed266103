"""What a cell plays on: a vhost and a database of its own, agents, workers, the two ends, a proxy.

Everything started here dies with us (PR_SET_PDEATHSIG) and is gone after close().
"""

import base64
import ctypes
import errno
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import psycopg2

import check
import load

TOP = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.pop("CPOA_CHAOS_BIN", TOP / "build/chaos"))
SERVERS_SH = TOP / "tests/servers.sh"
AGENT_URLS = {"WCHA_SERVICE_BASE_URL": "", "PSWA_SERVICE_URL": "/v1/weave_script",
              "VFA_SERVICE_URL": "/v1/forge_voice", "SCA_SERVICE_URL": "/craft_snippet",
              "IGA_SERVICE_URL": "", "TDA_SERVICE_URL": "/discover_topics"}
AGENTS = ("WCHA", "PSWA", "VFA", "SCA", "IGA", "TDA")
END_S = 120          # silence for so long: what is still open is lost
LIBC = ctypes.CDLL(None)

HISTORY = """
CREATE TABLE chaos_history (workflow_id uuid, what text, call_name text, lease bigint);
CREATE FUNCTION chaos_task() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_history SELECT NEW.workflow_id, CASE WHEN NEW.status IN ('completed', 'failed')
        THEN 'land' ELSE 'take' END, NEW.call_name, w.claimed_by
        FROM workflow_instances w WHERE w.workflow_id = NEW.workflow_id;
    RETURN NULL; END $$;
CREATE TRIGGER chaos_task AFTER UPDATE ON task_instances FOR EACH ROW EXECUTE FUNCTION chaos_task();
CREATE FUNCTION chaos_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_history VALUES (NEW.workflow_id, 'end', NULL, OLD.claimed_by);
    RETURN NULL; END $$;
CREATE TRIGGER chaos_end AFTER UPDATE OF overall_status ON workflow_instances FOR EACH ROW
    WHEN (NEW.overall_status IN ('completed', 'completed_with_errors', 'failed', 'cancelled'))
    EXECUTE FUNCTION chaos_end();
"""


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)


def await_true(condition, seconds, what):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Servers:
    """The PostgreSQL and RabbitMQ of one directory (tests/servers.sh)."""

    def __init__(self, directory):
        self.dir = directory
        self.env = {}
        for line in Path(directory, "env").read_text().splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.env[name] = value
        self.api = self.env.pop("CPOA_TEST_MQ_API")
        self.env = {name: value for name, value in self.env.items() if not name.startswith("CPOA_TEST_")}
        url = urllib.parse.urlsplit(self.env["AMQP_URL"])
        self.broker = f"{url.username}:{url.password}"

    def do(self, *words):
        subprocess.run([SERVERS_SH, words[0], self.dir, *words[1:]], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def restart(self, server, mode):
        """Returns when it took connections again, in ms since 1970; the script is content a while later."""
        process = subprocess.Popen([SERVERS_SH, "restart", self.dir, server, mode],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        back, up = None, True
        while process.poll() is None:
            was, up = up, self.answers(server)
            if up and not was:
                back = time.time() * 1000
            time.sleep(0.05)
        if process.returncode:
            raise RuntimeError(f"{server} cannot be restarted")
        return back or time.time() * 1000

    def answers(self, server):
        try:
            if server == "pg":
                self.connect("postgres").close()
                return True
            port = urllib.parse.urlsplit(self.env["AMQP_URL"]).port
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall(b"AMQP\0\0\x09\1")  # a broker that is ready begins to speak (connection.start)
                return bool(s.recv(1))
        except (OSError, psycopg2.Error):
            return False

    def connect(self, database, user="cpoa"):
        c = psycopg2.connect(host=self.env["POSTGRES_HOST"], port=self.env["POSTGRES_PORT"], user=user,
                             password=self.env["POSTGRES_PASSWORD"], dbname=database, connect_timeout=5)
        c.autocommit = True
        return c

    def sql(self, database, text, *args, user="cpoa"):
        c = self.connect(database, user)
        try:
            cursor = c.cursor()
            cursor.execute(text, args or None)
            return cursor.fetchall() if cursor.description else []
        finally:
            c.close()

    def mq(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.api}/api/{path}", method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": "Basic " + base64.b64encode(urllib.parse.unquote(self.broker).encode()).decode(), "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def rabbitmqctl(self, *words):
        port = int(Path(self.dir, "mq/port").read_text())
        env = {"PATH": os.environ["PATH"], "HOME": f"{self.dir}/mq/home", "LANG": "C.UTF-8",
               "ERL_EPMD_PORT": str(port + 2), "RABBITMQ_NODENAME": "cpoa@localhost",
               "RABBITMQ_CONF_ENV_FILE": "/dev/null"}
        subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", *words], env=env, check=True,
                       stdout=subprocess.DEVNULL)

    def prepare(self):
        """The template that each cell's database is a copy of."""
        if self.sql("postgres", "SHOW track_commit_timestamp")[0][0] != "on":
            self.sql("postgres", "ALTER SYSTEM SET track_commit_timestamp = on", user="postgres")
            self.do("restart", "pg", "fast")
        self.sql("postgres", "DROP DATABASE IF EXISTS chaos_template")
        self.sql("postgres", "CREATE DATABASE chaos_template")
        subprocess.run([BIN / "cpoa", "migrate"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, **self.env, "POSTGRES_DB": "chaos_template"})
        self.sql("chaos_template", HISTORY)


class Worker:
    """A worker that is started again when it dies, as Kubernetes would."""

    def __init__(self, stage, index, env, faults):
        self.stage, self.index, self.env = stage, index, env
        self.faults = list(faults)  # CPOA_FAULT of each start to come; none left: without
        self.deaths = []            # (exit code, seconds that it lived)
        self.wanted = True
        self.lock = threading.Lock()
        self.process = None
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self):
        env = dict(self.env)
        if self.faults:
            env["CPOA_FAULT"] = self.faults.pop(0)
        self.port = free_port()
        env["CPOA_HTTP_PORT"] = str(self.port)
        self.process = subprocess.Popen(
            [BIN / "cpoa", "worker"], env=env, stdin=subprocess.DEVNULL,
            stdout=self.stage.log(f"worker{self.index}"), stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent)
        self.started = time.monotonic()

    def watch(self):
        while True:
            process = self.process
            code = process.wait()
            self.deaths.append((code, time.monotonic() - self.started))
            with self.lock:
                if not self.wanted:
                    return
                self.start()

    def signal(self, number):
        """To whoever runs now: in between a death and the next start, to the next."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            process = self.process
            if process.poll() is None:
                process.send_signal(number)
                return
            time.sleep(0.005)

    def end(self, seconds=30):
        """SIGTERM: (its exit code, the seconds it took); SIGKILL when the time is up."""
        with self.lock:
            self.wanted = False
            process = self.process
        began = time.monotonic()
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            return process.wait(seconds), time.monotonic() - began
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(), time.monotonic() - began

    def get(self, path):
        """(status, text); (0, "") when it does not answer."""
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read().decode()
        except OSError:
            return 0, ""

    def ready(self):
        return self.get("/readyz")[0] == 200

    def idle(self):
        """Whether it answers and has no job in hand."""
        status, text = self.get("/metrics")
        held = (float(line.split()[-1]) for line in text.splitlines() if line.startswith("cpoa_inflight{"))
        return status == 200 and not any(held)


def faketime():
    return str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")))


def free_port():
    """Outside of the kernel's range for outgoing connections, one of which might be faster."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randint(10000, 32000)))
                return s.getsockname()[1]
            except OSError:
                pass


class Disk:
    """A small file system that a database has for itself, so that it can be full. Needs root, for the mount."""

    def __init__(self, servers, name, megabytes):
        self.servers, self.name = servers, name
        self.at = tempfile.mkdtemp(prefix="cpoa-chaos-disk.", dir="/var/tmp")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", self.at], check=True)
        os.mkdir(f"{self.at}/data")
        shutil.chown(f"{self.at}/data", "postgres", "postgres")
        servers.sql("postgres", f"CREATE TABLESPACE {name} OWNER cpoa LOCATION '{self.at}/data'", user="postgres")

    def fill(self):
        with open(f"{self.at}/filler", "wb", buffering=0) as f:
            try:
                while f.write(bytes(1 << 16)):
                    pass
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise

    def clear(self):
        os.unlink(f"{self.at}/filler")

    def close(self):
        self.servers.sql("postgres", f"DROP TABLESPACE {self.name}", user="postgres")
        subprocess.run(["umount", "-l", self.at], check=True)
        os.rmdir(self.at)


class Proxy:
    """tests/chaos/proxy.c; `pg`, `mq` and `agents` are its links."""

    def __init__(self, targets):
        self.process = subprocess.Popen([BIN / "chaos/chaos_proxy"], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.port = {name: int(self.say(f"listen {name} 127.0.0.1 {port}").split()[1])
                     for name, port in targets.items()}

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith(("ok", "port")):
            raise RuntimeError(f"proxy: {line}: {answer}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Stage:
    count = 0

    def __init__(self, servers, folder, agents=(), workers=3, env=None, via=(), faults=None, clock=False,
                 disk_mb=0):
        Stage.count += 1
        self.servers, self.folder = servers, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()
        self.name = f"chaos_{os.getpid()}_{Stage.count}"
        self.workers, self.jobs = [], {}
        self.feeds, self.proxy, self.marks = [], None, {}
        self.lag_ms, self.closed, self.refused = 0, False, 0
        self.amqp = servers.env["AMQP_URL"].rstrip("/") + "/" + self.name
        servers.mq("PUT", f"vhosts/{self.name}", {})
        self.disk = Disk(servers, self.name, disk_mb) if disk_mb else None
        servers.sql("postgres", f"CREATE DATABASE {self.name} TEMPLATE chaos_template"
                    + (f" TABLESPACE {self.name}" if disk_mb else ""))
        self.start_agents(agents)
        self.direct = {}  # past the proxy: worker_env says it
        self.env = self.worker_env(env or {}, via)
        if clock:
            self.set_clock("+0")
            self.env |= {"LD_PRELOAD": faketime(), "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"),
                         "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        direct = {**self.env, "AMQP_URL": self.amqp}
        subprocess.run([BIN / "cpoa", "topology", "apply"], env=direct, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.recorder = subprocess.Popen(
            [BIN / "chaos/chaos_feed", "record", self.folder / "events"], env=direct, text=True,
            stdout=subprocess.PIPE, stderr=self.log("recorder"), preexec_fn=die_with_parent)
        threading.Thread(target=self.probe, daemon=True).start()
        if self.recorder.stdout.readline().strip() != "recording":
            raise RuntimeError("the recorder does not start")
        for i in range(workers):
            self.add_worker((faults or {}).get(i, ()))

    def log(self, name):
        return open(self.folder / f"{name}.log", "ab")

    def start_agents(self, options):
        self.agents = subprocess.Popen(
            [BIN / "cpoa-agents", "--port", "0", "--record", "0", "--log", self.folder / "calls",
             *(options or ("--style", "mixed", "--latency", "20"))],
            stdout=subprocess.PIPE, stderr=self.log("agents"), text=True, preexec_fn=die_with_parent)
        self.agents_url = self.agents.stdout.readline().split()[-1]

    def probe(self):
        """How long the stand-ins let a request wait, for they are one thread on a busy machine: what they
        note as late may have been sent in time."""
        while not self.closed:
            began = time.monotonic()
            try:
                urllib.request.urlopen(f"{self.agents_url}/health", timeout=30).close()
            except OSError:
                pass
            self.lag_ms = max(self.lag_ms, (time.monotonic() - began) * 1000)
            time.sleep(0.05)

    def control(self, **changes):
        request = urllib.request.Request(f"{self.agents_url}/control", json.dumps(changes).encode())
        urllib.request.urlopen(request, timeout=10).close()

    def worker_env(self, env, via):
        """`via`: what is reached through the proxy: pg, mq, agents."""
        s = self.servers.env
        ports = {"pg": s["POSTGRES_PORT"], "mq": s["AMQP_URL"].rstrip("/").rpartition(":")[2],
                 "agents": self.agents_url.rpartition(":")[2]}
        where = lambda: {"POSTGRES_PORT": str(ports["pg"]),
                         "AMQP_URL": f"amqp://{self.servers.broker}@127.0.0.1:{ports['mq']}/{self.name}",
                         **{name: f"http://127.0.0.1:{ports['agents']}{path}" for name, path in AGENT_URLS.items()}}
        if via:
            self.direct = where()
            self.proxy = Proxy({name: ports[name] for name in via})
            ports = {name: self.proxy.port.get(name, port) for name, port in ports.items()}
        out = {"PATH": os.environ["PATH"], "POSTGRES_HOST": "127.0.0.1", "POSTGRES_USER": "cpoa",
               "POSTGRES_PASSWORD": s["POSTGRES_PASSWORD"], "POSTGRES_DB": self.name, **where(),
               "CPOA_HTTP_BIND": "127.0.0.1", "CPOA_LEASE_SECONDS": "3", "CPOA_DRAIN_SECONDS": "5",
               "CPOA_SERVICE_RETRY_BACKOFF_FACTOR": "0.05", "CPOA_WORKER_THREADS": "2",
               "CPOA_MAX_INFLIGHT": "256"}
        for name in AGENTS:
            out[f"CPOA_{name}_POLLING_INTERVAL_SECONDS"] = "0.05"
        return {**out, **env}

    def set_clock(self, offset):
        """The workers' wall clock, by faketime(1): +1h, -1h, +0."""
        new = self.folder / "clock.new"
        new.write_text(offset + "\n")
        new.rename(self.folder / "clock")

    def add_worker(self, faults=(), **env):
        worker = Worker(self, len(self.workers), {**self.env, **env}, faults)
        self.workers.append(worker)
        return worker

    def await_ready(self, seconds=20):
        for worker in self.workers:
            await_true(worker.ready, seconds, f"worker {worker.index} ready")

    # ---- load ----

    def publish(self, n, rate=0, twice=0, wait=False, jobs=None):
        """n jobs of all types; they are on their way when this returns, or confirmed if `wait`."""
        part = len(self.feeds)
        jobs = jobs if jobs is not None else load.jobs(self.name, part, n)
        path = self.folder / f"jobs{part}"
        path.write_text("".join("\t".join(job) + "\n" for job in jobs))
        for type_, key, workflow, _ in jobs:
            self.jobs[key] = (workflow, type_)
        feed = subprocess.Popen(
            [BIN / "chaos/chaos_feed", "publish", path, self.folder / f"acked{part}",
             "--rate", str(rate), "--twice", str(twice)],
            env={**self.env, "AMQP_URL": self.amqp}, stderr=self.log("feed"), preexec_fn=die_with_parent)
        self.feeds.append(feed)
        if wait:
            feed.wait()
        return feed

    def publish_again(self):
        """Every job once more, as a sender who is in doubt would."""
        self.publish(0, wait=True, jobs=[
            line.split("\t") for part in range(len(self.feeds))
            for line in (self.folder / f"jobs{part}").read_text().splitlines()])

    def ends(self):
        """Lines of terminal events so far; the last one may be half written yet."""
        text = (self.folder / "events").read_text(encoding="utf-8")
        return [(int(ms), workflow) for ms, key, _, _, workflow, *_ in
                (line.split("\t") for line in text[:text.rfind("\n") + 1].splitlines())
                if key.rpartition(".")[2] in check.ENDS]

    def await_ended(self, n, seconds=END_S):
        """Until n workflows have ended; gives up when none has for so long."""
        have, since = 0, time.monotonic()
        while True:
            now = len({workflow for _, workflow in self.ends()})
            if now >= n:
                return True
            if now > have:
                have, since = now, time.monotonic()
            elif time.monotonic() - since > seconds:
                return False
            time.sleep(0.1)

    def await_refused(self, keys):
        """Until these jobs are dead letters without a workflow; they will have no end."""
        self.refused = len(keys)
        await_true(lambda: self.servers.sql(self.name, "SELECT count(*) FROM dead_letters WHERE workflow_id IS NULL"
                                            " AND message_id = ANY(%s)", keys)[0][0] == len(keys), END_S, "refusals")

    def mark(self, name, ms=None):
        """Notes the time of something, in ms since 1970; now, if none is given."""
        self.marks.setdefault(name, []).append(ms or time.time() * 1000)

    # ---- the end ----

    def finish(self, seconds=END_S):
        """Waits for every job's end and for the last event to be struck out; ends the workers."""
        for feed in self.feeds:
            feed.wait()
        self.await_ended(len(self.jobs) - self.refused, seconds)
        try:
            await_true(lambda: not self.leftovers(), 15, "outbox and claims empty")
        except TimeoutError:
            pass
        for worker in self.workers:
            worker.end()
        self.sweep()

    def sweep(self):
        """A connection that broke gives back what was not acked on it, after its worker has left, maybe: one
        more worker has to find that all of that is known. It gives back what it has taken and not looked at
        when it is ended, which only shows afterwards: so it comes as often as it takes."""
        for _ in range(10):
            self.await_unheld()
            if not any(self.queues().values()):
                return
            worker = self.add_worker()
            try:
                await_true(lambda: not any(self.queues().values()) and worker.idle(), 20, "nothing in hand")
            except TimeoutError:
                pass
            worker.end()

    def await_unheld(self):
        """Until no queue has a consumer. The broker hears of a connection that was cut a while later; a queue
        gives back what was not acked as it strikes the consumer out, so that from here all is counted."""
        try:
            await_true(lambda: not any(consumers for _, consumers in self.depth().values()), 30, "no consumer")
        except TimeoutError:
            pass  # then what it holds is missed where it is looked for

    def leftovers(self):
        return self.servers.sql(self.name, "SELECT (SELECT count(*) FROM outbox_events) + (SELECT count(*)"
                                " FROM workflow_instances WHERE claimed_by IS NOT NULL)")[0][0]

    def found(self, margin_ms=100):
        """All that the checker reads. The workers have ended."""
        self.drain_events()
        q = lambda text: self.servers.sql(self.name, text)
        f = check.Found(margin_ms=margin_ms + 2 * self.lag_ms)
        acked = set()
        for part in range(len(self.feeds)):
            acked |= set((self.folder / f"acked{part}").read_text().split())
        f.jobs = {self.jobs[key][0]: (self.jobs[key][1], key) for key in acked}
        f.rows = {r[0]: check.Row(*r[1:]) for r in q(
            "SELECT workflow_id::text, trigger_event_type, idempotency_key, overall_status, claimed_by,"
            " terminal_event_id::text, terminal_event_type,"
            " encode(sha256(convert_to(terminal_event, 'UTF8')), 'hex'), claims FROM workflow_instances")}
        f.tasks = [check.Task(*r) for r in q(
            "SELECT workflow_id::text, call_name, agent_name, status FROM task_instances")]
        f.history = [check.Change(*r) for r in q(
            "SELECT workflow_id::text, what, call_name, lease,"
            " extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 * 1000 FROM chaos_history")]
        f.dead = [check.DeadLetter(*r) for r in q(
            "SELECT reason, workflow_id::text, message_id FROM dead_letters WHERE state = 'dead'")]
        f.outbox = q("SELECT count(*) FROM outbox_events")[0][0]
        f.claimed = q("SELECT count(*) FROM workflow_instances WHERE claimed_by IS NOT NULL")[0][0]
        f.events = [check.Event(int(line[0]), *line[1:]) for line in self.lines("events")]
        f.calls = [check.Call(int(c[0]), *c[1:5], int(c[5]), *c[6:]) for c in self.lines("calls")]
        f.queues = self.queues()
        return f

    def lines(self, name):
        text = (self.folder / name).read_text(encoding="utf-8")
        return [line.split("\t") for line in text.splitlines()]

    def queues(self):
        """What is ready in each; without consumers nothing is unacked, and so all is counted."""
        return {name: ready for name, (ready, _) in self.depth().items()}

    def depth(self):
        """Of each queue, the messages that are ready and the consumers."""
        out = subprocess.run([BIN / "chaos/chaos_feed", "depth", *(f"cpoa.jobs.{t}" for t in load.TYPES), "cpoa.dead"],
                             env={**self.env, "AMQP_URL": self.amqp}, check=True, capture_output=True, text=True)
        lines = (line.split("\t") for line in out.stdout.splitlines())
        return {name: (int(ready), int(consumers)) for name, ready, consumers in lines}

    def drain_events(self):
        """Until the recorder has written every event that there is."""
        def all_written():
            size = (self.folder / "events").stat().st_size
            time.sleep(0.2)
            return size == (self.folder / "events").stat().st_size
        await_true(all_written, 60, "events recorded")
        self.recorder.terminate()
        self.recorder.wait()

    def close(self):
        self.closed = True
        for worker in self.workers:
            worker.wanted = False
            worker.process.kill()
        for process in (*self.feeds, self.recorder, self.agents):
            process.kill()
            process.wait()
        if self.proxy:
            self.proxy.close()
        self.servers.mq("DELETE", f"vhosts/{self.name}")
        self.servers.sql("postgres", f"DROP DATABASE IF EXISTS {self.name} (FORCE)", user="postgres")
        if self.disk:
            self.disk.close()
