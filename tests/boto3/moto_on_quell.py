"""moto's own suite for AWS IoT, run against `quell local`. A plug-in of pytest:

    git clone https://github.com/getmoto/moto && cd moto
    QUELL=…/quell PYTHONPATH=…/quell/tests/boto3 python3 -m pytest -p moto_on_quell tests/test_iot tests/test_iotdata

What moto asserts and is not so here stands in moto-differs.txt, with the reason: those tests must fail, all others must pass. The
last line says how many of the tests that ask for what AWS documents pass.
"""

import atexit
import functools
import inspect
import json
import os
import pathlib
import subprocess
import urllib.request

import moto
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto import settings

# The regions moto's tests use.
REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1")
# These look into moto's own process.
INSIDE = ("test_server.py", "test_iot_cloudformation.py")


# The heading of what AWS documents as moto asserts it.
ON_PURPOSE = "different on purpose"


def differs():
    """Test by test the heading and the reason: a line that begins with `#` holds for the lines below it."""
    heading, reason, out = "", "", {}
    for line in (pathlib.Path(__file__).parent / "moto-differs.txt").read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("# "):
            reason = line[2:]
        elif "::" in line:
            out[line] = (heading, reason)
    return out


def start():
    free = [f"--{door}=127.0.0.1:0" for door in ("http", "mqtt", "mqtts")]
    flags = ["--devices=0", "--any-key", "--index=on", "--no-throttle", "--speed=60", "--json"]
    quell = subprocess.Popen([os.environ["QUELL"], "local", *flags, *free], stdout=subprocess.PIPE)
    atexit.register(quell.kill)
    return json.loads(quell.stdout.readline())["http"]


URL = start()
os.environ.update(AWS_ENDPOINT_URL=URL, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_MAX_ATTEMPTS="1")
settings.TEST_SERVER_MODE, settings.TEST_DECORATOR_MODE = True, False


def reset():
    for region in REGIONS:
        request = AWSRequest("POST", f"{URL}/_quell/reset", data=b"")
        SigV4Auth(Credentials("test", "test"), "iot", region).add_auth(request)
        urllib.request.urlopen(urllib.request.Request(request.url, b"", dict(request.headers.items()))).close()


class Emptied:
    """What moto's decorator is here: an empty account."""

    def __enter__(self):
        reset()
        return self

    def __exit__(self, *_):
        pass

    start, stop = __enter__, lambda self: None

    def __call__(self, test):
        if inspect.isclass(test):
            for name, method in list(vars(test).items()):
                if name.startswith("test"):
                    setattr(test, name, self(method))
            return test

        @functools.wraps(test)
        def emptied(*args, **named):
            reset()
            return test(*args, **named)

        return emptied


def mock_aws(test=None, **_):
    return Emptied()(test) if callable(test) else Emptied()


moto.mock_aws = mock_aws


def pytest_ignore_collect(collection_path):
    return True if collection_path.name in INSIDE else None


def pytest_collection_modifyitems(items):
    known = differs()
    for item in items:
        heading, reason = known.pop(item.nodeid.rsplit("/", 1)[-1], (None, None))
        if reason:
            item.add_marker(pytest.mark.xfail(reason=f"{heading}: {reason}", strict=True))
    print(f"{len(items)} tests; not of this suite any more: {sorted(known) or 'none'}")


def pytest_terminal_summary(terminalreporter):
    ended = terminalreporter.stats
    passed, failed = (len(ended.get(kind, ())) for kind in ("passed", "failed"))
    meant = sum(report.wasxfail.startswith(ON_PURPOSE) for report in ended.get("xfailed", ()))
    print(f"{passed} of the {passed + failed + meant} tests that ask for what AWS documents pass")
