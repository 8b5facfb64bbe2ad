"""The benchmarks run, and say what they found. No figure is asserted."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

from benchmarks import counted
from benchmarks.api_keys import cases as keyed
from benchmarks.api_keys import project as keys
from benchmarks.api_keys import report as keys_report
from benchmarks.api_keys import timing
from benchmarks.guards import cases as guarded
from benchmarks.guards import report as guards_report
from benchmarks.guards.project import DJANGO_SESSIONS, OUR_SESSIONS, OURS
from benchmarks.guards.project import setups as guarded_setups
from benchmarks.measuring import Meter, lower_quartiles
from benchmarks.processes import Measured
from benchmarks.registry import cases as registered
from benchmarks.registry import project as registry
from benchmarks.registry import report as registry_report
from benchmarks.registry.clocks import on_the_wall
from benchmarks.requests import report
from benchmarks.requests.cases import UNTOUCHED, USES, name
from benchmarks.requests.project import NO_SESSION, groups
from benchmarks.site import STOCK_MIDDLEWARE
from benchmarks.tables import against

ROOT = Path(__file__).parents[1]
REQUESTS = [
    name(action, size, setup)
    for action, size in (*USES, *UNTOUCHED)
    for setups in groups(STOCK_MIDDLEWARE)
    for setup in setups
]

GUARDED = [
    *(
        guarded.name(guarded.view_of(setup), size, setup)
        for size in guarded.SIZES
        for setup in guarded_setups()
    ),
    *(
        guarded.name(view, guarded.FORM, OURS)
        for view in {*guarded.FORMS, *guarded.FORMS.values()}
    ),
]
COUNTED = {counted.queries(case) for case in GUARDED}
REGISTERED = [
    registered.name(size, setup)
    for size in registered.SIZES
    for setup in registry.setups()
]
KEYED = [keyed.name(stack, view) for stack in keys.STACKS for view in keys.VIEWS]
ABSENT = find_spec("knox") is None or find_spec("rest_framework_api_key") is None


def needs_redis(test):
    """Skip a test where there is no Redis, but never in CI."""
    absent = which("redis-server") is None or find_spec("redis") is None
    return pytest.mark.skipif(
        absent and os.environ.get("CI") != "true",
        reason="needs Redis: apt-get install redis-server, pip install redis",
    )(test)


def needs_others(test):
    """Mark a test for `make test-bench`, skipped without those but never in CI."""
    skipped = pytest.mark.skipif(
        ABSENT and os.environ.get("CI") != "true",
        reason="needs what keys are compared with: pip install --group bench",
    )
    return pytest.mark.bench(skipped(test))


def measured_in_a_process(*arguments: str) -> dict[str, float]:
    """Return what a fresh process prints; it checks each case before it measures."""
    command = [sys.executable, "-m", *arguments, "--rounds=2", "--seed=0"]
    child = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(child.stdout)


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_rounds_a_quartile_lies_between_them(first):
    spent = iter([1000, [1, 9][first], [1, 9][1 - first]])
    meter = Meter(spent=lambda case, calls: next(spent), window=1000)

    assert 1 <= lower_quartiles({"case": int}, 2, "", meter)["case"] <= 9


def test_the_codec_s_cases_run():
    assert min(measured_in_a_process("benchmarks.codec").values()) > 0


@pytest.mark.parametrize("transport", ["sync", "async"])
@pytest.mark.parametrize("sessions", [[], ["--repetitive"]], ids=["real", "repetitive"])
def test_each_request_is_measured_with_each_engine(transport, sessions):
    times = measured_in_a_process(
        "benchmarks.requests",
        f"--transport={transport}",
        *sessions,
    )
    assert set(times) == set(REQUESTS)
    assert min(times.values()) > 0


def run_of(times: dict[str, float]) -> dict[str, float]:
    """Return nanoseconds of all requests by setup, the same for each request."""
    return {
        request: times.get(request.rpartition("/")[2], 100_000) for request in REQUESTS
    }


def report_of(times: dict[str, float]) -> str:
    measured = Measured([run_of(times)])
    return report.text({"sync": measured}, STOCK_MIDDLEWARE, 1)


@pytest.fixture(scope="module", params=["sync", "async"])
def guards(request):
    return measured_in_a_process("benchmarks.guards", f"--transport={request.param}")


def test_each_guarded_request_is_measured(guards):
    assert guards.keys() - COUNTED == set(GUARDED)
    assert min(guards[case] for case in GUARDED) > 0


def queries(guards, setup: str) -> list[float]:
    return [
        guards[counted.queries(case)] for case in GUARDED if case.endswith(f"/{setup}")
    ]


def test_no_view_that_we_guard_makes_a_query(guards):
    assert set(queries(guards, OURS)) == {0}


@pytest.mark.parametrize("setup", [OUR_SESSIONS, *DJANGO_SESSIONS])
def test_each_login_required_asks_for_the_user(guards, setup):
    asked = 2 if setup == "db" else 1
    assert set(queries(guards, setup)) == {asked}


def guards_report_of(ours: float, db: float) -> list[str]:
    times = {"ours": ours, "db": db}
    run = {
        case: times.get(case.rpartition("/")[2], 200_000) for case in GUARDED
    } | dict.fromkeys(COUNTED, 3)
    return guards_report.text({"sync": Measured([run])}, 1).splitlines()


def test_the_report_compares_a_guard_with_login_required_and_sessions_in_the_database():
    lines = guards_report_of(ours=80_000, db=320_000)
    (line,) = (x for x in lines if x.startswith("db") and "log-in" in x)
    assert line.split()[2:] == ["320.0", "3", "0.250", "(0.250-0.250)", "0.32", "met"]


def test_only_the_usual_site_has_a_goal():
    lines = guards_report_of(ours=80_000, db=320_000)
    (line,) = (x for x in lines if x.startswith("signed_cookies") and "log-in" in x)
    assert line.split()[2:] == ["200.0", "3", "0.400", "(0.400-0.400)"]


def test_a_ratio_is_of_what_is_added_to_a_request_without_sessions():
    run = {"floor": 40.0, "ours": 60.0, "theirs": 80.0}
    assert Measured([run]).ratios("ours", "theirs", "floor") == [0.5]


def test_without_a_floor_a_ratio_is_of_the_whole():
    assert Measured([{"ours": 60.0, "theirs": 80.0}]).ratios("ours", "theirs") == [0.75]


def test_a_figure_is_the_median_of_the_processes():
    runs = [{"a": float(ns), "floor": 1000.0} for ns in (9000, 2000, 3000)]
    assert Measured(runs).microseconds("a", "floor") == 2.0


def test_the_report_compares_a_use_with_signed_cookies():
    times = {NO_SESSION: 40_000, "signed_cookies": 90_000, "ours": 60_000}
    (line,) = (
        line
        for line in report_of(times).splitlines()
        if line.startswith("read  ") and "log-in" in line
    )
    assert line.split()[-4:] == ["0.400", "(0.400-0.400)", "0.60", "met"]


def test_the_report_compares_an_untouched_request_with_the_stock_middleware():
    times = {NO_SESSION: 40_000, "ours, stock": 50_000, "ours": 60_000}
    (line,) = (line for line in report_of(times).splitlines() if "no cookie" in line)
    assert line.split()[-4:] == ["2.000", "(2.000-2.000)", "1.00", "MISSED"]


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.6, "met"), (0.6004, "met"), (0.6006, "MISSED")]
)
def test_a_goal_is_met_as_far_as_digits_are_shown(ratio, verdict):
    assert against([ratio], 0.6)[-1] == verdict


@pytest.fixture(scope="module", params=["sync", "async"])
def with_keys(request):
    return measured_in_a_process("benchmarks.api_keys", f"--transport={request.param}")


@needs_others
def test_each_request_with_a_key_is_measured(with_keys):
    assert set(with_keys) == {*KEYED, *map(counted.queries, KEYED)}
    assert min(with_keys[case] for case in KEYED) > 0


@needs_others
@pytest.mark.parametrize(
    ("view", "asked"),
    [(keys.OURS, 2), (keys.KNOX, 2), (keys.KEY_ONLY, 1), (keys.BEHIND_OURS, 0)],
)
def test_a_key_costs_as_many_queries_as_the_page_says(with_keys, view, asked):
    cases = [keyed.name(stack, view) for stack in keys.STACKS]
    assert {with_keys[counted.queries(case)] for case in cases} == {asked}


@needs_others
def test_refusals_are_timed():
    figures = measured_in_a_process("benchmarks.api_keys.timing")
    assert set(figures) == {
        name for kind in timing.KINDS for name in timing.names(kind).values()
    }
    assert all(figures[timing.names(kind)["request"]] > 0 for kind in timing.KINDS)


def keys_report_of(ours: float, knox: float) -> list[str]:
    times = {"ours": ours, "knox": knox}
    run = {case: times.get(case.rpartition("/")[2], 200_000) for case in KEYED}
    counts = {counted.queries(case): 2 for case in KEYED}
    return keys_report.text({"sync": Measured([run | counts])}, 1).splitlines()


def test_the_report_compares_a_key_with_knox():
    lines = keys_report_of(ours=300_000, knox=400_000)
    line = next(line for line in lines if line.startswith("knox"))
    assert line.split()[-6:] == ["400.0", "2", "0.750", "(0.750-0.750)", "0.90", "met"]


def test_a_package_that_loads_no_account_is_no_goal():
    lines = keys_report_of(ours=300_000, knox=400_000)
    line = next(line for line in lines if line.startswith("HasAPIKey"))
    assert line.split()[-4:] == ["200.0", "2", "1.500", "(1.500-1.500)"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        *((-100.0, 4000.0, "none seen"), (800.0, 4000.0, "none seen")),
        *((801.0, 4000.0, "SEEN"), (-4000.0, -800.0, "none seen")),
        (-4000.0, -801.0, "SEEN"),
    ],
)
def test_a_difference_is_seen_if_its_interval_is_far_enough_from_zero(
    low, high, verdict
):
    figures = {"median": 2000.0, "low": low, "high": high, "request": 400_000.0}
    named = {
        name: figures[figure]
        for kind in timing.KINDS
        for figure, name in timing.names(kind).items()
    }
    line = keys_report.timing_text(Measured([named]), 100).splitlines()[-1]
    assert line.split()[-len(verdict.split()) :] == verdict.split()


def test_the_interval_of_a_median_is_around_it():
    low, high = timing.interval([*range(101)], random.Random(0))
    assert 25 < low < 50 < high < 75


@pytest.fixture(scope="module", params=["sync", "async"])
def with_registry(request):
    return measured_in_a_process("benchmarks.registry", f"--transport={request.param}")


@needs_redis
def test_each_request_is_measured_by_both_clocks(with_registry):
    timed = {*REGISTERED, *map(on_the_wall, REGISTERED)}
    assert timed | set(map(counted.queries, REGISTERED)) <= set(with_registry)
    assert min(with_registry[case] for case in timed) > 0


@needs_redis
@pytest.mark.parametrize(
    ("setup", "asked"),
    [
        *((registry.LOCMEM, 0), (registry.REDIS, 0), (registry.UNCACHED, 1)),
        *((registry.CACHE, 0), (registry.CACHED_DB, 0), (registry.DB, 1)),
    ],
)
def test_a_session_costs_as_many_queries_as_the_page_says(with_registry, setup, asked):
    cases = [registered.name(size, setup) for size in registered.SIZES]
    assert {with_registry[counted.queries(case)] for case in cases} == {asked}


def registry_report_of(on_the_clock: str, **times: float) -> list[str]:
    """Return the table of one clock."""
    setups = {case: case.rpartition("/")[2] for case in REGISTERED}
    run = {case: times.get(setup, 200_000) for case, setup in setups.items()}
    run |= {on_the_wall(case): 2 * run[case] for case in REGISTERED}
    counts = dict.fromkeys(map(counted.queries, REGISTERED), 0)
    text = registry_report.text({"sync": Measured([run | counts])}, 1)
    return (
        text.partition(f"sync, {on_the_clock} time:")[2]
        .partition("\n\n")[0]
        .splitlines()
    )


TIMES = {"no session": 50_000, "cache": 150_000, "db": 350_000}


PLAIN = {"ours, no registry": 80_000, "ours, Redis": 180_000}


def test_the_report_compares_what_sessions_add():
    lines = registry_report_of("CPU", **TIMES, **PLAIN)
    (line,) = (x for x in lines if x.startswith("ours, Redis") and "log-in" in x)
    ratios = ["1.300", "(1.300-1.300)", "0.433", "(0.433-0.433)"]
    assert line.split()[4:] == ["130.0", "0", *ratios]


@pytest.mark.parametrize(
    ("clock", "above", "verdict"), [("CPU", "100.0", ["met"]), ("wall", "200.0", [])]
)
def test_the_goals_are_for_what_the_registry_adds_to_them(clock, above, verdict):
    lines = registry_report_of(clock, **TIMES, **PLAIN)
    (line,) = (x for x in lines if "alone, ours, Redis" in x and "log-in" in x)
    assert line.split()[6:] == [
        above,
        *("1.000", "(1.000-1.000)", *verdict),
        *("0.333", "(0.333-0.333)", *verdict),
    ]


def test_only_sessions_with_a_registry_and_a_cache_have_goals():
    verdicts = {"met", "MISSED"}
    lines = registry_report_of("CPU", **TIMES)
    judged = {x.split("  ")[0] for x in lines if verdicts & set(x.split())}
    assert judged == {
        "the registry alone, ours, locmem",
        "the registry alone, ours, Redis",
    }
