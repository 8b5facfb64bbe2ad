"""Run Django's own tests of sessions, and of what uses them, with this engine.

The contract: SessionTestsMixin, as it is and with USE_TZ, and SessionMiddlewareTests.
Each test passes, or is listed with the reason why no cookie engine can pass it.

The suites: what else in Django depends on sessions, run with this engine and with
signed_cookies. No test fails with this engine that signed_cookies passes for good. And
none fails with our middleware that passes with Django's, but for those listed.
docs/howto/run-djangos-tests.md explains what is printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
from django_suites_support import listed
from django_suites_support.runs import Outcomes, Run
from django_suites_support.sdist import fetch_tests
from django_suites_support.verdicts import (
    CONTRACT,
    Verdict,
    failed,
    is_label,
    judge_contract,
    judge_jar,
    judge_middleware,
    judge_suites,
)

CACHE = Path(__file__).resolve().parents[1] / "build" / "django-suites"
OURS = "django_secure_session.backends.encrypted_cookies"
SIGNED = "django.contrib.sessions.backends.signed_cookies"
# The longest first, so that no processor waits for another at the end.
SUITES = {
    "auth": ("auth_tests",),
    "rest": (
        "admin_views",
        "csrf_tests",
        "messages_tests",
        "test_client",
        "test_client_regress",
    ),
}
SUITE_RUNS = [
    Run(name=f"{name}-{suite}", engine=engine, labels=labels)
    for suite, labels in SUITES.items()
    for name, engine in (("ours", OURS), ("signed", SIGNED))
]
CONTRACT_RUN = Run(name="contract", engine=OURS, labels=tuple(CONTRACT.values()))
#: The same once more, with our middleware wherever Django names its own.
MIDDLEWARE_RUNS = [
    Run(name=f"middleware-{suite}", engine=OURS, labels=labels, patch="middleware")
    for suite, labels in [
        *SUITES.items(),
        ("contract", (CONTRACT["SessionMiddlewareTests"],)),
    ]
]
CLOCK_RUN = Run(
    name="signed-clock", engine=SIGNED, labels=tuple(listed.BY_CHANCE), patch="clock"
)


def main() -> int:
    """Run what the command line asks for; return 0 if all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the contract")
    quick = parser.parse_args().quick
    started = time.monotonic()
    where = f"Django {django.__version__}, Python {platform.python_version()}"
    print(f"{where}: running Django's tests with {OURS}", flush=True)
    tests = fetch_tests(CACHE)
    verdicts = _contract(tests) if quick else _everything(tests)
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    _report(verdicts)
    _print_list(f"Problems; tracebacks are in {tests.parent}", problems)
    summary = ", ".join(figure for verdict in verdicts for figure in verdict.summary)
    print(f"\ndjango suites: {summary}; {len(problems)} problems")
    print(f"({where}, {time.monotonic() - started:.0f} s)")
    return 1 if problems else 0


def _contract(tests: Path) -> list[Verdict]:
    return [judge_contract(CONTRACT_RUN.outcomes(tests))]


def _everything(tests: Path) -> list[Verdict]:
    by_name = _run_all([*SUITE_RUNS, *MIDDLEWARE_RUNS, CONTRACT_RUN, CLOCK_RUN], tests)
    ours, signed = _merged(by_name, "ours"), _merged(by_name, "signed")
    return [
        judge_contract(by_name[CONTRACT_RUN.name]),
        judge_suites(ours, signed, by_name[CLOCK_RUN.name]),
        judge_middleware(
            _merged(by_name, "middleware") | by_name["middleware-contract"],
            ours | by_name[CONTRACT_RUN.name],
        ),
        *_with_jar(ours, tests),
    ]


def _run_all(runs: Collection[Run], tests: Path) -> dict[str, Outcomes]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda run: run.outcomes(tests), runs)
        return {run.name: result for run, result in zip(runs, results, strict=True)}


def _merged(by_name: Mapping[str, Outcomes], engine: str) -> Outcomes:
    parts = [by_name[f"{engine}-{suite}"] for suite in SUITES]
    return {test: outcome for part in parts for test, outcome in part.items()}


def _with_jar(ours: Outcomes, tests: Path) -> list[Verdict]:
    """Run what failed with ours again, on a test client that keeps what tests save."""
    labels = tuple(sorted(filter(is_label, failed(ours))))
    if not labels:  # without a label Django would run all of its tests
        return []
    run = Run(name="ours-jar", engine=OURS, labels=labels, patch="jar")
    return [judge_jar(run.outcomes(tests))]


def _report(verdicts: Collection[Verdict]) -> None:
    for verdict in verdicts:
        for title, lines in verdict.lists.items():
            _print_list(title, lines)


def _print_list(title: str, lines: Collection[str]) -> None:
    print(f"\n{title}: {len(lines) or 'none'}")
    for line in lines:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
