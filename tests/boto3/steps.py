"""What the parts of the walk share: constants, waiting, refusals, paginators."""

import json
import time

from botocore.exceptions import ClientError

DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
ROLE = "arn:aws:iam::123456789012:role/workshop"
ALL = "arn:aws:iot:us-east-1:123456789012:all/things"


def eventually(what, ask, patience=60):
    deadline = time.monotonic() + patience
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience} s")
        time.sleep(0.2)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, f"{code} expected: {error}"
    else:
        raise AssertionError(f"{code} expected, and it was accepted")


def accepted(call, **arguments):
    try:
        call(**arguments)
    except ClientError:
        return False
    return True


def paged(client, operation, member, least=2, **arguments):
    """All rows of a paginator, one a page; it must really take several pages."""
    pages = list(client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1}, **arguments))
    rows = [row for page in pages for row in page[member]]
    assert len(rows) >= least and len(pages) >= least, f"{operation}: {len(rows)} rows on {len(pages)} pages"
    return rows
