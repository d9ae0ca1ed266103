#!/usr/bin/python3
"""What is watched: alert rules, runbook and dashboard against each other, against promtool, and against a worker that runs.

usage: alerts.py TOOLS [unittest's arguments]     (TOOLS: what tools.sh has made; CPOA_BIN: the program)
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHART = HERE.parent.parent / "helm" / "cpoa"
COMING_COMMANDS = set()
TOOLS = Path(".")


def run(*args, **kwargs):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60, **kwargs)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def worker_metrics():
    """/metrics of a worker; it needs no servers to tell that it has none."""
    port = free_port()
    env = {"PATH": os.environ["PATH"], "CPOA_HTTP_PORT": str(port), "CPOA_HTTP_BIND": "127.0.0.1", "CPOA_DRAIN_SECONDS": "0",
           "AMQP_URL": "amqp://127.0.0.1:1/", "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}
    with tempfile.TemporaryDirectory() as d, subprocess.Popen(
            [os.environ["CPOA_BIN"], "worker"], env=env, cwd=d, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            until = time.monotonic() + 20
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                        return answer.read().decode()
                except OSError:
                    if time.monotonic() > until or worker.poll() is not None:
                        raise
                    time.sleep(0.05)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)


def exported(text):
    """Every name that a query may use."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names |= {name + s for s in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def metrics_of(expression):
    return set(re.findall(r"\b((?:cpoa|process)_[a-z_]+)\b", expression))


def labels_of(text):
    """metric: {label: values}"""
    found = {}
    for name, labels in re.findall(r"^([a-z_]+)\{(.*)\} ", text, re.M):
        for label, value in re.findall(r'([a-z_]+)="([^"]*)"', labels):
            found.setdefault(name, {}).setdefault(label, set()).add(value)
    return found


def rules_file():
    text = (CHART / "files" / "alerts.yaml").read_text()
    return text.replace("SELECTOR", 'job="cpoa"').replace("RUNBOOK", "RUNBOOK.md")


