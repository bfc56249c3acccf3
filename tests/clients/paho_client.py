#!/usr/bin/env python3
"""A device with the Eclipse Paho client, MQTT 3.1.1 and 5: it hears itself, its shadow answers.

    paho_client.py READY

READY is the line `quell local --json` prints.
"""

import json
import queue

import paho.mqtt.client as paho
from common import CA, HOST, PORT, device
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def speak(version, certificate, key):
    heard, up = queue.Queue(), queue.Queue()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="pump", protocol=version)
    client.tls_set(CA, certificate, key)
    client.on_connect = lambda _c, _u, _f, reason, _p: up.put(reason.is_failure)
    client.on_message = lambda _c, _u, message: heard.put(message)
    client.on_subscribe = lambda *_: up.put(False)
    client.connect(HOST, PORT)
    client.loop_start()
    assert not up.get(timeout=30), "refused"
    client.subscribe([("dt/pump", 1), ("$aws/things/pump/shadow/update/accepted", 1)])
    up.get(timeout=30)
    properties = None
    if version == paho.MQTTv5:
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("site", "PHX3")
    client.publish("dt/pump", "hello", qos=1, properties=properties).wait_for_publish(30)
    message = heard.get(timeout=30)
    assert (message.topic, message.payload) == ("dt/pump", b"hello"), message
    if properties:
        assert message.properties.UserProperty == [("site", "PHX3")]
    client.publish("$aws/things/pump/shadow/update", '{"state":{"reported":{"v":1}}}', qos=1)
    accepted = json.loads(heard.get(timeout=30).payload)
    assert accepted["state"] == {"reported": {"v": 1}}, accepted
    client.disconnect()
    client.loop_stop()


certificate, key = device("pump")
for version in (paho.MQTTv311, paho.MQTTv5):
    speak(version, certificate, key)
