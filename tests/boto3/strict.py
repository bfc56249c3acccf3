"""boto3 clients that hold every answer against AWS's own model.

botocore's parser forgives: it drops members it does not know and does not mind a missing one. Here each JSON answer is
compared with the operation's output shape: unknown members and wrong types are failures.
"""

import json

import boto3
import botocore
from botocore.config import Config

# The model the emulator follows. An older one lacks members; they are then no mistake.
FOLLOWED = tuple(map(int, botocore.__version__.split(".")[:2])) >= (1, 44)

SIGNING = {
    "iot": "iot",
    "iot-data": "iotdata",
    "iot-jobs-data": "iot-jobs-data",
    "sts": "sts",
    "iam": "iam",
    "sns": "sns",
    "cloudwatch": "monitoring",
    "s3": "s3",
}


# Any key is taken: twelve digits are an account.
OTHER = "210987654321"


class Account:
    """The clients, what was called through them, and what was wrong with the answers."""

    def __init__(self, endpoint):
        self.models = {}
        self.called = set()
        self.wrong = []
        for service, signing in SIGNING.items():
            client = self._client(endpoint, service, "test")
            self.models[signing] = client.meta.service_model
            setattr(self, service.replace("-", "_"), client)
        self.others_iot = self._client(endpoint, "iot", OTHER)

    def _client(self, endpoint, service, key):
        client = boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key="test",
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}, s3={"addressing_style": "path"}),
        )
        client.meta.events.register("before-parse." + service, self._checker(SIGNING[service]))
        return client

    def knows(self, signing, operation):
        """Is the operation in the model of this botocore? The newest are not in older ones."""
        return operation in self.models[signing].operation_names

    def _checker(self, signing):
        def check(operation_model, response_dict, **_):
            name = operation_model.name
            if response_dict["status_code"] < 300:
                self.called.add((signing, name))
            shape = operation_model.output_shape
            protocol = operation_model.service_model.metadata["protocol"]
            if shape is None or response_dict["status_code"] >= 300 or protocol != "rest-json":
                return
            if "payload" in shape.serialization:
                shape = shape.members[shape.serialization["payload"]]
                if shape.type_name == "blob":
                    return
            body = json.loads(response_dict["body"] or b"{}")
            self._compare(name, shape, body)

        return check

    def _compare(self, where, shape, value):
        def fault(text):
            self.wrong.append(f"{where}: {text}")

        kind = shape.type_name
        if kind == "structure":
            if not isinstance(value, dict):
                return fault(f"an object, not {value!r}")
            names = {}
            for member, inner in shape.members.items():
                if inner.serialization.get("location") is None:
                    names[inner.serialization.get("name", member)] = inner
            for member, inner in value.items():
                if member not in names:
                    if FOLLOWED:
                        fault(f"no member {member} in the model")
                elif inner is None:
                    fault(f"{member} is null")
                else:
                    self._compare(f"{where}.{member}", names[member], inner)
            for member in shape.required_members:
                if member in names and member not in value:
                    fault(f"required member {member} is missing")
        elif kind == "list":
            if not isinstance(value, list):
                return fault(f"a list, not {value!r}")
            for inner in value:
                self._compare(where + "[]", shape.member, inner)
        elif kind == "map":
            if not isinstance(value, dict):
                return fault(f"an object, not {value!r}")
            for key, inner in value.items():
                self._compare(f"{where}.{key}", shape.key, key)
                self._compare(f"{where}.{key}", shape.value, inner)
        elif kind in ("string", "blob"):
            if not isinstance(value, str):
                fault(f"a text, not {value!r}")
            elif getattr(shape, "enum", None) and value not in shape.enum:
                fault(f"{value!r} is none of {shape.enum}")
        elif kind == "boolean":
            if not isinstance(value, bool):
                fault(f"true or false, not {value!r}")
        elif kind in ("integer", "long"):
            if isinstance(value, bool) or not isinstance(value, int):
                fault(f"a whole number, not {value!r}")
        elif kind in ("float", "double", "timestamp"):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                fault(f"a number, not {value!r}")
            elif kind == "timestamp" and not 1.5e9 < value < 1e11:
                fault(f"seconds since 1970, not {value!r}")
