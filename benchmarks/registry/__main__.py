"""Print the benchmark: ``python -m benchmarks registry [--long]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from benchmarks import options as common
from benchmarks import sessions
from benchmarks.counted import figures
from benchmarks.processes import measure_each
from benchmarks.registry import project, report
from benchmarks.registry.cases import Cases
from benchmarks.registry.clocks import WAITING, on_the_wall
from benchmarks.transports import TRANSPORTS

MODULE = "benchmarks.registry"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in fresh processes and print the tables; as one of those, print JSON."""
    parser = common.parser(MODULE, rounds=100)
    parser.add_argument("--transport", choices=TRANSPORTS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--postgres",
        default="",
        metavar="HOST",
        help="have the database there (or a socket's folder), as user postgres",
    )
    options = parser.parse_args(arguments)
    if options.seed is not None:
        print(json.dumps(_figures(options)))
        return
    processes = common.processes(options)
    rest = [*common.for_process(options), f"--postgres={options.postgres}"]
    measured = measure_each(TRANSPORTS, MODULE, rest, processes)
    print(f"Database: {'PostgreSQL' if options.postgres else 'SQLite'}.")
    print(report.text(measured, processes))


def _figures(options: argparse.Namespace) -> dict[str, float]:
    found: dict[str, float] = {}
    is_async = options.transport == "async"
    with project.site(is_async=is_async, postgres=options.postgres):
        transport = TRANSPORTS[options.transport]()
        # Never the repetitive ones: with a log-in they do not fit into a cookie.
        groups = [*Cases(transport).groups(sessions.realistic())]
        found |= figures(groups, transport, options)
        waiting = figures(groups, WAITING[options.transport](), options)
        found |= {on_the_wall(name): figure for name, figure in waiting.items()}
    return found


if __name__ == "__main__":
    main()
