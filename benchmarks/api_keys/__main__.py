"""Print the benchmark: ``python -m benchmarks api_keys [--long]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from benchmarks import options as common
from benchmarks.api_keys import project, report, timing
from benchmarks.api_keys.cases import Cases
from benchmarks.counted import figures
from benchmarks.processes import measure, measure_each
from benchmarks.transports import TRANSPORTS

MODULE = "benchmarks.api_keys"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in fresh processes and print the tables; as one of those, print JSON."""
    parser = common.parser(MODULE, rounds=100)
    parser.add_argument("--transport", choices=TRANSPORTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        print(json.dumps(_figures(options)))
        return
    processes = common.processes(options)
    rest = common.for_process(options)
    measured = measure_each(TRANSPORTS, MODULE, rest, processes)
    pairs = options.rounds * 100
    times = measure(timing.MODULE, [f"--rounds={pairs}"], 1)
    print(report.text(measured, processes))
    print(report.timing_text(times, pairs))


def _figures(options: argparse.Namespace) -> dict[str, float]:
    with project.site(is_async=options.transport == "async"):
        transport = TRANSPORTS[options.transport]()
        return figures(Cases(transport).groups(), transport, options)


if __name__ == "__main__":
    main()
