#!/usr/bin/python3
"""The chart: rendered by Helm 3 and 4, checked against schemas, against the Pod Security Standard, and against the program.

usage: chart.py TOOLS [unittest's arguments]     (TOOLS: what tools.sh has made; CPOA_BIN: the program)
       chart.py --write-table                    writes the table of values into helm/cpoa/README.md
"""
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHART = HERE.parent.parent / "helm" / "cpoa"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
SECRETS = ["--set", "rabbitmq.existingSecret=a", "--set", "postgresql.existingSecret=b"]
# Variables that have no key of their own, but are set by extraEnv.
BY_EXTRA_ENV = re.compile(r"^OTEL_")
# Commands of the contract that are being written.
COMING = set()
TOOLS = Path(".")


def run(*args, **kwargs):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60, **kwargs)


def helm(*args, version=4, **kwargs):
    return run(TOOLS / f"helm{version}", *args, **kwargs)


@functools.lru_cache(maxsize=None)
def render(values, *args, version=4):
    """The objects of the release `r` in the namespace `jobs`; `values` is a file or None."""
    out = helm("template", "r", CHART, "-n", "jobs", *(["-f", values] if values else []), *args, version=version)
    if out.returncode:
        raise AssertionError(f"{values}: {out.stderr}")
    return out.stdout


def objects(text, kind=None):
    return [o for o in yaml.safe_load_all(text) if o and (kind is None or o["kind"] == kind)]


def pod_specs(text):
    """(object, pod's metadata, pod's spec) of each object that has pods."""
    for o in objects(text):
        spec = o.get("spec", {})
        if o["kind"] == "Pod":
            yield o, o["metadata"], spec
        elif o["kind"] in ("Deployment", "Job"):
            yield o, spec["template"]["metadata"], spec["template"]["spec"]
        elif o["kind"] == "CronJob":
            t = spec["jobTemplate"]["spec"]["template"]
            yield o, t["metadata"], t["spec"]


def options():
    """NAME: default, as `cpoa worker --help` prints them."""
    text = run(os.environ["CPOA_BIN"], "worker", "--help").stdout
    return dict(re.findall(r"^([A-Z][A-Z0-9_]+)  +(\S+)", text, re.M))


def commands():
    return set(re.findall(r"^  ([a-z-]+) ", run(os.environ["CPOA_BIN"], "help").stdout, re.M))


def documented():
    """(path, default, text) of each key of values.yaml that has a comment `# -- text`."""
    rows, path, text = [], [], None
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for line in (CHART / "values.yaml").read_text().splitlines():
        m = re.match(r"^( *)(?:# (-- )?(.*)|([A-Za-z][A-Za-z0-9]*):.*)$", line)
        if not m:
            text = None if not line.strip() else text
            continue
        indent, starts, comment, key = len(m[1]) // 2, m[2], m[3], m[4]
        if key is None:
            text = comment if starts else f"{text} {comment}" if text else None
            continue
        path = path[:indent] + [key]
        if text:
            value = values
            for k in path:
                value = value[k]
            rows.append((".".join(path), value, text))
        text = None
    return rows


def leaves(value, path=""):
    """Paths of what is no map, or a map that is empty or documented as a whole."""
    whole = {row[0] for row in documented()}
    if isinstance(value, dict) and value and path not in whole:
        for k, v in value.items():
            yield from leaves(v, f"{path}.{k}" if path else k)
    else:
        yield path, value


def table():
    lines = ["| key | default | |", "|---|---|---|"]
    for path, default, text in documented():
        shown = json.dumps(default, ensure_ascii=False)
        lines.append(f"| `{path}` | `{shown}` | {text.replace('|', '&#124;')} |")
    return "\n".join(lines)


def readme_parts():
    text = (CHART / "README.md").read_text()
    begin, end = "<!-- values: written by tests/deploy/chart.py --write-table -->\n", "\n<!-- end of values -->"
    head, rest = text.split(begin)
    middle, tail = rest.split(end)
    return head + begin, middle, end + tail


