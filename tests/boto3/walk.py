#!/usr/bin/env python3
"""Walks an empty account of `quell local` through every operation it has, with boto3.

    walk.py READY < (output of quell local --operations)

READY is the line `quell local --json` prints.

The order is the workshops': a fleet, Detect, Audit and mitigation, jobs, rules, alerts; each step is checked by its effect.
Fails when an effect is missing, when an answer does not fit AWS's model, when a paginator does not page, and when an
operation of the table was never called.
"""

import json
import re
import sys

from fleet import authorities, billing, identities, settings, things
from strict import Account
from watch import alerts, audit, detect, detect_mitigation, incident, indexing
from work import jobs, revocation, rules, shadows


def main():
    ready = json.loads(sys.argv[1])
    wanted = set()
    for line in sys.stdin.read().splitlines()[2:]:
        _, service, _, operations, _ = [cell.strip() for cell in line.split("|")]
        wanted |= {(service.strip("`"), operation) for operation in re.split(r",\s*", operations)}
    assert len(wanted) > 150, f"the table of operations is read wrongly: {wanted}"
    a = Account(ready["http"])
    a.excused = set()
    things(a)
    certificate = identities(a)
    authorities(a)
    billing(a)
    settings(a)
    shadows(a)
    topic = alerts(a, ready)
    detect(a, topic)
    device, violation, span = incident(a, ready, certificate)
    indexing(a)
    audit(a, topic, span)
    detect_mitigation(a, violation, span)
    jobs(a, device)
    rules(a, span)
    revocation(a, device, certificate)
    unknown = sorted(operation for operation in wanted if not a.knows(*operation))
    left = sorted(wanted - a.called - a.excused - set(unknown))
    strange = sorted(set(a.wrong))
    for text in strange:
        print("does not fit AWS's model:", text)
    for service, operation in left:
        print("never called with success:", service, operation)
    if left or strange:
        sys.exit(1)
    print(f"{len(a.called)} operations; {unknown or 'none'} unknown to botocore, {sorted(a.excused) or 'none'} too quick")


main()
