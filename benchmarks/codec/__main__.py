"""Print the benchmark: ``python -m benchmarks.codec [--long] [--repetitive]``."""

from __future__ import annotations

import argparse
import json

from benchmarks import sessions
from benchmarks.codec import cases, report
from benchmarks.measuring import lower_quartiles
from benchmarks.processes import measure


def main() -> None:
    """Measure in fresh processes and print the tables; as one of those, print JSON."""
    options = _options()
    cases.configure_django()
    of_size = sessions.repetitive() if options.repetitive else sessions.realistic()
    if options.seed is not None:
        times: dict[str, float] = {}
        for group in cases.groups(of_size):
            times |= lower_quartiles(group, options.rounds, options.seed)
        print(json.dumps(times))
        return
    arguments = [f"--rounds={options.rounds}"]
    if options.repetitive:
        arguments.append("--repetitive")
    processes = 15 if options.long else 5
    measured = measure("benchmarks.codec", arguments, processes)
    print(report.text(measured, of_size, processes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec")
    parser.add_argument(
        "--long", action="store_true", help="15 fresh processes instead of 5"
    )
    parser.add_argument(
        "--repetitive", action="store_true", help="seal sessions that compress well"
    )
    parser.add_argument(
        "--rounds", type=int, default=500, help="windows per case and process"
    )
    parser.add_argument("--seed", help=argparse.SUPPRESS)  # of a fresh process
    return parser.parse_args()


if __name__ == "__main__":
    main()
