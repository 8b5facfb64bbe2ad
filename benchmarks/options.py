"""The options that all benchmarks have in common."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from benchmarks import sessions

PROCESSES, MANY_PROCESSES = 5, 15


def parser(module: str, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser of the common options; *rounds* is the default."""
    options = argparse.ArgumentParser(prog=f"python -m {module}")
    options.add_argument(
        "--long",
        action="store_true",
        help=f"{MANY_PROCESSES} fresh processes instead of {PROCESSES}",
    )
    options.add_argument(
        "--repetitive", action="store_true", help="take sessions that compress well"
    )
    options.add_argument(
        "--rounds", type=int, default=rounds, help="windows per case and process"
    )
    options.add_argument("--seed", help=argparse.SUPPRESS)  # of a fresh process
    return options


def processes(options: argparse.Namespace) -> int:
    """Return how many fresh processes were asked for."""
    return MANY_PROCESSES if options.long else PROCESSES


def of_size(options: argparse.Namespace) -> Mapping[str, sessions.Session]:
    """Return the sessions that were asked for."""
    return sessions.repetitive() if options.repetitive else sessions.realistic()


def for_process(options: argparse.Namespace) -> list[str]:
    """Return the arguments that a fresh process needs to measure the same."""
    arguments = [f"--rounds={options.rounds}"]
    if options.repetitive:
        arguments.append("--repetitive")
    return arguments
