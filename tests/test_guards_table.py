"""Each guard on each kind of view, against whoever may ask, in whichever way.

What has to come out is written down in ``tests/guarded/table.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from asgiref.sync import iscoroutinefunction
from django.conf import settings as site_settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from tests.conftest import START
from tests.guarded import people, site, table
from tests.guarded.cells import OWN_403, Cell, cells_of, differences, visit
from tests.guarded.people import CLAIMS_MAX_AGE, django_log_in, own_log_in
from tests.guarded.provider import Members
from tests.guarded.table import FUNCTIONS, GUARDS, IDENTITIES, views_with
from tests.http import SECURE_MIDDLEWARE, asgi, wsgi
from tests.spilling import Recording
from tests.visits import site as site_with
from tests.visits import value

DJANGO_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
ACCOUNTS = "django_secure_session.middleware.AccountMiddleware"
MIDDLEWARE = [SECURE_MIDDLEWARE, CSRF, AUTHENTICATION, ACCOUNTS]
HANDLERS = ["wsgi", "asgi"]
LOG_INS = [django_log_in, own_log_in]


@pytest.fixture(autouse=True)
def _site(settings, db, clock, caplog):
    settings.LOGIN_URL = table.LOG_IN_PAGE
    settings.MIDDLEWARE = MIDDLEWARE
    settings.ROOT_URLCONF = "tests.guarded.site"
    settings.SECURE_SESSION = site_with(
        ACCOUNT_PROVIDER="tests.guarded.provider.Members",
        REAUTHENTICATE_URL=table.PROVING_PAGE,
    )
    loader = ("django.template.loaders.locmem.Loader", {"403.html": OWN_403})
    backend = settings.TEMPLATES[0]["BACKEND"]
    settings.TEMPLATES = [{"BACKEND": backend, "OPTIONS": {"loaders": [loader]}}]
    # To format the log of each refusal would take a third of the time.
    caplog.set_level("CRITICAL", "django")
    Members.reset()
    site.ran.clear()


# The table


PAIRS = [(identity, guard) for identity in IDENTITIES for guard in GUARDS]


@pytest.mark.parametrize(
    ("identity", "guard"),
    [
        # All of them take half a minute, and three interpreters run the others.
        pytest.param(*pair, marks=pytest.mark.heavy if number % 4 else ())
        for number, pair in enumerate(PAIRS)
    ],
)
def test_a_guard_does_what_the_table_says(identity, guard, clock):
    token = people.COME[identity](django_log_in, clock)

    assert not differences(visit(cells_of(identity, guard), token))


@pytest.mark.parametrize("identity", sorted({*table.SEEN, "disabled", "deleted"}))
def test_a_log_in_without_django_is_guarded_alike(identity, clock):
    token = people.COME[identity](own_log_in, clock)
    cells = [
        Cell(identity, guard, view, "json", server)
        for guard, view, server in product(GUARDS, FUNCTIONS, HANDLERS)
    ]

    assert not differences(visit(cells, token))


def test_the_table_has_every_dimension():
    cells = {
        cell
        for identity, guard in product(IDENTITIES, GUARDS)
        for cell in cells_of(identity, guard)
    }
    identities = (
        *("nobody", "anonymous", "expired", "disabled", "deleted", "changed_password"),
        *("unverified", "wrong_role", "right_role", "no_org", "stale"),
    )
    guards = ("bare", "roles", "verified", "org", "fresh", "role_or_key", "public")
    views = (
        *("function", "class", "method_decorator", "include", "in_view"),
        *("async_function", "async_class", "async_method_decorator"),
        *("async_include", "async_in_view"),
    )
    kinds = ("navigation", "json", "head", "post")
    each = set(product(identities, guards, views, kinds))
    not_to_be_said = {c for c in each if c[1] == "role_or_key" and "in_view" in c[2]}

    assert each - not_to_be_said <= {cell[:4] for cell in cells}
    assert {cell.server for cell in cells} >= {*HANDLERS, "client", "async_client"}
    assert len(each - not_to_be_said) >= 2000


@pytest.mark.parametrize("guard", GUARDS)
def test_each_view_is_of_the_kind_that_its_path_says(guard):
    for view in views_with(guard):
        found = resolve(f"/{guard}/{view}/").func
        assert iscoroutinefunction(found) is view.startswith("async"), view
        is_class = view.removeprefix("async_") in ("class", "method_decorator")
        assert hasattr(found, "view_class") is is_class, view


# Other middleware

CHAINS = {
    "Django's sessions": [DJANGO_SESSIONS, *MIDDLEWARE[1:]],
    "log-in required": [
        *MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ],
    "account required": [
        *MIDDLEWARE,
        "django_secure_session.middleware.AccountRequiredMiddleware",
    ],
}
SOME = ["nobody", "expired", "disabled", "wrong_role", "right_role", "stale"]


def pages(identity, guards):
    """Return a few cells of a visitor, a view for each handler."""
    return [
        Cell(identity, guard, view, kind, server)
        for view, server in zip(FUNCTIONS, HANDLERS, strict=True)
        for guard, kind in product(guards, ["navigation", "json"])
    ]


@pytest.mark.parametrize("identity", SOME)
@pytest.mark.parametrize("chain", CHAINS)
def test_guards_do_the_same_with_other_middleware(chain, identity, settings, clock):
    settings.MIDDLEWARE = CHAINS[chain]
    token = people.COME[identity](django_log_in, clock)
    cells = pages(identity, [guard for guard in GUARDS if guard != "public"])

    # Django's own sends a session without a word on caches.
    assert not differences(visit(cells, token), apart_from=["may be stored"])


@pytest.mark.parametrize("identity", SOME)
@pytest.mark.parametrize("chain", CHAINS)
def test_a_public_view_is_open_with_other_middleware(chain, identity, settings, clock):
    settings.MIDDLEWARE = CHAINS[chain]
    token = people.COME[identity](django_log_in, clock)
    visits = visit(pages(identity, ["public"]), token)

    # Django's own looks at the session of each request.
    assert not differences(visits, apart_from=["may be stored", "vary", "cookie"])


# Forged requests

#: Where Django itself does not look: what takes API keys, and what is csrf_exempt.
NOT_LOOKED_AT = [
    ("role_or_key", ""),
    *((guard, "/exempt") for guard in GUARDS if guard != "public"),
]


def posts(identity, guard, below=""):
    return [
        Cell(identity, guard, view, "post", server, below)
        for view, server in product(views_with(guard), HANDLERS)
    ]


def assert_forgery_is_found(visits):
    for cell, answer, ran in visits:
        assert answer.status == 403, cell
        assert b"CSRF verification failed" in answer.body, cell
        assert not ran, cell


@pytest.mark.parametrize("identity", ["nobody", "right_role"])
@pytest.mark.parametrize("guard", sorted({*GUARDS} - {"role_or_key"}))
def test_a_forged_post_runs_no_view(identity, guard, clock):
    token = people.COME[identity](django_log_in, clock)
    assert_forgery_is_found(visit(posts(identity, guard), token, forged=True))


@pytest.mark.parametrize(("guard", "below"), NOT_LOOKED_AT)
def test_a_guard_finds_the_forgery_that_django_does_not_look_for(guard, below, clock):
    token = people.right_role(django_log_in, clock)
    cells = posts("right_role", guard, below)
    assert_forgery_is_found(visit(cells, token, forged=True))


@pytest.mark.parametrize(("guard", "below"), NOT_LOOKED_AT)
def test_an_honest_post_to_such_a_view_runs_it(guard, below, clock):
    token = people.right_role(django_log_in, clock)
    assert not differences(visit(posts("right_role", guard, below), token))


@pytest.mark.parametrize(("guard", "below"), NOT_LOOKED_AT)
def test_whoever_may_not_enter_is_told_that_first(guard, below):
    cells = posts("nobody", guard, below)
    assert not differences(visit(cells, "", forged=True))


def test_an_exempt_view_for_everybody_is_open_to_any_post():
    cells = posts("nobody", "public", "/exempt")
    assert not differences(visit(cells, "", forged=True))


# When a change shows

#: What happens to whom, at which guard it shows, and as what. A former member has
#: another role, that outside of the organisation.
CHANGES = {
    "role": (people.change_role, "roles", "wrong_role"),
    "disablement": (people.disable, "bare", "not_authenticated"),
    "deletion": (people.delete, "bare", "not_authenticated"),
    "password": (people.change_password, "bare", "not_authenticated"),
    "membership": (people.lose_membership, "org", "no_org"),
    "role as a member": (people.lose_membership, "roles", "wrong_role"),
}
CHANGES_OF = {
    "django_log_in": CHANGES,
    "own_log_in": {
        **{name: change for name, change in CHANGES.items() if name != "password"},
        "disablement": (people.lock_out, "bare", "not_authenticated"),
    },
}
CASES = [(log_in, name) for log_in in CHANGES_OF for name in CHANGES_OF[log_in]]
PLACES = list(product(HANDLERS, FUNCTIONS))

USER = {"pk": 4711, "username": "ada"}


@pytest.fixture(scope="module")
def other_worker():
    """Return the cookies that another process has sealed, and the user's password."""
    password = make_password(people.PASSWORD)
    told = {
        "secret_key": site_settings.SECRET_KEY,
        "key": site_settings.SECURE_SESSION["KEY"].hex(),
        "now": START,
        "user": {**USER, "password": password},
    }
    child = subprocess.run(
        [sys.executable, "-m", "tests.guarded.worker"],
        input=json.dumps(told),
        cwd=Path(__file__).parents[1],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(child.stdout), password


@pytest.fixture
def logged_in_elsewhere(other_worker):
    """Return cookies by the way to log in, of an account that is good for all."""
    cookies, password = other_worker
    User.objects.create(**USER, password=password)
    people.join()
    return cookies


def ask(guard, token, server="wsgi", view="function"):
    """Return what a program gets from a view, in one word, and the answer."""
    cell = Cell("", guard, view, "json", server)
    ((_, answer, ran),) = visit([cell], token)
    assert ran == ([cell.path] if answer.status == 200 else [])
    return "runs" if ran else answer.json()["code"], answer


@pytest.mark.parametrize(("server", "view"), PLACES)
@pytest.mark.parametrize(("log_in", "change"), CASES)
def test_before_claims_max_age_a_change_does_not_show(
    log_in, change, server, view, logged_in_elsewhere, clock
):
    happens, guard, _ = CHANGES_OF[log_in][change]
    happens()
    clock.tick(CLAIMS_MAX_AGE - 0.001)

    outcome, answer = ask(guard, logged_in_elsewhere[log_in], server, view)
    assert outcome == "runs"
    assert not answer.set_cookies


@pytest.mark.parametrize(("server", "view"), PLACES)
@pytest.mark.parametrize(("log_in", "change"), CASES)
def test_from_claims_max_age_on_a_change_shows_in_another_worker(
    log_in, change, server, view, logged_in_elsewhere, clock
):
    happens, guard, expected = CHANGES_OF[log_in][change]
    clock.tick(CLAIMS_MAX_AGE - 0.001)
    happens()
    clock.tick(0.001)

    assert ask(guard, logged_in_elsewhere[log_in], server, view)[0] == expected


@pytest.mark.parametrize(("server", "view"), PLACES)
@pytest.mark.parametrize("log_in", CHANGES_OF)
def test_without_a_change_the_account_is_the_same_after_claims_max_age(
    log_in, server, view, logged_in_elsewhere, clock
):
    clock.tick(CLAIMS_MAX_AGE)

    outcome, answer = ask("strict", logged_in_elsewhere[log_in], server, view)
    assert outcome == "runs"
    assert answer.json()["seen"] == table.SEEN["right_role"]


@pytest.mark.parametrize("log_in", LOG_INS)
def test_a_better_role_shows_after_claims_max_age_too(log_in, clock):
    token = people.wrong_role(log_in, clock)
    people.promote()

    clock.tick(CLAIMS_MAX_AGE - 0.001)
    assert ask("roles", token)[0] == "wrong_role"
    clock.tick(0.001)
    assert ask("roles", token)[0] == "runs"


@pytest.mark.parametrize(("log_in", "change"), CASES)
def test_a_claims_max_age_of_0_shows_a_change_at_once(
    log_in, change, settings, logged_in_elsewhere
):
    settings.SECURE_SESSION = site_with(CLAIMS_MAX_AGE=0)
    happens, guard, expected = CHANGES_OF[log_in][change]

    assert ask(guard, logged_in_elsewhere[log_in])[0] == "runs"
    happens()
    assert ask(guard, logged_in_elsewhere[log_in])[0] == expected


@pytest.mark.parametrize(("log_in", "change"), CASES)
def test_a_claims_max_age_of_none_never_shows_a_change(
    log_in, change, settings, logged_in_elsewhere, clock
):
    settings.SECURE_SESSION = site_with(CLAIMS_MAX_AGE=None)
    happens, guard, _ = CHANGES_OF[log_in][change]
    happens()
    clock.tick(days=13)

    assert ask(guard, logged_in_elsewhere[log_in])[0] == "runs"


@pytest.mark.parametrize("log_in", LOG_INS)
def test_what_was_read_again_holds_for_claims_max_age(log_in, clock):
    token = people.right_role(log_in, clock)
    clock.tick(CLAIMS_MAX_AGE)
    token = value(ask("roles", token)[1])
    people.change_role()

    clock.tick(CLAIMS_MAX_AGE - 0.001)
    assert ask("roles", token)[0] == "runs"
    clock.tick(0.001)
    assert ask("roles", token)[0] == "wrong_role"


def test_a_disablement_can_be_taken_back(logged_in_elsewhere, clock):
    token = logged_in_elsewhere["django_log_in"]
    people.disable()
    clock.tick(CLAIMS_MAX_AGE)
    assert ask("bare", token)[0] == "not_authenticated"

    User.objects.update(is_active=True)
    assert ask("bare", token)[0] == "runs"


# What it costs


@pytest.fixture
def recording(settings):
    """Have a cache that notes what it is asked for."""
    settings.CACHES = {"default": {"BACKEND": "tests.spilling.Recording"}}


def seen_asking(act):
    """Do something; return what comes of it, and queries and calls in the meantime."""
    Members.calls.clear()
    Recording.reset()
    with CaptureQueriesContext(connection) as queries:
        outcome = act()
    return outcome, len(queries), Members.calls, Recording.calls


@pytest.mark.parametrize("server", HANDLERS)
@pytest.mark.parametrize(
    "identity",
    ["nobody", "anonymous", "unverified", "wrong_role", "right_role", "no_org"],
)
def test_a_guard_asks_nothing_while_the_claims_are_fresh(
    identity, server, clock, recording
):
    token = people.COME[identity](django_log_in, clock)
    clock.tick(CLAIMS_MAX_AGE - 0.001)
    cells = [
        Cell(identity, guard, view, "json", server)
        for guard in GUARDS
        for view in views_with(guard)
    ]

    seen = seen_asking(lambda: differences(visit(cells, token)))
    assert seen == ({}, 0, [], [])


@pytest.mark.parametrize(("server", "view"), PLACES)
@pytest.mark.parametrize(
    ("log_in", "queries", "calls"),
    [
        (django_log_in, 1, ["get_org", "account_for_user"]),
        (own_log_in, 0, ["get_org", "get_account"]),
    ],
)
def test_the_provider_is_asked_once_after_claims_max_age(
    log_in, queries, calls, server, view, clock, recording
):
    token = people.right_role(log_in, clock)
    clock.tick(CLAIMS_MAX_AGE)

    (outcome, answer), *asked = seen_asking(lambda: ask("often", token, server, view))
    assert [outcome, *asked] == ["runs", queries, calls, []]

    clock.tick(CLAIMS_MAX_AGE - 0.001)
    again = seen_asking(lambda: ask("often", value(answer), server, view)[0])
    assert again == ("runs", 0, [], [])


@pytest.mark.parametrize(("server", "view"), PLACES)
def test_the_provider_for_django_s_users_makes_one_query(
    server, view, settings, clock, recording
):
    provider = "django_secure_session.accounts.DjangoUserProvider"
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider)
    token = django_log_in()
    seen = seen_asking(lambda: ask("bare", token, server, view)[0])
    assert seen == ("runs", 0, [], [])

    clock.tick(CLAIMS_MAX_AGE)
    (outcome, answer), *asked = seen_asking(lambda: ask("bare", token, server, view))
    assert [outcome, *asked] == ["runs", 1, [], []]

    seen = seen_asking(lambda: ask("bare", value(answer), server, view)[0])
    assert seen == ("runs", 0, [], [])


