"""Tell whether the time of a refusal tells which ids there are.

A key with an id that nobody has is held against one with an id that somebody has and a
wrong secret. They are sent in pairs, each in an order that is drawn; what counts is the
median over the pairs, with a bootstrap interval. Two controls: ids that nobody has on
both sides must show no difference, and a look-up that reads the row by its id and then
compares must show one, or nothing could be seen here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from unittest import mock

from benchmarks import options as common
from benchmarks import site
from benchmarks.api_keys import project
from benchmarks.api_keys.cases import HEADERS
from benchmarks.api_keys.project import NEEDED, OURS
from benchmarks.measuring import Case, thread_time
from benchmarks.transports import WSGI

MODULE = "benchmarks.api_keys.timing"

#: What is held against an unknown id, with which look-up.
NOISE, LOOK_UP, NAIVE = "unknown id again", "wrong secret", "wrong secret, naive"
KINDS = (NOISE, LOOK_UP, NAIVE)
_KEYS = 100  # of each kind, so that no single row decides
_RESAMPLES = 1000

Make = Callable[[], str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print, as JSON, nanoseconds: the difference, its interval, the request."""
    options = common.parser(MODULE, rounds=10_000).parse_args(arguments)
    chance = random.Random(options.seed)
    logging.getLogger("django_secure_session").addHandler(logging.NullHandler())
    figures: dict[str, float] = {}
    with project.site(is_async=False):
        sides = _sides()
        for kind in KINDS:
            with _naive() if kind == NAIVE else contextlib.nullcontext():
                _refuse_other_answers(sides[kind])
                figures |= _compared(kind, sides, options.rounds, chance)
    print(json.dumps(figures))


def names(kind: str) -> dict[str, str]:
    """Return what the figures of a kind are called."""
    return {each: f"{each}: {kind}" for each in ("median", "low", "high", "request")}


def _sides() -> dict[str, list[Case]]:
    """Return requests by what is wrong about their keys."""
    handler = site.handler(WSGI.handler, project.setup(NEEDED, OURS))
    transport = WSGI()

    def requests(make: Make) -> list[Case]:
        shown = [{"authorization": f"Bearer {make()}"} for _ in range(_KEYS)]
        path = f"{transport.prefix}{OURS}/"
        return [transport.case(handler, path, headers=HEADERS | one) for one in shown]

    sides = {"unknown": requests(_unknown), NOISE: requests(_unknown)}
    sides[LOOK_UP] = sides[NAIVE] = requests(_with_wrong_secret)
    return sides


def _refuse_other_answers(cases: Sequence[Case]) -> None:
    for case in cases:
        if WSGI().answer(case).status != 401:
            raise RuntimeError("This is not the answer that is to be measured.")


def _unknown() -> str:
    from django_secure_session.api_keys import tokens

    return tokens.mint("dss", "live").text


def _with_wrong_secret() -> str:
    """Return a key whose id is in the table, with the digest of another."""
    from django_secure_session.api_keys import tokens
    from django_secure_session.api_keys.models import ApiKey

    text = project.our_key()
    presented = tokens.parse(text, "dss")
    other = tokens.digest(_unknown())
    ApiKey.objects.filter(pk=presented.key_id).update(digest=other)
    return text


@contextlib.contextmanager
def _naive() -> Iterator[None]:
    """Read the row by its id alone; the secret is compared afterwards."""
    from django_secure_session.api_keys import tokens
    from django_secure_session.api_keys.models import ApiKey

    parse, ids = tokens.parse, [""]

    def parse_and_tell(text: str, prefix: str) -> tokens.Presented | None:
        presented = parse(text, prefix)
        ids[0] = presented.key_id if presented else ""
        return presented

    def find(digest: str) -> ApiKey | None:
        return ApiKey.objects.filter(pk=ids[0]).first()

    with (
        mock.patch.object(tokens, "parse", parse_and_tell),
        mock.patch.object(ApiKey.objects, "find", find),
    ):
        yield


def _compared(
    kind: str, sides: Mapping[str, list[Case]], pairs: int, chance: random.Random
) -> dict[str, float]:
    spent = list(_pairs(sides["unknown"], sides[kind], pairs, chance))
    differences = [other - unknown for unknown, other in spent]
    low, high = interval(differences, chance)
    values = (
        statistics.median(differences),
        low,
        high,
        statistics.median(unknown for unknown, _ in spent),
    )
    return dict(zip(names(kind).values(), values, strict=True))


def _pairs(
    unknown: list[Case], others: list[Case], pairs: int, chance: random.Random
) -> Iterator[tuple[int, int]]:
    """Yield the CPU nanoseconds of two requests, sent in an order that is drawn."""
    for _ in range(pairs):
        one, other = chance.choice(unknown), chance.choice(others)
        if chance.random() < 0.5:
            first = thread_time(one, 1)
            yield first, thread_time(other, 1)
        else:
            first = thread_time(other, 1)
            yield thread_time(one, 1), first


def interval(
    differences: Sequence[float], chance: random.Random
) -> tuple[float, float]:
    """Return the 95 % interval of the median by the percentile bootstrap."""
    medians = sorted(
        statistics.median(chance.choices(differences, k=len(differences)))
        for _ in range(_RESAMPLES)
    )
    tail = round(_RESAMPLES * 0.025)
    return medians[tail], medians[-tail - 1]


if __name__ == "__main__":
    main()
