"""Print the benchmark: ``python -m benchmarks api_keys [--long]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import options as common
from benchmarks.api_keys import project, report, timing
from benchmarks.api_keys.cases import Cases, queries
from benchmarks.guards.__main__ import WINDOW
from benchmarks.measuring import lower_quartiles
from benchmarks.processes import measure
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
    measured = {
        transport: measure(MODULE, [*rest, f"--transport={transport}"], processes)
        for transport in TRANSPORTS
    }
    pairs = options.rounds * 100
    times = measure(timing.MODULE, [f"--rounds={pairs}"], 1)
    print(report.text(measured, processes))
    print(report.timing_text(times, pairs))


def _figures(options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    with project.site(is_async=options.transport == "async"):
        transport = TRANSPORTS[options.transport]()
        meter = replace(transport.meter, window=WINDOW)
        cases = Cases(transport)
        for group in cases.groups():
            figures |= lower_quartiles(group, options.rounds, options.seed, meter)
            figures |= {
                queries(name): cases.count_queries(group[name]) for name in group
            }
    return figures


if __name__ == "__main__":
    main()
