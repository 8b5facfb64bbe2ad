"""Print the benchmark: ``python -m benchmarks guards [--long]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import options as common
from benchmarks import sessions
from benchmarks.guards import project, report
from benchmarks.guards.cases import Cases, queries
from benchmarks.measuring import lower_quartiles
from benchmarks.processes import measure
from benchmarks.transports import TRANSPORTS

MODULE = "benchmarks.guards"

#: Nanoseconds. A request that asks the database leaves cold caches to the next one, so
#: several of a kind have to follow one another, as they do in a server.
WINDOW = 2_000_000


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
    print(report.text(measured, processes))


def _figures(options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    with project.site(is_async=options.transport == "async"):
        transport = TRANSPORTS[options.transport]()
        meter = replace(transport.meter, window=WINDOW)
        cases = Cases(transport)
        # Never the repetitive ones: with a log-in they do not fit into a cookie.
        for group in cases.groups(sessions.realistic()):
            figures |= lower_quartiles(group, options.rounds, options.seed, meter)
            # Counted last: if claims went stale meanwhile, it shows here.
            figures |= {
                queries(name): cases.count_queries(group[name]) for name in group
            }
    return figures


if __name__ == "__main__":
    main()