@pytest.mark.parametrize(("server", "view"), PLACES)
def test_a_claims_max_age_of_0_asks_the_provider_once_a_request(
    server, view, settings, clock, recording
):
    settings.SECURE_SESSION = site_with(CLAIMS_MAX_AGE=0)
    token = people.right_role(django_log_in, clock)

    (outcome, answer), *asked = seen_asking(lambda: ask("often", token, server, view))
    assert [outcome, *asked] == ["runs", 1, ["get_org", "account_for_user"], []]

    seen = seen_asking(lambda: ask("often", value(answer), server, view)[0])
    assert seen == ("runs", 1, ["get_org", "account_for_user"], [])


def looking(request):
    """Look often who it is, without a guard."""
    return HttpResponse(repr([request.account or request.org for _ in range(3)]))


async def alooking(request):
    found = [await request.aaccount() or await request.aorg() for _ in range(3)]
    return HttpResponse(repr(found))


@pytest.mark.parametrize("server", [wsgi, asgi])
@pytest.mark.parametrize("view", [looking, alooking])
def test_that_it_is_nobody_is_found_out_once_a_request(server, view, clock, recording):
    cookie = people.cookie_header(people.disabled(django_log_in, clock))

    answer, *asked = seen_asking(lambda: server(view, cookie))
    assert answer.body == b"[None, None, None]"
    assert asked == [1, [], []]
