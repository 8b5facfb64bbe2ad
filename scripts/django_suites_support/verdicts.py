"""What the outcomes of the runs mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from django_suites_support import listed
from django_suites_support.runs import Outcomes

#: Django's contract for session engines: what the report calls a test case, and its id.
CONTRACT = {
    "SessionTestsMixin": "django_suites_support.contract.SecureSessionTests",
    "with USE_TZ": "django_suites_support.contract.SecureSessionWithTimeZoneTests",
    "SessionMiddlewareTests": "sessions_tests.tests.SessionMiddlewareTests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Figures for the last line, lists for the report, and what is not as it should."""

    summary: list[str]
    lists: dict[str, list[str]]
    problems: list[str]


def judge_contract(outcomes: Outcomes) -> Verdict:
    """Demand that each test passes, or fails and is listed."""
    expected = {
        test: listed.CONTRACT[_name(test)]
        for test in outcomes
        if _name(test) in listed.CONTRACT
    }
    gone = listed.CONTRACT.keys() - {_name(test) for test in outcomes}
    return Verdict(
        summary=[
            _count(title, {t: o for t, o in outcomes.items() if t.startswith(f"{id}.")})
            for title, id in CONTRACT.items()
        ],
        lists=_by_reason(expected),
        problems=[
            *_complaints(outcomes, expected),
            *(f"listed, but Django has no such test: {name}" for name in sorted(gone)),
        ],
    )


def _complaints(outcomes: Outcomes, expected: Mapping[str, str]) -> Iterator[str]:
    for test, outcome in outcomes.items():
        if test in expected and outcome != "failed":
            yield f"listed, but {outcome}: {test}"
        if test not in expected and outcome != "passed":
            yield f"{outcome}: {test}"


def _count(title: str, outcomes: Outcomes) -> str:
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    listed_here = sum(_name(test) in listed.CONTRACT for test in outcomes)
    return f"{title} {passed} of {len(outcomes)} ({listed_here} listed)"


def judge_suites(ours: Outcomes, signed: Outcomes, clock: Outcomes) -> Verdict:
    """Demand that what fails with *ours* fails with *signed* too, or is listed.

    A listed test must have failed with signed_cookies in the run *clock*, where no two
    signatures carry the same time.
    """
    both = failed(ours) & failed(signed)
    only_ours, only_signed = failed(ours) - both, failed(signed) - both
    return Verdict(
        summary=[
            f"{len(ours)} tests that use sessions: {len(only_ours)} fail only with "
            f"ours ({len(only_ours & listed.BY_CHANCE.keys())} listed), {len(both)} "
            f"with both, {len(only_signed)} only with signed_cookies"
        ],
        lists={
            **_by_reason(listed.BY_CHANCE),
            "Fail only with ours": sorted(only_ours),
            "Fail only with signed_cookies": sorted(only_signed),
            "Fail with both": sorted(both),
        },
        problems=[
            *_comparison(ours, signed, only_ours - listed.BY_CHANCE.keys()),
            *_chance(ours, clock),
        ],
    )


def _comparison(
    ours: Outcomes, signed: Outcomes, unlisted: Iterable[str]
) -> Iterator[str]:
    for test in sorted(unlisted):
        yield f"fails only with ours: {test}"
    # These hide tests, even where they fail with both engines.
    for test in sorted(failed(ours) | failed(signed)):
        if not is_label(test):
            yield f"not run: {test}"
    for test, outcome in signed.items():
        if outcome == "passed" and ours.get(test, "skipped") == "skipped":
            yield f"passes with signed_cookies, but not run with ours: {test}"


def _chance(ours: Outcomes, clock: Outcomes) -> Iterator[str]:
    for test in listed.BY_CHANCE:
        if test not in failed(ours):
            yield f"listed, but does not fail: {test}"
        if test not in failed(clock):
            yield f"listed, but signed_cookies passes it for good: {test}"


def judge_jar(outcomes: Outcomes) -> Verdict:
    """Report what still fails once ``client.session.save()`` reaches the cookie jar."""
    left = sorted(failed(outcomes))
    title = "Fail with ours even if client.session.save() reaches the cookie jar"
    return Verdict(
        summary=[f"{len(left)} with ours if client.session.save() reaches the jar"],
        lists={title: left},
        problems=[],
    )


def judge_middleware(with_ours: Outcomes, with_djangos: Outcomes) -> Verdict:
    """Demand that what fails with our middleware fails with Django's too, or is listed.

    Both runs use this engine.
    """
    only_ours = failed(with_ours) - failed(with_djangos)
    expected = listed.MIDDLEWARE.keys()
    return Verdict(
        summary=[
            f"{len(with_ours)} with our middleware: {len(only_ours)} fail only with it "
            f"({len(only_ours & expected)} listed)"
        ],
        lists=_by_reason(listed.MIDDLEWARE),
        problems=[
            *(f"fails with our middleware: {t}" for t in sorted(only_ours - expected)),
            *(f"listed, but does not fail: {t}" for t in sorted(expected - only_ours)),
        ],
    )


def failed(outcomes: Outcomes) -> Set[str]:
    """Return the ids of the tests that failed."""
    return {test for test, outcome in outcomes.items() if outcome == "failed"}


def is_label(test: str) -> bool:
    """Tell whether an id is a test's, not that of a module or class that broke."""
    return " " not in test and not test.startswith("unittest.")


def _name(test: str) -> str:
    return test.rpartition(".")[2]


def _by_reason(tests: Mapping[str, str]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for test, reason in sorted(tests.items()):
        lists.setdefault(f"Listed: {reason}", []).append(test)
    return lists
