"""Print the benchmark: ``python -m benchmarks codec [--long] [--repetitive]``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from benchmarks import options as common
from benchmarks.codec import cases, report
from benchmarks.measuring import lower_quartiles
from benchmarks.processes import measure
from benchmarks.sessions import Session

MODULE = "benchmarks.codec"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in fresh processes and print the tables; as one of those, print JSON."""
    options = common.parser(MODULE, rounds=500).parse_args(arguments)
    cases.configure_django()
    of_size = common.of_size(options)
    if options.seed is not None:
        print(json.dumps(_times(of_size, options.rounds, options.seed)))
        return
    processes = common.processes(options)
    measured = measure(MODULE, common.for_process(options), processes)
    print(report.text(measured, of_size, processes))


def _times(of_size: Mapping[str, Session], rounds: int, seed: str) -> dict[str, float]:
    times: dict[str, float] = {}
    for group in cases.groups(of_size):
        times |= lower_quartiles(group, rounds, seed)
    return times


if __name__ == "__main__":
    main()
