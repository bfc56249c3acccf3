#!/usr/bin/env python3
"""The AWS IoT Device Defender Agent as its own program: its report is accepted.

    defender.py READY

READY is the line `quell local --json` prints. The agent knows no port but AWS's: that one thing is put in its place.
"""

import functools
import os
import sys
import threading

import AWSIoTDeviceDefenderAgentSDK.agent as agent
from awsiot import mqtt_connection_builder
from common import CA, HOST, PORT, device

certificate, key = device("sensor")
mqtt_connection_builder.mtls_from_path = functools.partial(mqtt_connection_builder.mtls_from_path, port=PORT)


class Told:
    """Stdout that ends the agent, which never ends by itself, once it has told of an accepted report."""

    def write(self, text):
        if '"ACCEPTED"' in text:
            os._exit(0)
        sys.__stderr__.write(text)

    def flush(self):
        sys.__stderr__.flush()


sys.stdout = Told()
threading.Timer(60, os._exit, [1]).start()
sys.argv = ["agent.py", "--endpoint", HOST, "--rootCA", CA, "--cert", certificate, "--key", key]
sys.argv += ["--client_id", "sensor", "--thing_name", "sensor", "--format", "json", "-i", "2"]
agent.main()