class Rendering(unittest.TestCase):
    def test_lint(self):
        for version in (3, 4):
            for values in CI:
                out = helm("lint", "--strict", CHART, "-f", values, version=version)
                self.assertEqual(out.returncode, 0, f"Helm {version}, {values.name}: {out.stdout}{out.stderr}")

    def test_helm_3_and_4_render_the_same(self):
        for values in CI:
            self.assertEqual(render(values, version=3), render(values, version=4), values.name)

    def test_schemas(self):
        with tempfile.TemporaryDirectory() as d:
            files = []
            for values in CI:
                files.append(Path(d) / values.name)
                files[-1].write_text(render(values))
            out = run("node", HERE / "validate.mjs", TOOLS / "node_modules", *files)
            self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
            # It does find what is wrong: a field that is not there, a wrong type, in an object of each origin.
            broken = files[[v.name for v in CI].index("everything-values.yaml")]
            text = broken.read_text().replace("pollingInterval:", "polingInterval:").replace("enableServiceLinks:", "serviceLinks:")
            broken.write_text(text.replace("terminationGracePeriodSeconds: 300", 'terminationGracePeriodSeconds: "x"').replace(
                "podTargetLabels:", "podLabels:"))
            out = run("node", HERE / "validate.mjs", TOOLS / "node_modules", broken)
            self.assertEqual(out.returncode, 1)
            for word in ("polingInterval: there is no such", "serviceLinks: there is no such", "must be integer", "podLabels: there is no"):
                self.assertIn(word, out.stdout)

    def test_names_are_unique(self):
        for values in CI:
            seen = [(o["kind"], o["metadata"]["name"]) for o in objects(render(values))]
            self.assertEqual(len(seen), len(set(seen)), f"{values.name}: {sorted(seen)}")


