"""cpoa for a Python gateway: give orders to the workers, wait for answers, follow progress.

Needs pika alone. A Client or a Follower belongs to one thread, as pika's connections do. Workers declare
exchanges and queues, or `cpoa topology apply`. Deadlines are in seconds; a broker that has fallen silent
is noticed within 20 of them.

    client = cpoa.Client(os.environ["AMQP_URL"])
    job = cpoa.Job("podcast_generation", {"topic": topic, "task_id": podcast_id}, key=request_key)
    client.send(job)                                  # returns when RabbitMQ has it for good
    data = client.ask(cpoa.Job("search_results_generation", {"query": query}), deadline=30)

A Job may be sent as often as one likes: it carries the same message_id, so it never starts a second
workflow. That is why an unknown outcome (a connection lost between the publishing and its confirm) is
answered by sending it again, which send() and ask() do by themselves.
"""
import contextlib
import json
import math
import time
import uuid

import pika
from pika.exceptions import AMQPConnectionError, AMQPChannelError, NackError, UnroutableError

TERMINAL = ("completed", "failed", "cancelled")
RESEND = 2.0  # seconds until a job is sent again whose answer has not come; then twice as many, up to 30
DIRECT = "amq.rabbitmq.reply-to"


class Error(Exception):
    """What went wrong with a job; .job is the job."""

    def __init__(self, job, text):
        super().__init__("%s %s: %s" % (job.type, job.workflow_id, text))
        self.job = job


class Unroutable(Error):
    """No queue takes the job: it is nowhere, and sending it again is no use before that is mended."""


class Unknown(Error):
    """RabbitMQ has not confirmed the job in time. It may be there: send the same Job again, later."""


class NoAnswer(Error):
    """The answer has not come in time. The job goes on all the same: ask again with the same Job to be
    told its end. (A job that was refused is never answered: it is in dead_letters.)"""


class Job:
    """What is to be done, under the name that it keeps: `args` is the body (include/schemas/jobs/TYPE.json);
    key, traceparent and tracestate are the headers that the gateway was given, if it was."""

    def __init__(self, type, args, key=None, traceparent=None, tracestate=None, workflow_id=None, message_id=None):
        self.type = type
        self.body = json.dumps(args, ensure_ascii=False).encode()
        self.workflow_id = workflow_id or str(uuid.uuid4())
        self.message_id = message_id or str(uuid.uuid4())
        headers = {"X-Idempotency-Key": key, "traceparent": traceparent, "tracestate": tracestate}
        self.headers = {name: value for name, value in headers.items() if value}
        self.headers["X-Workflow-ID"] = self.workflow_id

    def properties(self, reply_to=None):
        return pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id=self.message_id,
                                    correlation_id=self.message_id, reply_to=reply_to, headers=self.headers)


def _connect(url):
    parameters = pika.URLParameters(url)
    if "heartbeat" not in url:
        parameters.heartbeat = 10  # seconds: a broker that says nothing for two of them is gone
    parameters.blocked_connection_timeout = 10  # it takes no publishing (its disk or memory is full)
    parameters.socket_timeout = parameters.stack_timeout = 5
    return pika.BlockingConnection(parameters)


class _Connected:
    """A connection that is opened when it is needed, and again when it was lost."""

    def __init__(self, url):
        self._url = url
        self._connection = self._channel = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        connection, self._connection, self._channel = self._connection, None, None
        with contextlib.suppress(AMQPConnectionError, OSError):  # it was gone already
            if connection:
                connection.close()

    def _open(self):
        if not (self._channel and self._channel.is_open):
            self.close()
            self._connection = _connect(self._url)
            self._channel = self._connection.channel()
            self._opened(self._channel)
        return self._channel


class Client(_Connected):
    def _opened(self, channel):
        self._answer = None
        channel.confirm_delivery()
        channel.basic_consume(DIRECT, self._answered, auto_ack=True)

    def _answered(self, _channel, _method, properties, body):
        self._answer = (properties.correlation_id, body)

    def _publish(self, job, reply_to, until):
        """True when the broker has it; False: nobody knows."""
        try:
            self._open().basic_publish("cpoa.jobs", job.type, job.body, job.properties(reply_to), mandatory=True)
            return True
        except NackError:
            return False
        except (UnroutableError, AMQPChannelError) as e:  # no queue, no exchange, no permission
            raise Unroutable(job, "%r; `cpoa topology apply` makes the queues" % (e,)) from None
        except (AMQPConnectionError, OSError):
            self.close()
            time.sleep(max(0, min(0.2, until - time.monotonic())))
            return False

    def send(self, job, deadline=15.0):
        """Publishes it, again and again until that is confirmed. Returns its workflow_id."""
        until = time.monotonic() + deadline
        while not self._publish(job, None, until):
            if time.monotonic() >= until:
                raise Unknown(job, "not confirmed within %g s; send it again" % deadline)
        return job.workflow_id

    def ask(self, job, deadline=30.0):
        """Publishes it and waits for its end, by direct reply-to. Returns the terminal event's data:
        `status`, `result` (what the orchestration function used to return), `error`."""
        until = time.monotonic() + deadline
        asked, again_at, pause = None, 0.0, RESEND
        while time.monotonic() < until:
            # An answer belongs to the channel that asked first: who asks through another one, or for a job
            # that somebody else has sent under this key, is told when he asks after its end.
            if asked is None or asked is not self._channel or time.monotonic() >= again_at:
                if not self._publish(job, DIRECT, until):
                    continue
                asked, again_at, pause = self._channel, time.monotonic() + pause, min(2 * pause, 30.0)
            try:
                self._connection.process_data_events(max(0, min(again_at, until) - time.monotonic()))
            except (AMQPConnectionError, AMQPChannelError, OSError):
                self.close()
            if self._answer and self._answer[0] == job.message_id:
                return json.loads(self._answer[1])["data"]
        raise NoAnswer(job, "no answer within %g s" % deadline)


class Follower(_Connected):
    """The events of a type, of one client_id or of all, from the moment of its making on.

        with cpoa.Follower(url, client_id=browser) as events:
            client.send(job)
            for event in events.until(job.workflow_id, deadline=600):
                socket.emit(event["data"]["ui"]["event_name"], event["data"]["ui"]["data"])

    While its connection is lost it hears nothing; whoever sends the same Job again is told its end again."""

    def __init__(self, url, type="*", client_id=None):
        super().__init__(url)
        self._type, self._client_id = type, client_id
        self._open()

    def _opened(self, channel):
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "cpoa.events", self._type + ".*")
        self._queue = queue

    def events(self, deadline=math.inf):
        """Yields events, as dictionaries, for `deadline` seconds."""
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            try:
                for _method, _properties, body in self._open().consume(self._queue, True, inactivity_timeout=0.5):
                    event = json.loads(body) if body else None
                    if event and self._client_id in (None, event["data"]["client_id"]):
                        yield event
                    if time.monotonic() >= until:
                        return
            except (AMQPConnectionError, AMQPChannelError, OSError):
                self.close()
                time.sleep(0.2)

    def until(self, workflow_id, deadline=600.0):
        """Yields events until that workflow has ended, or the time is up."""
        for event in self.events(deadline):
            yield event
            if event["subject"] == workflow_id and event["type"].endswith(TERMINAL):
                return
