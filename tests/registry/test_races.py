"""A session that was ended never lives again, in whatever order things happen."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import combinations, product

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import connections

from django_secure_session.registry.models import (
    AccountState,
    Adoption,
    SessionRecord,
)
from tests.registry.interleaving import Actor
from tests.registry.judging import judge
from tests.registry.operations import (
    change,
    cycle,
    cycle_and_go_on,
    cycle_and_log_out,
    cycle_too,
    delete_elsewhere,
    flush,
    log_in_again,
    log_in_as_another,
    log_out,
    log_out_before,
    prove,
    read,
    read_before,
    read_too,
    revoke_all,
    revoke_all_late,
    revoke_in_vain,
    revoke_it,
    revoke_late,
    revoke_others_elsewhere,
    revoke_others_here,
    waiting,
    write,
    write_before,
)
from tests.registry.orders import AtRandom, Everything, Interruptions, play
from tests.registry.racing import ALIAS, World


@pytest.fixture(scope="module")
def database(tmp_path_factory, django_db_blocker) -> Iterator[None]:
    """A database that threads share as servers do, each with a connection."""
    where = {
        "NAME": tmp_path_factory.mktemp("races") / "db.sqlite3",
        "OPTIONS": {"init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=off"},
    }
    connections.settings[ALIAS] = connections.settings["default"] | where
    with django_db_blocker.unblock():
        with connections[ALIAS].schema_editor() as editor:
            for model in (SessionRecord, AccountState, Adoption):
                table = model._meta.db_table
                editor.create_model(model)
                editor.execute(f"CREATE TABLE {table}_kept AS SELECT * FROM {table}")
        yield
        connections[ALIAS].close()
    del connections[ALIAS], connections.settings[ALIAS]


@pytest.fixture(scope="module")
def actors(database) -> Iterator[list[Actor]]:
    actors = [Actor() for _ in range(3)]
    yield actors
    for actor in actors:
        actor.close()


@pytest.fixture(autouse=True)
def site(database, settings):
    settings.DATABASE_ROUTERS = ["tests.registry.racing.Router"]
    settings.CACHES = {
        "default": {
            "BACKEND": "tests.registry.interleaving.PausingCache",
            "LOCATION": "races",
        }
    }
    settings.SECURE_SESSION = settings.SECURE_SESSION | {
        "ACCOUNT_PROVIDER": "tests.registry.racing.Provider"
    }


@pytest.fixture
def race(actors, clock):
    """Return what lets operations race in some orders, and tells in how many."""

    @functools.lru_cache(maxsize=1)  # the database keeps one
    def world_with(prepare, **options):
        world = World(clock, **options)
        if prepare is not None:
            prepare(world)
        return world

    def race(orders, *operations, prepare=None, **options) -> int:
        number = 0
        world = world_with(prepare, **options)
        for order in orders:
            world.begin()
            taken = play(actors, [world.playing(each) for each in operations], order)
            if order.is_redundant:
                continue
            number += 1
            problems = judge(world, taken, operations)
            problems += [repr(each.error) for each in actors if each.error]
            assert not problems, told(operations, problems, taken)
        return number

    return race


def told(operations, problems, taken) -> str:
    """Return what has gone wrong, and the order of steps in which it does."""
    names = [each.__name__ for each in operations]
    steps = [
        f"{names[who]}: {' '.join(step.name.split())[:120]}" for who, step in taken
    ]
    return "\n".join(["", *problems, *steps])


def few(orders=4):
    return AtRandom(orders, seed=6)


ENDINGS = [
    *(log_out, flush, cycle_and_log_out, log_in_as_another, delete_elsewhere),
    *(revoke_it, revoke_all, revoke_others_elsewhere, revoke_late, revoke_all_late),
]
LIVING = [
    *(read, write, cycle, cycle_and_go_on, prove, log_in_again),
    *(revoke_others_here, change, revoke_in_vain),
]


def test_no_order_revives_a_session_that_was_ended(race):
    for end, other in product(ENDINGS, [read, write, cycle_and_go_on, log_in_again]):
        race(few(), end, other)


def test_every_order_of_a_look_up_and_an_end(race):
    for end in (revoke_it, revoke_late, revoke_all):
        assert race(Everything(), read, end) > 8


def test_every_order_of_a_cycle_and_an_end(race):
    assert race(Everything(), cycle_and_go_on, revoke_it) > 20


def test_a_look_up_that_takes_minutes_revives_nothing(race):
    assert race(Everything(), read, revoke_it, waiting(301)) > 30
    for end, seconds in product((revoke_it, revoke_all), (5, 41, 301)):
        assert race(Interruptions(), read, end, waiting(seconds)) > 5


def test_requests_around_a_cycle_stay_signed_in(race):
    for one, other in product((cycle, log_in_again), (read, write, cycle_too, change)):
        race(few(6), one, other)
        race(few(3), one, other, is_warm=True)


def test_an_end_that_is_rolled_back_ends_nothing(race):
    for other in (read, write, cycle):
        race(few(8), revoke_in_vain, other)


def test_a_sid_that_was_given_up_ends_with_its_session(race):
    for end, other in product((log_out_before, revoke_it), (read_before, cycle)):
        race(few(), end, other, prepare=cycled, is_warm=True)
    race(few(), write_before, write, prepare=cycled)


def test_a_session_from_before_the_registry_is_adopted_once(race):
    for end, other in product((log_out, cycle_and_log_out), (read, cycle_and_go_on)):
        race(few(6), end, other, prepare=World.forget)
    race(few(6), read, read_too, cycle, prepare=World.forget)


def test_what_is_noted_of_a_session_revives_nothing(race):
    for end, other in product((log_out, revoke_it, revoke_all), (read, write)):
        race(few(), end, other, prepare=World.age)


def test_the_same_with_djangos_middleware(race):
    for end, other in product((log_out, revoke_it), (write, cycle_and_go_on)):
        race(few(), end, other, middleware=SessionMiddleware)
    race(few(), write, cycle, middleware=SessionMiddleware)


def cycled(world):
    world.cycle()


# 10 000 orders and more

CORE = [read, write, cycle, cycle_and_go_on, log_out, revoke_it, revoke_all]
PAIRS = list(combinations(ENDINGS + LIVING, 2))


@pytest.mark.heavy
@pytest.mark.parametrize("is_warm", [False, True])
def test_every_order_of_two_operations(race, is_warm):
    for one, other in combinations(CORE, 2):
        race(Everything(), one, other, is_warm=is_warm)


@pytest.mark.heavy
def test_many_orders_of_two_operations(race):
    assert sum(race(few(20), one, other) for one, other in PAIRS) > 3000


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(5))
def test_many_orders_of_three_operations(race, seed):
    for end, (one, other) in product(ENDINGS, combinations(LIVING, 2)):
        race(AtRandom(3, seed), end, one, other)
