#!/usr/bin/python3
"""A podcast by hand, as anybody may order one: interface.md §3 in, §4 out. Prints the completed event.

usage: by_hand.py STYLE     (AMQP_URL in the environment; a worker is running)
"""
import json
import os
import sys
import uuid

import pika

TERMINAL = ("completed", "failed", "cancelled")


def main(name):
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.confirm_delivery()
    mine = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(mine, "cpoa.events", "podcast_generation.*")
    workflow = str(uuid.uuid4())
    channel.basic_publish(
        "cpoa.jobs",
        "podcast_generation",
        json.dumps({"topic": "Möwen über dem Watt", "task_id": str(uuid.uuid4()), "client_id": "by-hand"}),
        pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            message_id="by-hand-" + name,
            headers={"X-Idempotency-Key": "key-" + name, "X-Workflow-ID": workflow},
        ),
        mandatory=True,
    )
    kinds = []
    for method, properties, body in channel.consume(mine, auto_ack=True, inactivity_timeout=20):
        if method is None:
            sys.exit("nothing more came after %s" % kinds)
        event = json.loads(body)
        kinds.append(method.routing_key.split(".")[1])
        assert event["specversion"] == "1.0" and event["source"] == "/cpoa", event
        assert event["type"] == "aethercast.cpoa." + method.routing_key, event
        assert event["subject"] == event["data"]["workflow_id"] == workflow, event
        assert properties.content_type == "application/cloudevents+json", properties
        assert properties.message_id == event["id"], properties
        if kinds[-1] in TERMINAL:
            break
    assert kinds == ["started"] + ["progress"] * 4 + ["completed"], kinds
    assert event["data"]["result"]["topic"] == "Möwen über dem Watt", event
    assert event["data"]["ui"]["client_id"] == "by-hand", event
    assert event["data"]["stream"]["filepath"] == event["data"]["result"]["final_audio_filepath"], event
    print(json.dumps(event))
    connection.close()


main(sys.argv[1])
