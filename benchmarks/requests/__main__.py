"""Print the benchmark: ``python -m benchmarks requests [--long] [--middleware M]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from benchmarks import options as common
from benchmarks.measuring import lower_quartiles
from benchmarks.processes import measure_each
from benchmarks.requests import project, report
from benchmarks.requests.cases import Cases
from benchmarks.site import OUR_MIDDLEWARE
from benchmarks.transports import TRANSPORTS

MODULE = "benchmarks.requests"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in fresh processes and print the tables; as one of those, print JSON."""
    options = _options(arguments)
    if options.seed is not None:
        print(json.dumps(_times(options)))
        return
    processes = common.processes(options)
    rest = [*common.for_process(options), f"--middleware={options.middleware}"]
    measured = measure_each(TRANSPORTS, MODULE, rest, processes)
    print(report.text(measured, options.middleware, processes))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = common.parser(MODULE, rounds=200)
    parser.add_argument(
        "--middleware",
        default=OUR_MIDDLEWARE,
        help="what to run our engine under, to compare with the stock middleware",
    )
    parser.add_argument("--transport", choices=TRANSPORTS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _times(options: argparse.Namespace) -> dict[str, float]:
    times: dict[str, float] = {}
    with project.site(is_async=options.transport == "async"):
        transport = TRANSPORTS[options.transport]()
        cases = Cases(transport, options.middleware)
        for group in cases.groups(common.of_size(options)):
            times |= lower_quartiles(
                group, options.rounds, options.seed, transport.meter
            )
    return times


if __name__ == "__main__":
    main()