class Alerts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.metrics = worker_metrics()
        cls.rules = [r for g in yaml.safe_load(rules_file())["groups"] for r in g["rules"]]
        cls.runbook = (CHART / "RUNBOOK.md").read_text()
        cls.dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
        cls.commands = set(re.findall(r"^  ([a-z-]+) ", run(os.environ["CPOA_BIN"], "help").stdout, re.M))

    def expressions(self):
        for rule in self.rules:
            yield rule["alert"], rule["expr"]
        for panel in self.dashboard["panels"]:
            for target in panel.get("targets", []):
                yield panel["title"], target["expr"]

    def test_promtool_likes_the_metrics(self):
        out = run("promtool", "check", "metrics", input=self.metrics)
        self.assertEqual((out.returncode, out.stdout + out.stderr), (0, ""))

    def test_every_series_is_there_from_the_start(self):
        for name, label, values in (("cpoa_jobs_total", "outcome", 3), ("cpoa_workflows_total", "status", 5), ("cpoa_calls_total", "agent", 6),
                                    ("cpoa_agent_breaker_state", "agent", 6), ("cpoa_call_waits_total", "reason", 3),
                                    ("cpoa_dead_letters_total", "reason", 10), ("cpoa_inflight", "type", 6)):
            self.assertGreaterEqual(len(labels_of(self.metrics)[name][label]), values)

    def test_promtool_likes_the_rules(self):
        with tempfile.TemporaryDirectory() as d:
            rules = Path(d) / "rules.yaml"
            rules.write_text(rules_file())
            out = run("promtool", "check", "rules", rules)
            self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
            tests = Path(d) / "tests.yaml"
            tests.write_text((HERE / "alerts_test.yaml").read_text())
            out = run("promtool", "test", "rules", tests)
            self.assertEqual(out.returncode, 0, out.stdout + out.stderr)

    def test_the_chart_brings_the_same_rules(self):
        out = run(TOOLS / "helm4", "template", "r", CHART, "-n", "jobs", "-f", CHART / "ci" / "everything-values.yaml")
        made = [o for o in yaml.safe_load_all(out.stdout) if o and o["kind"] == "PrometheusRule"][0]["spec"]
        with tempfile.TemporaryDirectory() as d:
            rules = Path(d) / "rules.yaml"
            rules.write_text(yaml.safe_dump(made))
            checked = run("promtool", "check", "rules", rules)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        for rule, mine in zip(made["groups"][0]["rules"], self.rules):
            self.assertEqual(rule["alert"], mine["alert"])
            self.assertNotIn("SELECTOR", rule["expr"])
            self.assertIn('namespace="jobs"', rule["expr"])
            self.assertEqual(rule["annotations"]["runbook_url"], "https://runbooks.example.org/cpoa#" + mine["alert"].lower())

    def test_each_alert_is_tested(self):
        tested = set(re.findall(r"labels: '\{alertname=\"(\w+)\"\}', value: 1", (HERE / "alerts_test.yaml").read_text()))
        self.assertEqual({r["alert"] for r in self.rules} - tested, set())

    def test_each_alert_has_its_runbook(self):
        sections = {h.lower(): body for h, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", self.runbook, re.M | re.S)}
        self.assertEqual({r["alert"].lower() for r in self.rules}, set(sections))
        for rule in self.rules:
            self.assertEqual(rule["annotations"]["runbook_url"], "RUNBOOK.md#" + rule["alert"].lower())
            self.assertIn(rule["labels"]["severity"], ("warning", "critical"))
            self.assertTrue(rule["annotations"]["summary"] and rule["annotations"]["description"])
            body = sections[rule["alert"].lower()]
            for part in ("**Means**:", "**Look**:", "**Do**:"):
                self.assertIn(part, body, rule["alert"])
            self.assertRegex(body, r"`cpoa [a-z-]+", f"{rule['alert']} names a command to look with")
        for link in re.findall(r"\]\(#(\w+)\)", self.runbook):
            self.assertIn(link, sections)

    def test_the_runbooks_commands_exist(self):
        """With their subcommands and options. `cpoa topology show` asks no server, so it tells of nothing that an alert is about."""
        named = re.findall(r"`cpoa ([a-z-]+)([^`]*)`", self.runbook)
        self.assertGreater(len({command for command, _ in named}), 5)
        for command, rest in named:
            self.assertIn(command, self.commands | COMING_COMMANDS)
            usage = run(os.environ["CPOA_BIN"], command, "--help").stdout
            for word in re.findall(r"(?<=\s)(?:--)?[a-z][a-z-]*", re.sub(r"--(status|reason) \S+", r"--\1", rest)):
                self.assertRegex(usage, rf"(?<![\w-]){word}(?![\w-])", f"cpoa {command}{rest}")
            self.assertNotEqual(command + rest, "topology show")

    def test_the_runbooks_settings_exist(self):
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        for path in re.findall(r"`((?:autoscaling|config|agents|resources)\.[A-Za-z.<>]+)`", self.runbook):
            value = values
            for key in path.replace("<agent>", "vfa").split("."):
                self.assertIn(key, value, path)
                value = value[key]

    def test_every_metric_is_exported(self):
        names, labels = exported(self.metrics), labels_of(self.metrics)
        self.assertIn("cpoa_job_wait_seconds_bucket", names)
        seen = set()
        for where, expression in self.expressions():
            used = metrics_of(expression)
            self.assertTrue(used, where)
            self.assertFalse(used - names, where)
            seen |= used
            for name, matchers in re.findall(r"(cpoa_[a-z_]+)\{([^}]*)\}", expression):
                for label, op, value in re.findall(r'([a-z]+)(=|!=)"([^"]*)"', matchers):
                    if label not in ("job", "namespace", "pod"):
                        self.assertIn(value, labels[name][label], f"{where}: {label}")
        unwatched = {re.sub("_(bucket|sum|count)$", "", n) for n in names if n.startswith("cpoa_")} - {
            re.sub("_(bucket|sum|count)$", "", n) for n in seen}
        self.assertFalse(unwatched, "neither a panel nor an alert uses these")

    def test_labels_that_are_summed_over_exist(self):
        labels = labels_of(self.metrics)
        scraped = {"le", "namespace", "pod", "instance", "job"}
        for where, expression in self.expressions():
            of_all = set().union(*(labels.get(m, {}).keys() for m in metrics_of(expression)))
            for group in re.findall(r"\bby \(([^)]*)\)", expression):
                self.assertFalse(set(re.split(r",\s*", group)) - of_all - scraped, where)

    def test_the_dashboard_is_whole(self):
        self.assertEqual(self.dashboard["uid"], "cpoa")
        ids = [p["id"] for p in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in self.dashboard["panels"]:
            self.assertTrue(panel["title"])
            if panel["type"] != "row":
                self.assertTrue(panel["description"] and panel["targets"], panel["title"])
                self.assertEqual(panel["datasource"]["uid"], "${datasource}")
        with tempfile.TemporaryDirectory() as d:
            # A rule file of the panels' queries: promtool parses them all.
            as_rules = {"groups": [{"name": "panels", "rules": [
                {"record": f"panel:q{i}", "expr": e.replace("$__rate_interval", "5m").replace("$namespace", "x").replace("$pod", "y")}
                for i, (_, e) in enumerate(self.expressions())]}]}
            (Path(d) / "panels.yaml").write_text(yaml.safe_dump(as_rules))
            out = run("promtool", "check", "rules", Path(d) / "panels.yaml")
            self.assertEqual(out.returncode, 0, out.stdout + out.stderr)


class Compose(unittest.TestCase):
    def test_docker_compose_reads_it(self):
        out = run("docker-compose", "-p", "cpoa", "-f", HERE.parent / "compose.yaml", "config")
        self.assertEqual(out.returncode, 0, out.stderr)
        services = yaml.safe_load(out.stdout)["services"]
        self.assertEqual(set(services), {"rabbitmq", "postgresql", "agents", "migrate", "worker"})
        self.assertEqual(services["worker"]["depends_on"]["migrate"]["condition"], "service_completed_successfully")
        for name in ("rabbitmq", "postgresql", "agents", "worker"):
            self.assertIn("healthcheck", services[name])
        for service in services.values():
            for port in service.get("ports", []):
                self.assertTrue(str(port).startswith("127.0.0.1:"), port)
        known = set(re.findall(r"^([A-Z][A-Z0-9_]+) ", run(os.environ["CPOA_BIN"], "worker", "--help").stdout, re.M))
        self.assertFalse(set(services["worker"]["environment"]) - known)
        stages = re.findall(r"^FROM \S+ AS (\S+)", (HERE.parent.parent / "Dockerfile").read_text(), re.M)
        self.assertIn(services["agents"]["build"]["target"], stages)


if __name__ == "__main__":
    TOOLS = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
