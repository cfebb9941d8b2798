#!/usr/bin/env python3
"""judge.py INDEX CASES: judges the index.json of an Autobahn report.

Exit status 0 only if every case that was asked for is there and is OK or INFORMATIONAL, in its behaviour and in how
it closed. CASES names sections ("6.*") and single cases ("9.1.1") with commas between them.
"""
import json
import sys

# The cases of each section in Autobahn|Testsuite 0.8.2, so that a run that ended early is no success.
SECTIONS = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1,
            "12": 90, "13": 126}
PASSED = ("OK", "INFORMATIONAL")


def main(index, wanted):
    try:
        expected = sum(SECTIONS[case[:-2]] if case.endswith(".*") else 1 for case in wanted.split(","))
    except KeyError as error:
        sys.exit(f"no such section: {error}")
    try:
        with open(index) as file:
            agents = json.load(file)
    except (OSError, ValueError) as error:
        print(f"no report: {error}")
        return 1
    results = {case: result for cases in agents.values() for case, result in cases.items()}
    counts, bad = {}, []
    for case, result in results.items():
        behaviour, close = result["behavior"], result["behaviorClose"]
        counts[behaviour] = counts.get(behaviour, 0) + 1
        if behaviour not in PASSED or close not in PASSED:
            bad.append((case, behaviour, close))
    missing = expected - len(results)
    summary = "  ".join(f"{behaviour} {count}" for behaviour, count in sorted(counts.items()))
    print(f"{', '.join(agents)}: total {expected}  {summary}  MISSING {missing}")
    for case, behaviour, close in sorted(bad, key=lambda row: [int(part) for part in row[0].split(".")]):
        print(f"  {case}: {behaviour}, close {close}")
    print(f"{len(results) - len(bad)} passed, {len(bad) + missing} failed")
    return 1 if bad or missing else 0


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(*sys.argv[1:]))
