"""Checks a trace of pcx-run and prints how many events of which kind it has.

usage: trace.py TRACE.json WORKERS
"""
import collections
import json
import sys

trace = json.load(open(sys.argv[1]))
workers = int(sys.argv[2])
counts, names = collections.Counter(), collections.Counter()
calls = []
for event in trace["traceEvents"]:
    assert event["pid"] == 1 and 0 <= event["tid"] < workers, event
    if event["ph"] == "M":
        assert event["name"] in ("process_name", "thread_name"), event
        assert event["args"]["name"], event
        continue
    assert event["ph"] == "X", event
    assert event["ts"] >= 0 and event["dur"] >= 0, event
    assert event["name"] and event["cat"] in ("call", "stage", "task", "kernel"), event
    (count,) = event["args"].values()
    assert count >= 0, event
    counts[event["cat"]] += 1
    names[event["cat"], event["name"]] += 1
    if event["cat"] == "call":
        calls.append((event["ts"], event["ts"] + event["dur"]))
# What is not a call happens in one; times have three digits.
for event in trace["traceEvents"]:
    if event["ph"] == "X":
        begin, end = event["ts"], event["ts"] + event["dur"]
        assert any(a - 0.01 <= begin and end <= b + 0.01 for a, b in calls), event
starts = [event["ts"] for event in trace["traceEvents"] if event["ph"] == "X"]
assert starts == sorted(starts)
print("lost", trace["otherData"]["events_lost"])
for kind in ("call", "stage", "task", "kernel"):
    print(kind, counts[kind])
for (kind, name), count in sorted(names.items()):
    print(kind, name, count)
