"""Print the benchmark: ``python -m benchmarks guards [--long]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from benchmarks import options as common
from benchmarks import sessions
from benchmarks.counted import figures
from benchmarks.guards import project, report
from benchmarks.guards.cases import Cases
from benchmarks.processes import measure_each
from benchmarks.transports import TRANSPORTS

MODULE = "benchmarks.guards"


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
    print(report.text(measured, processes))


def _figures(options: argparse.Namespace) -> dict[str, float]:
    with project.site(is_async=options.transport == "async"):
        transport = TRANSPORTS[options.transport]()
        # Never the repetitive ones: with a log-in they do not fit into a cookie.
        return figures(
            Cases(transport).groups(sessions.realistic()), transport, options
        )


if __name__ == "__main__":
    main()