class Pods(unittest.TestCase):
    def test_restricted_pod_security(self):
        for values in CI:
            for o, _, spec in pod_specs(render(values)):
                at = f"{values.name} {o['kind']}/{o['metadata']['name']}"
                pod = spec["securityContext"]
                self.assertTrue(pod["runAsNonRoot"], at)
                self.assertEqual((pod["runAsUser"], pod["runAsGroup"]), (10001, 10001), at)
                self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"}, at)
                self.assertIs(spec["automountServiceAccountToken"], False, at)
                for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
                    self.assertNotIn(forbidden, spec, at)
                for v in spec.get("volumes", []):
                    self.assertTrue(set(v) - {"name"} <= {"secret", "configMap", "emptyDir", "projected"}, at)
                for c in spec.get("initContainers", []) + spec["containers"]:
                    self.assertEqual(c["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                            "capabilities": {"drop": ["ALL"]}}, at)
                    self.assertIn("memory", c["resources"]["limits"], at)
                    self.assertNotIn("cpu", c["resources"]["limits"], at)
                    self.assertNotIn("latest", c["image"], at)
                    self.assertNotIn("hostPort", str(c), at)

    def test_the_program_knows_their_arguments(self):
        for values in CI:
            for o, _, spec in pod_specs(render(values)):
                for c in spec.get("initContainers", []) + spec["containers"]:
                    usage = run(os.environ["CPOA_BIN"], c["args"][0], "--help")
                    self.assertEqual(usage.returncode, 0, c["args"])
                    for option in (a for a in c["args"] if a.startswith("--")):
                        self.assertRegex(usage.stdout, rf"{option}\b", f"{values.name}: {c['args']}")
        # It does not fail on a night that has nothing to prune.
        everything = objects(render(CHART / "ci" / "everything-values.yaml"), "CronJob")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        self.assertEqual(everything["containers"][0]["args"], ["prune", "--nightly", "--older-than", "90d", "--dead-older-than", "180d",
                                                               "--audit-older-than", "730d", "--keep-failed"])

    def test_selectors_can_stay(self):
        keys = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
        for values in CI:
            text = render(values)
            for o in objects(text, "Deployment") + objects(text, "PodDisruptionBudget"):
                self.assertEqual(set(o["spec"]["selector"]["matchLabels"]), keys)
            found = [tuple(sorted(o["spec"]["selector"]["matchLabels"].items())) for o in objects(text, "Deployment")]
            self.assertEqual(len(found), len(set(found)), "no pool's selector takes another's pods")

    def test_pods_have_time_to_drain(self):
        for values in CI:
            text = render(values)
            config = {o["metadata"]["name"]: o["data"] for o in objects(text, "ConfigMap")}
            for o in objects(text, "Deployment"):
                spec = o["spec"]["template"]["spec"]
                if spec["containers"][0]["args"] != ["worker"]:
                    continue
                name = spec["containers"][0]["envFrom"][0]["configMapRef"]["name"]
                self.assertGreaterEqual(spec["terminationGracePeriodSeconds"], float(config[name]["CPOA_DRAIN_SECONDS"]) + 10)

    def test_probes(self):
        for values in CI:
            for o in objects(render(values), "Deployment"):
                c = o["spec"]["template"]["spec"]["containers"][0]
                self.assertEqual(c["livenessProbe"]["httpGet"], {"path": "/livez", "port": "http"})
                self.assertEqual(c["startupProbe"]["httpGet"], {"path": "/livez", "port": "http"})
                self.assertEqual(c["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "http"})

    def test_commands_exist(self):
        known = commands()
        for values in CI:
            for _, _, spec in pod_specs(render(values)):
                for c in spec["containers"] + spec.get("initContainers", []):
                    self.assertIn(c["args"][0], known | COMING)

    def test_helm_test_looks_at_each_pool(self):
        text = render(CHART / "values.yaml", *SECRETS, "--set-json", 'pools.voices={"agents":{"vfa":{"url":"http://own"}}}')
        config = {o["metadata"]["name"]: o["data"] for o in objects(text, "ConfigMap")}
        (pod,) = (spec for o, _, spec in pod_specs(text) if o["metadata"].get("annotations", {}).get("helm.sh/hook") == "test")
        urls = {c["name"]: config[c["envFrom"][0]["configMapRef"]["name"]].get("VFA_SERVICE_URL") for c in pod["containers"]}
        self.assertEqual(set(urls), {"doctor-default", "doctor-voices"})
        self.assertEqual(urls["doctor-voices"], "http://own")
        self.assertNotEqual(urls["doctor-default"], "http://own")

    def test_a_change_of_configuration_starts_pods_again(self):
        def checksums(*args):
            return [o["spec"]["template"]["metadata"]["annotations"]["checksum/" + a]
                    for o in objects(render(CHART / "ci" / "hpa-values.yaml", *args), "Deployment") for a in ("config", "secret")]
        before, config, secret = checksums(), checksums("--set", "config.logLevel=debug"), checksums("--set", "postgresql.password=new")
        self.assertEqual([a == b for a, b in zip(before, config)], [False, True, False, True])
        self.assertEqual([a == b for a, b in zip(before, secret)], [True, False, True, False])
        one = checksums("--set", "pools.podcasts.config.logLevel=debug")
        self.assertEqual([a == b for a, b in zip(before, one)], [True, True, False, True], "the other pool goes on")


class Secrets(unittest.TestCase):
    def test_secrets_only_by_reference(self):
        for values in CI:
            everything = objects(render(values))
            made = {o["metadata"]["name"]: o["stringData"] for o in everything if o["kind"] == "Secret"}
            for o in [o for o in everything if o["kind"] != "Secret"]:
                self.assertNotIn("secret@", str(o), f"{values.name} {o['kind']}")
                for c in [c for _, _, spec in pod_specs(yaml.safe_dump(o)) for c in spec["containers"]]:
                    for e in c["env"]:
                        if e["name"] in ("AMQP_URL", "DATABASE_URL", "POSTGRES_PASSWORD"):
                            key = e["valueFrom"]["secretKeyRef"]
                            # It is there: the chart makes it, or the values name it.
                            self.assertIn(key["key"], made.get(key["name"], {e["name"]: ""}))
                            self.assertTrue(key["name"] in made or key["name"] in values.read_text(), f"{values.name}: {key}")

    def test_nothing_is_random(self):
        for values in CI:
            self.assertEqual(render(values), render.__wrapped__(values))

    def test_own_secret_only_when_none_is_given(self):
        self.assertEqual(objects(render(CHART / "ci" / "minimal-values.yaml"), "Secret"), [])
        made = objects(render(CHART / "ci" / "hpa-values.yaml"), "Secret")
        self.assertEqual([sorted(s["stringData"]) for s in made], [["AMQP_URL", "POSTGRES_PASSWORD"]])

    def test_the_hook_needs_nothing_of_the_release(self):
        for values in CI:
            everything = objects(render(values))
            hooks = [o for o in everything if "pre-install" in o["metadata"].get("annotations", {}).get("helm.sh/hook", "")]
            mine = {(o["kind"], o["metadata"]["name"]) for o in everything if o not in hooks}
            early = {(o["kind"], o["metadata"]["name"]) for o in hooks}
            for o, _, spec in pod_specs(yaml.safe_dump_all(hooks)):
                self.assertNotIn("serviceAccountName", spec)
                for c in spec["containers"]:
                    self.assertFalse([f for f in c.get("envFrom", []) if ("ConfigMap", f["configMapRef"]["name"]) in mine
                                      and f["configMapRef"]["name"] != "more"])
                    for e in c["env"]:
                        if "valueFrom" in e:
                            name = ("Secret", e["valueFrom"]["secretKeyRef"]["name"])
                            self.assertTrue(name in early or name not in mine, f"{values.name}: {name}")
                    names = [e["name"] for e in c["env"]]
                    self.assertIn("DATABASE_TYPE", names)


class Scaling(unittest.TestCase):
    def test_a_scaler_owns_the_number_of_workers(self):
        for values in CI:
            text = render(values)
            scaled = {o["spec"]["scaleTargetRef"]["name"] for o in objects(text, "ScaledObject") + objects(text, "HorizontalPodAutoscaler")}
            for o in objects(text, "Deployment"):
                if o["spec"]["template"]["spec"]["containers"][0]["args"] == ["worker"]:
                    self.assertEqual("replicas" in o["spec"], o["metadata"]["name"] not in scaled)

    def test_keda_asks_for_what_waits_and_what_is_in_flight(self):
        text = render(CHART / "ci" / "keda-pools-values.yaml")
        by_name = {o["metadata"]["name"]: o["spec"] for o in objects(text, "ScaledObject")}
        config = {o["metadata"]["name"]: o["data"] for o in objects(text, "ConfigMap")}
        self.assertEqual(set(by_name), {"r-cpoa-interactive", "r-cpoa-podcasts"})
        for name, spec in by_name.items():
            types = config[name]["CPOA_WORKFLOWS"].split(",")
            waiting = [t["metadata"] for t in spec["triggers"] if t["type"] == "rabbitmq"]
            self.assertEqual([w["queueName"] for w in waiting], ["cpoa.jobs." + t for t in types])
            self.assertEqual({w["protocol"] for w in waiting}, {"http"})
            flight = [t["metadata"] for t in spec["triggers"] if t["type"] == "postgresql"]
            self.assertEqual(len(flight), 1)
            self.assertEqual(re.findall(r"'(\w+)'", flight[0]["query"]), types)
            self.assertEqual(spec["fallback"]["behavior"], "currentReplicasIfHigher")
            self.assertGreaterEqual(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"], 300)
        self.assertEqual(by_name["r-cpoa-podcasts"]["triggers"][-1]["metadata"]["targetQueryValue"], "100")
        self.assertEqual(by_name["r-cpoa-interactive"]["triggers"][-1]["metadata"]["targetQueryValue"], "358")


class Values(unittest.TestCase):
    def test_every_option_can_be_set(self):
        help_, seen = options(), set()
        self.assertGreater(len(help_), 60)
        for values in CI:
            text = render(values)
            for o in objects(text, "ConfigMap"):
                seen |= set(o["data"])
            for _, _, spec in pod_specs(text):
                seen |= {e["name"] for c in spec["containers"] for e in c["env"]}
        missing = {n for n in set(help_) - seen if not BY_EXTRA_ENV.match(n)}
        self.assertFalse(missing, "new options: give each a line in helm/cpoa/templates/_env.tpl, values.yaml, values.schema.json and "
                         "ci/everything-values.yaml, or name it in BY_EXTRA_ENV here, if extraEnv is good enough for it")
        known = {n for n in seen if re.match(r"CPOA_|WCHA_|POSTGRES_|AMQP_|[A-Z]+_SERVICE_URL", n)}
        self.assertFalse(known - set(help_), "the chart sets what the worker does not know")

    def test_defaults_are_the_workers(self):
        help_, told = options(), 0
        for path, default, text in documented():
            m = re.match(r"([A-Z][A-Z0-9_]+)[:.].*?(?:Default: (\S+))?$", text)
            if m and m[2]:
                told += 1
                self.assertEqual(m[2], help_[m[1]], path)
                if default not in (None, ""):
                    self.assertEqual(str(default), m[2], path)
        self.assertGreater(told, 45)

    def test_schema_knows_the_same_keys(self):
        schema = json.loads((CHART / "values.schema.json").read_text())

        def deref(s):
            return schema["definitions"][s["$ref"].split("/")[-1]] if "$ref" in s else s

        def compare(values, s, path):
            s = deref(s)
            if isinstance(values, dict) and "properties" in s and values:
                self.assertEqual(set(values) - set(s["properties"]), set(), path)
                if path not in ("", "resources", "autoscaling.behavior.scaleDown") and not path.endswith("resources"):
                    self.assertEqual(set(s["properties"]) - set(values), set(), path)
                for k, v in values.items():
                    compare(v, s["properties"][k], f"{path}.{k}".lstrip("."))
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        self.assertEqual(set(schema["properties"]) - set(values), {"global"})
        compare(values, schema, "")

        def closed(s, path):
            if isinstance(s, dict):
                if s.get("type") == "object":
                    self.assertIn("additionalProperties", s, path)
                for k, v in s.items():
                    closed(v, f"{path}/{k}")
        closed(schema, "")

    def test_every_key_has_its_comment(self):
        told = {row[0] for row in documented()}
        for path, _ in leaves(yaml.safe_load((CHART / "values.yaml").read_text())):
            self.assertTrue(any(path == t or path.startswith(t + ".") for t in told), f"{path} has no `# --` comment")

    def test_every_key_is_used(self):
        """Another value of it makes another release, in at least one of the usual shapes."""
        bases = [CHART / "ci" / f"{n}-values.yaml" for n in ("everything", "minimal", "hpa", "tls", "keda-pools")]
        before = {b: render(b) for b in bases}
        other = {"autoscaling.type": "none", "migrations.mode": "none", "pools": {"another": {}}, "image.pullPolicy": "Never", "pools.default.workflows": ["podcast_generation"],
                 "autoscaling.behavior": {"scaleUp": {"stabilizationWindowSeconds": 1}}}

        def changed(value, path):
            if path in other:
                return other[path]
            if isinstance(value, bool):
                return not value
            if isinstance(value, (int, float)):
                return value + 1
            if isinstance(value, list):
                return [{"name": "mark", "mark": "mark"}] if path != "networkPolicy.egressPorts" else [1]
            if isinstance(value, dict):
                return {"mark": "mark"}
            return "mark-7" if isinstance(value, str) else 7

        def used(leaf):
            path, value = leaf
            for base in bases:
                now = yaml.safe_load(base.read_text())
                for k in path.split("."):
                    now = (now or {}).get(k) if isinstance(now, dict) else None
                for new in (changed(value if now is None else now, path), True, False):
                    out = helm("template", "r", CHART, "-n", "jobs", "--skip-schema-validation", "-f", base, "--set-json",
                               f"{path}={json.dumps(new)}")
                    if out.returncode == 0 and out.stdout != before[base]:
                        return None
                    if not isinstance(value, bool):
                        break
            return path
        values = list(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
        self.assertGreater(len(values), 130)
        rest = self.without_those_that_are_seen_at_once(values, bases[0])
        self.assertLess(len(rest), len(values) - 70, "else it takes long")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            unused = [p for p in pool.map(used, rest) if p]
        self.assertEqual(unused, [])

    def without_those_that_are_seen_at_once(self, values, base):
        """Most are passed on as they are: each of these gets a value of its own, all in one rendering."""
        alone = re.compile(r".*[.](existing.*|host|user|password|database|drainSeconds|minReplicas|type|mode|pullPolicy)$")
        marks = {path: 7000001 + i if value is None or isinstance(value, int) else f"amqps://mark-{i}-of-it" for i, (path, value) in
                 enumerate(values) if not isinstance(value, (bool, list, dict)) and not alone.match(path)}
        sets = ["--set-json", ",".join(f"{p}={json.dumps(v)}" for p, v in marks.items())]
        out = helm("template", "r", CHART, "-n", "jobs", "--skip-schema-validation", "-f", base, *sets)
        self.assertEqual(out.returncode, 0, out.stderr)
        return [(p, v) for p, v in values if p not in marks or str(marks[p]) not in out.stdout]

    def test_wrong_values_are_refused_with_a_sentence(self):
        for version in (3, 4):
            for args, words in REFUSED:
                base = [] if any("existingSecret=" in a or a.startswith("-") for a in args) else SECRETS
                out = helm("template", "r", CHART, *base, *[x for a in args if a != "-" for x in ("--set", a)], version=version)
                self.assertNotEqual(out.returncode, 0, f"Helm {version} took {args}")
                for word in words:
                    self.assertIn(word, out.stderr, f"Helm {version}, {args}")


# What is set (after two good secrets, unless it begins with "-" or names a secret itself), and words of the answer.
REFUSED = [
    (["-"], ["RabbitMQ's address is missing", "AMQP_URL", "rabbitmq.existingSecret"]),
    (["rabbitmq.existingSecret=a"], ["PostgreSQL's address is missing", "DATABASE_URL"]),
    (["rabbitmq.url=amqp://x/"], ["rabbitmq.existingSecret and rabbitmq.url"]),
    (["postgresql.password=x"], ["postgresql.existingSecret and postgresql.url (or password) are both set"]),
    (["postgresql.host=x"], ["postgresql.user and postgresql.database"]),
    (["rabbitmq.existingSecret=", "rabbitmq.url=amqp://u:p@h/", "rabbitmq.tls.caSecret=ca", "postgresql.existingSecret=b"], ["amqps://"]),
    (["rabbitmq.existingSecret=", "rabbitmq.url=amqp://u:p@h/", "autoscaling.type=keda", "postgresql.existingSecret=b"],
     ["rabbitmq.managementUrl"]),
    (["pools.default=null"], ["pools is empty"]),
    (["pools.Loud.replicas=1"], ["pools.Loud", "small letters"]),
    (["pools.default.workflows={all,podcast_generation}"], ["`all` stands alone"]),
    (["pools.default.workflows={podcasts}"], ["podcast_generation"]),
    (["pools.default.image.tag=1"], ["image"]),
    (["autoscaling.minReplicas=20"], ["minReplicas (20) is more than maxReplicas (10)"]),
    (["autoscaling.type=hpa", "autoscaling.minReplicas=0"], ["only KEDA can have"]),
    (["terminationGracePeriodSeconds=30"], ["drains for 60 s", "at least 70"]),
    (["config.logLevel=loud"], ["config", "logLevel", "debug"]),
    (["config.maxInflight=0"], ["maxInflight", "1"]),
    (["config.loglevel=info"], ["loglevel"]),
    (["replica=3"], ["replica"]),
    (["image.pullPolicy=Sometimes"], ["pullPolicy", "IfNotPresent"]),
    (["agents.pswa.url=pswa:5004"], ["pswa", "http"]),
    (["harvest.searchUrl=http://x/"], ["searchUrl", "query"]),
    (["prune.olderThan=month"], ["olderThan"]),
    (["prune.olderThan=2w"], ["olderThan"]),
]


class Readme(unittest.TestCase):
    def test_table_of_values(self):
        self.assertEqual(readme_parts()[1], table(), "run tests/deploy/chart.py --write-table")

    def test_installing_as_it_says(self):
        """From an empty directory, with no edit but the two secrets."""
        lines = re.findall(r"^    (helm install (?:.*\\\n)*.*)$", (CHART / "README.md").read_text(), re.M)
        self.assertTrue(lines)
        for line in lines:
            words = line.replace("\\\n", " ").split()
            self.assertIn("oci://REGISTRY/cpoa", words)
            words = [str(CHART) if w == "oci://REGISTRY/cpoa" else w for w in words]
            self.assertEqual(words[:2], ["helm", "install"])
            with tempfile.TemporaryDirectory() as d:
                for name, text in re.findall(r"^cat >(\S+) <<'END'\n(.*?)^END$", self.unindented(), re.M | re.S):
                    (Path(d) / name).write_text(text)
                # Helm 4 does so without a cluster.
                out = helm("install", *words[2:], "--dry-run=client", cwd=d)
                self.assertEqual(out.returncode, 0, out.stderr)
                manifest, notes = out.stdout.split("\nMANIFEST:\n")[1].split("\nNOTES:\n")
                self.assertTrue(objects(manifest, "Deployment"))
                self.assertIn("helm test cpoa", notes)

    def test_notes_warn(self):
        out = helm("install", "r", CHART, *SECRETS, "--set", "pools.default.workflows={podcast_generation}",
                   "--set", "agents.vfa.url=http://vfa", "--dry-run=client").stdout.split("\nNOTES:\n")[1]
        self.assertIn("no pool consumes popular_categories", out)
        self.assertNotIn("no pool consumes podcast_generation", out)
        self.assertIn("localhost: agents.pswa.url, agents.sca.url", out)
        # A pool may know its agents by itself.
        agents = json.dumps({a: {"url": "http://a"} for a in ("pswa", "vfa", "sca", "iga")})
        own = helm("install", "r", CHART, *SECRETS, "--set-json", f"pools.default.agents={agents}",
                   "--dry-run=client").stdout.split("\nNOTES:\n")[1]
        self.assertIn("localhost: agents.tda.url.", own)
        known = commands()
        for command in re.findall(r"-- cpoa ([a-z-]+)", out):
            self.assertIn(command, known | COMING)

    @staticmethod
    def unindented():
        return re.sub(r"^    ", "", (CHART / "README.md").read_text(), flags=re.M)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write-table"]:
        head, _, tail = readme_parts()
        (CHART / "README.md").write_text(head + table() + tail)
        sys.exit()
    TOOLS = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
