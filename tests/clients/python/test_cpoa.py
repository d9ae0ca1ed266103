#!/usr/bin/python3
"""What a gateway does, against a real worker; run by tests/integration/test_gateway.c, which looks at
what came of it. usage: test_cpoa.py SCENARIO [ARGUMENT]   (AMQP_URL in the environment)"""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import uuid

import cpoa

URL = os.environ["AMQP_URL"]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def podcast_job(key, **arguments):
    arguments = {"topic": "Möwen über dem Watt", "task_id": str(uuid.uuid4()), **arguments}
    return cpoa.Job("podcast_generation", arguments, key=key, traceparent=TRACE)


def podcast(style):
    """Sent, and followed by its client_id while somebody else's goes on as well."""
    job, other = podcast_job("key-" + style, client_id="mine"), podcast_job("other", client_id="another")
    with cpoa.Client(URL) as client, cpoa.Follower(URL, "podcast_generation", client_id="mine") as events:
        client.send(other)
        assert client.send(job) == job.workflow_id
        seen = list(events.until(job.workflow_id, deadline=30))
        client.ask(other)
    assert all(e["subject"] == e["data"]["workflow_id"] == job.workflow_id for e in seen), seen
    assert all(e["data"]["ui"]["client_id"] == "mine" for e in seen), seen
    assert all(e["traceparent"].split("-")[1] == TRACE.split("-")[1] for e in seen), seen
    kinds = [e["type"].rsplit(".", 1)[1] for e in seen]
    assert kinds == ["started"] + ["progress"] * 4 + ["completed"], kinds
    data = seen[-1]["data"]
    assert data["result"]["topic"] == "Möwen über dem Watt", data
    assert data["stream"]["filepath"] == data["result"]["final_audio_filepath"], data
    print(json.dumps(seen[-1]))


def answers():
    """Search and landing page by direct reply-to; a deadline that is too short, and the same job again."""
    with cpoa.Client(URL) as client:
        found = client.ask(cpoa.Job("search_results_generation", {"query": "tidal energy"}))
        assert found["status"] == "completed" and len(found["result"]["search_results"]) == 7, found
        page = client.ask(cpoa.Job("landing_page_snippets", {"limit": 4}))
        assert len(page["result"]["snippets"]) == 4, page
        job = podcast_job("slow")
        try:
            client.ask(job, deadline=0.2)
            raise AssertionError("an answer before its time")
        except cpoa.NoAnswer as e:
            assert e.job is job
        data = client.ask(job)
        assert data["workflow_id"] == job.workflow_id and data["status"] == "completed", data


class Cutter(threading.Thread):
    """Between the client and the broker: once armed, it swallows the next word of the broker's, does
    `meanwhile` and cuts the connection, as a broker that dies between taking a job and saying so."""

    def __init__(self, meanwhile=lambda: None):
        super().__init__(daemon=True)
        self.meanwhile = meanwhile
        host, port = re.search(r"@([^:/]+):(\d+)/", URL).groups()
        self.broker, self.armed, self.cuts = (host, int(port)), False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = URL.replace("%s:%s" % (host, port), "127.0.0.1:%d" % self.listener.getsockname()[1])
        self.start()

    def run(self):
        while True:
            client = self.listener.accept()[0]
            try:
                broker = socket.create_connection(self.broker)
            except OSError:
                client.close()
                continue
            for pair in ((client, broker, False), (broker, client, True)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target, from_broker):
        try:
            while True:
                data = source.recv(65536)
                if not data or from_broker and self.armed:
                    break
                target.sendall(data)
        except OSError:
            pass
        if from_broker and self.armed:
            self.armed, self.cuts = False, self.cuts + 1
            self.meanwhile()
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def lost_confirm():
    cutter = Cutter()
    with cpoa.Client(cutter.url) as client:
        client.ask(cpoa.Job("popular_categories", {}))
        cutter.armed = True
        client.send(podcast_job(None))  # message_id alone says that it is the same
        assert cutter.cuts == 1, "the confirm was not lost"
        cutter.armed = True
        data = client.ask(podcast_job("asked"))
        assert cutter.cuts == 2 and data["status"] == "completed", (cutter.cuts, data)


def restarted(servers_sh, servers):
    cutter = Cutter(lambda: subprocess.run([servers_sh, "restart", servers, "mq", "kill"], check=True, stdout=sys.stderr))
    with cpoa.Client(cutter.url) as client:
        client.ask(cpoa.Job("popular_categories", {}))
        cutter.armed = True
        print(client.send(podcast_job(None), deadline=60))
        assert cutter.cuts == 1, "the broker was not restarted"


def unroutable(type):
    with cpoa.Client(URL) as client:
        for ask in (client.send, client.ask):
            try:
                ask(cpoa.Job(type, {}))
                raise AssertionError("a job that no queue takes was taken")
            except cpoa.Unroutable as e:
                print(e)


def readme():
    """The endpoints of README.md, as they stand there, with the least of a web framework around them."""
    views, request = {}, type("Request", (), {})()

    class App:
        def route(self, path, methods=("GET",)):
            return lambda view: views.setdefault((methods[0], path), view)

    names = {"app": App(), "request": request, "token_required": lambda view: view, "preferences_of": lambda _: {},
             "insert_podcast": lambda *_: None}
    text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md"), encoding="utf-8").read()
    for block in re.findall(r"```python\n# after\n(.*?)```", text, re.S):
        exec(compile(block, "README.md", "exec"), names)

    def call(method, path, json=None, headers=(), **arguments):
        request.get_json, request.headers, request.args = lambda: json, dict(headers), arguments.pop("args", {})
        return views[method, "/api/v1" + path](**arguments)

    asked = {"topic": "Salt marshes", "client_id": "browser"}
    key = {"X-Idempotency-Key": "once", "traceparent": TRACE}
    first, second = (call("POST", "/podcasts", asked, key, user_id=None) for _ in range(2))
    assert first[1] == 201 and first[0]["generation_status"] == "pending", first
    whole, status = call("POST", "/podcasts/whole", asked, key, user_id=None)
    assert status == 201 and whole["generation_status"] == "completed" and whole["details"]["final_audio_filepath"], whole
    snippets, status = call("GET", "/snippets", args={"limit": "3"})
    assert status == 200 and len(snippets["snippets"]) == 3 and snippets["source"] == "generation", snippets
    assert call("GET", "/categories")[0]["categories"]
    explored, status = call("POST", "/topics/explore", {"keywords": ["salt", "marsh"]}, user_id=None)
    assert status == 200 and len(explored["explored_topics"]) == 3, explored
    found, status = call("POST", "/search/podcasts", {"query": "salt marsh"}, user_id=None)
    assert status == 200 and found["workflow_id"] and len(found["search_results"]) == 7, found
    failed, status = call("POST", "/topics/explore", {}, user_id=None)
    assert status == 503 and failed["error_code"] == "API_GW_CPOA_SNIPPET_ERROR_TDA_QUERY_CONSTRUCTION_FAILED", (failed, status)


if __name__ == "__main__":
    {f.__name__: f for f in (podcast, answers, lost_confirm, restarted, unroutable, readme)}[sys.argv[1]](*sys.argv[2:])
