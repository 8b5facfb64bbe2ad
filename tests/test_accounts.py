"""What a request says of who it is from, in every kind of site and on bad days."""

from __future__ import annotations

import json
import logging
import sys
from typing import ClassVar

import pytest
from django.contrib.auth import login
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path

from django_secure_session import Account, authenticated, decode_session
from django_secure_session.exceptions import NotAuthenticated, StoreUnavailable
from tests.accounts_site import (
    ACCOUNTS,
    ACME,
    ADA,
    BACKEND,
    BOB,
    JSON,
    MAX_AGE,
    MIDDLEWARE,
    NOBODY,
    REQUIRED,
    STOCK,
    AsyncPeople,
    Doing,
    People,
    claims_of,
    provider_path,
    says,
    sealed,
)
from tests.accounts_site import ada as ada
from tests.accounts_site import bob as bob
from tests.accounts_site import people as people
from tests.accounts_site import visitor as visitor
from tests.http import SECURE_MIDDLEWARE, asgi, wsgi
from tests.spilling import cache as cache
from tests.test_main import run_python
from tests.visits import NAME, cookie, deletes
from tests.visits import site as site_with

OWNER = Account(id="ada", role="owner", verified=True)
DJANGO_KEYS = ["_auth_user_id", "_auth_user_backend", "_auth_user_hash"]


def old(visitor, data=None):
    """Let a visitor come with claims that have to be read again."""
    visitor.come_with(claims_of(ADA, age=MAX_AGE), data)


# Requests


def test_a_request_of_nobody_says_none(visitor):
    async def look(on):
        account = await on.call(on.request, "account")
        org = await on.call(on.request, "org")
        return [account is None, org is None, on.request.auth_via is None]

    assert visitor.do(look) == [True, True, True]


def test_asking_who_nobody_is_sends_no_cookie(visitor):
    answer = visitor.ask(Doing.who)

    assert answer.set_cookies == []
    assert answer.header("vary") == "Cookie"


def test_a_request_that_is_not_asked_does_not_vary(visitor):
    async def nothing(on):
        return None

    visitor.come_with(claims_of(ADA))

    assert visitor.ask(nothing).header("vary") is None


@pytest.mark.parametrize("name", ["account", "org", "auth_via"])
def test_what_a_request_says_can_not_be_set(visitor, name):
    async def act(on):
        with pytest.raises(AttributeError):
            setattr(on.request, name, BOB)
        return await on.who()

    visitor.come_with(claims_of(ADA))

    assert visitor.do(act) == says(ADA)


def test_a_session_of_another_class_is_nobody_s(visitor):
    async def act(on):
        on.request.session = {"_auth_user_id": "1"}
        return await on.who()

    visitor.come_with(claims_of(ADA))

    assert visitor.do(act) == NOBODY


def test_another_session_in_the_same_request_is_asked_anew(visitor):
    async def act(on):
        first = await on.who()
        on.request.session = decode_session(sealed(claims_of(BOB)))
        return [first, await on.who()]

    visitor.come_with(claims_of(ADA))

    assert visitor.do(act) == [says(ADA), says(BOB)]


# What becomes of the session


def doing(name, *args, **kwargs):
    return lambda on: on.session(name, *args, **kwargs)


async def clear(on):
    await on.session("items")  # clear() has no twin, so it has to be loaded
    on.request.session.clear()


async def clear_and_write(on):
    await clear(on)
    await on.set("cart", [1])


async def flush_and_write(on):
    await on.session("flush")
    await on.set("cart", [1])


async def flush_and_reload(on):
    await on.session("flush")
    await on.session("reload")


async def delete_by_its_token(on):
    await on.session("delete", on.request.session.session_key)


async def delete_another(on):
    await on.session("delete", sealed(claims_of(BOB)))


async def log_out(on):
    await on.logout()


async def clear_and_reload(on):
    await clear(on)
    await on.session("reload")


async def save_and_reload(on):
    await on.set("cart", [1])
    await on.session("save")
    await on.session("reload")


async def set_and_reset(on):
    was = await on.session("get", "_auth_user_hash")
    await on.set("_auth_user_hash", "0")
    await on.who()
    await on.set("_auth_user_hash", was)


ENDS = {
    "clear": clear,
    "clear and write": clear_and_write,
    "flush": doing("flush"),
    "flush and write": flush_and_write,
    "flush and reload": flush_and_reload,
    "delete": doing("delete"),
    "delete by its token": delete_by_its_token,
    "regenerate": doing("regenerate"),
    "regenerate and keep": doing("regenerate", keep=["cart"]),
    "logout": log_out,
}
GOES_ON = {
    "cycle_key": doing("cycle_key"),
    "create": doing("create"),
    "save": doing("save"),
    "touch": doing("touch"),
    "reload": doing("reload"),
    "clear and reload": clear_and_reload,
    "save and reload": save_and_reload,
    "set_expiry": doing("set_expiry", 60),
    "delete another": delete_another,
    "exists": doing("exists", "x" * 64),
    "pop": doing("pop", "cart", None),
}


@pytest.fixture(params=["own", "django"])
def identity(request, visitor, ada):
    """Let ada be logged in, by Django or without; return what requests say."""
    if request.param == "own":
        visitor.come_with(claims_of(ADA, ACME), {"cart": [1]})
        return says(ADA, "acme")
    visitor.do(lambda on: on.log_in_django(ada))
    return says(OWNER, "acme")


def during(action):
    """Return a view that asks who it is, does something, and asks again."""

    async def act(on):
        await on.who()
        await action(on)
        return await on.who()

    return act


def assert_then(visitor, action, expected):
    assert visitor.do(during(action)) == expected
    assert visitor.who() == expected


@pytest.mark.parametrize("action", ENDS.values(), ids=ENDS)
def test_what_ends_the_session_leaves_no_account(visitor, identity, action):
    assert_then(visitor, action, NOBODY)


@pytest.mark.parametrize("action", GOES_ON.values(), ids=GOES_ON)
def test_what_lets_the_session_go_on_leaves_the_account(visitor, identity, action):
    assert_then(visitor, action, identity)


AGES = ["cycle_key", "create", "save", "touch"]


@pytest.mark.parametrize("name", AGES)
def test_no_log_in_gets_younger_by_a_method_of_the_session(
    visitor, identity, clock, name
):
    born = visitor.session.created_at
    clock.tick(60)
    visitor.do(during(doing(name)))

    assert visitor.session.created_at == born


def test_a_session_that_ends_has_no_claims_in_the_next_cookie(visitor, identity):
    visitor.do(clear_and_write)

    assert visitor.session.claims == b""


@pytest.fixture
def django_ada(visitor, ada):
    visitor.do(lambda on: on.log_in_django(ada))


@pytest.mark.parametrize("key", DJANGO_KEYS)
def test_a_user_without_one_of_django_s_keys_is_nobody(visitor, django_ada, key):
    assert_then(visitor, doing("pop", key), NOBODY)


@pytest.mark.parametrize("key", DJANGO_KEYS)
def test_deleting_one_of_django_s_keys_leaves_nobody(visitor, django_ada, key):
    async def delete(on):
        del on.request.session[key]

    assert_then(visitor, delete, NOBODY)


@pytest.mark.parametrize("key", DJANGO_KEYS)
def test_another_value_for_one_of_django_s_keys_leaves_nobody(visitor, django_ada, key):
    assert_then(visitor, lambda on: on.set(key, "99"), NOBODY)


def test_a_key_of_django_s_that_is_put_back_leaves_the_account(visitor, django_ada):
    async def act(on):
        was = await on.session("pop", "_auth_user_backend")
        first = await on.who()
        await on.set("_auth_user_backend", was)
        return [first, await on.who()]

    assert visitor.do(act) == [NOBODY, says(OWNER, "acme")]
    assert visitor.who() == says(OWNER, "acme")


def test_keeping_all_of_django_s_keys_keeps_the_account(visitor, django_ada):
    action = doing("regenerate", keep=DJANGO_KEYS)

    assert_then(visitor, action, says(OWNER, "acme"))


def test_keeping_one_of_django_s_keys_keeps_no_account(visitor, django_ada):
    assert_then(visitor, doing("regenerate", keep=DJANGO_KEYS[:1]), NOBODY)


def test_keeping_django_s_keys_keeps_no_log_in_without_django(visitor):
    visitor.come_with(claims_of(ADA))

    assert_then(visitor, doing("regenerate", keep=DJANGO_KEYS), NOBODY)


def test_a_log_in_that_was_not_saved_is_forgotten_by_reload(visitor):
    visitor.begin({"cart": [1]})

    async def act(on):
        await on.login(ADA)
        await on.session("reload")

    assert_then(visitor, act, NOBODY)


def test_a_log_in_into_a_new_session_is_forgotten_by_reload(visitor):
    async def act(on):
        await on.login(ADA)
        await on.session("reload")

    assert_then(visitor, act, NOBODY)


def test_a_switch_that_was_not_saved_is_forgotten_by_reload(visitor):
    visitor.come_with(claims_of(OWNER, ACME))

    async def act(on):
        await on.switch_org("post")
        await on.session("reload")

    assert_then(visitor, act, says(OWNER, "acme"))


class Ending(AsyncPeople):
    """Does something while it is asked, as another task of the request may."""

    on: ClassVar[Doing]

    def get_account(self, account_id, org_id):
        self.on.request.session.flush()
        return super().get_account(account_id, org_id)

    async def aget_account(self, account_id, org_id):
        await self.on.logout()
        return await super().aget_account(account_id, org_id)


def test_a_session_that_ends_while_its_account_is_read_stays_ended(visitor, settings):
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider_path(Ending))
    old(visitor)

    async def act(on):
        Ending.on = on
        await on.who()
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


class Replacing(AsyncPeople):
    """Lets a user log in over the one it is asked about, as another task may."""

    on: ClassVar[Doing]
    other: ClassVar[object]

    def account_for_user(self, user, org_id):
        if user != self.other and not self.on.is_async:
            login(self.on.request, self.other, BACKEND)
        return super().account_for_user(user, org_id)

    async def aaccount_for_user(self, user, org_id):
        if user != self.other:
            await self.on.log_in_django(self.other)
        return await super().aaccount_for_user(user, org_id)


@pytest.fixture
def replacing(visitor, settings, ada, bob):
    """Let ada be logged in and have no claims, and bob be no account's."""
    people = {"ada": People.known.pop("ada")}
    visitor.do(lambda on: on.log_in_django(ada))
    assert visitor.session.claims == b""
    People.known = people
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider_path(Replacing))
    Replacing.other = bob


def test_a_user_who_logs_in_while_another_s_account_is_read_does_not_get_it(
    visitor, replacing, bob
):
    async def act(on):
        Replacing.on = on
        first = await on.who()
        return [first, await on.who()]

    assert visitor.do(act) == [NOBODY, NOBODY]
    assert visitor.session.data()["_auth_user_id"] == str(bob.pk)
    assert visitor.session.claims == b""
    assert visitor.who() == NOBODY


def test_a_log_in_while_a_user_of_the_same_hash_is_looked_up_gets_no_account(
    visitor, ada, bob, monkeypatch
):
    """As users have it whose passwords were never set."""
    type(ada).objects.update(password="")
    ada.refresh_from_db()
    bob.refresh_from_db()
    people = {"ada": People.known.pop("ada")}
    visitor.do(lambda on: on.log_in_django(ada))
    People.known = people
    get_user, aget_user = ModelBackend.get_user, ModelBackend.aget_user

    async def act(on):
        def look_up(backend, user_id):
            user = get_user(backend, user_id)
            login(on.request, bob, BACKEND)
            return user

        async def alook_up(backend, user_id):
            user = await aget_user(backend, user_id)
            await on.log_in_django(bob)
            return user

        with monkeypatch.context() as patch:
            patch.setattr(ModelBackend, "get_user", look_up)
            patch.setattr(ModelBackend, "aget_user", alook_up)
            return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


def test_whoever_logs_in_while_the_organisation_is_switched_does_not_act_for_it(
    visitor, settings, django_ada, bob
):
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider_path(Replacing))
    del People.known["bob"]
    Replacing.other = bob

    async def act(on):
        Replacing.on = on
        with pytest.raises(NotAuthenticated):
            await on.switch_org("post")
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.session.data()["_auth_user_id"] == str(bob.pk)
    assert visitor.who() == NOBODY


def test_a_session_that_ends_while_the_organisation_is_switched_stays_ended(
    visitor, settings
):
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider_path(Ending))
    visitor.come_with(claims_of(OWNER, ACME))

    async def act(on):
        Ending.on = on
        with pytest.raises(NotAuthenticated):
            await on.switch_org("post")
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


def test_whoever_changes_the_password_goes_on(visitor, django_ada):
    assert_then(visitor, lambda on: on.change_password("new"), says(OWNER, "acme"))


def test_whoever_changes_the_password_has_other_claims(visitor, django_ada):
    before = visitor.session.claims
    visitor.do(during(lambda on: on.change_password("new")))

    assert visitor.session.claims != before


def test_another_browser_is_nobody_s_when_its_claims_are_old(
    visitor, django_ada, clock
):
    (other,) = visitor.named(NAME)
    visitor.do(lambda on: on.change_password("new"))
    visitor.put(other.value)
    assert visitor.who() == says(OWNER, "acme")

    clock.tick(MAX_AGE)
    assert visitor.who() == NOBODY


# A database that is down

DOWN = [OperationalError("no connection"), InterfaceError("connection closed")]
each_fault = pytest.mark.parametrize("error", DOWN, ids=lambda e: type(e).__name__)


def assert_unavailable(answer):
    assert answer.status == 503
    assert int(answer.header("retry-after")) > 0
    assert answer.header("cache-control") == "no-store"
    assert cookie(answer) is None


@each_fault
def test_a_view_that_asks_is_unavailable(visitor, people, error):
    old(visitor)
    people.error = error
    assert_unavailable(visitor.ask(Doing.who))

    people.error = None
    assert visitor.who() == says(ADA)


@each_fault
def test_a_view_that_asks_is_unavailable_where_the_twins_fail(
    visitor, settings, people, error
):
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider_path(AsyncPeople))
    old(visitor)
    people.error = error

    assert_unavailable(visitor.ask(Doing.who))


def test_a_store_of_the_provider_s_own_may_be_down(visitor, people):
    old(visitor)
    people.error = StoreUnavailable("The directory")

    assert_unavailable(visitor.ask(Doing.who))


@each_fault
def test_a_user_whom_django_can_not_look_up_makes_it_unavailable(
    visitor, django_ada, clock, monkeypatch, error
):
    clock.tick(MAX_AGE)

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ModelBackend, "get_user", fail)
        patch.setattr(ModelBackend, "aget_user", fail)
        assert_unavailable(visitor.ask(Doing.who))
    assert visitor.who() == says(OWNER, "acme")


def test_young_claims_need_no_database(visitor, people):
    visitor.come_with(claims_of(ADA))
    people.error = DOWN[0]

    assert visitor.who() == says(ADA)


def test_nobody_needs_no_database(visitor, people):
    visitor.begin({"cart": [1]})
    people.error = DOWN[0]

    assert visitor.who() == NOBODY


def test_an_unavailable_database_is_logged_with_its_error(visitor, people, caplog):
    old(visitor)
    people.error = DOWN[0]
    visitor.ask(Doing.who)

    records = [r for r in caplog.records if r.name == "django_secure_session"]
    assert [(r.levelno, r.exc_info[1]) for r in records] == [(logging.ERROR, DOWN[0])]
    assert "database" in records[0].getMessage()


def test_what_was_written_before_the_database_failed_is_not_saved(visitor, people):
    old(visitor, {"cart": [1]})
    people.error = DOWN[0]

    async def act(on):
        await on.set("cart", [2])
        await on.who()

    assert_unavailable(visitor.ask(act))
    assert visitor.session.data() == {"cart": [1]}


def test_a_view_may_do_without_the_database(visitor, people):
    old(visitor)
    people.error = DOWN[0]

    async def act(on):
        with pytest.raises(StoreUnavailable):
            await on.who()
        await on.set("cart", [1])
        return "without"

    assert visitor.do(act) == "without"
    assert visitor.session.data() == {"cart": [1]}


@each_fault
def test_a_guard_is_unavailable_and_its_view_does_not_run(visitor, people, error):
    old(visitor)
    people.error = error
    ran = []

    async def act(on):
        ran.append(1)

    view = authenticated(visitor.view(act))
    for headers in ({}, JSON):
        assert_unavailable(visitor.get(view, headers=headers))
    assert ran == []


@each_fault
@pytest.mark.parametrize("name", ["reauthenticate", "switch_org"])
def test_a_change_of_the_log_in_is_unavailable(visitor, people, error, name):
    old(visitor)
    people.error = error
    args = ["acme"] if name == "switch_org" else []

    assert_unavailable(visitor.ask(lambda on: getattr(on, name)(*args)))
    people.error = None
    assert visitor.who() == says(ADA)


def test_a_switch_is_unavailable_while_the_claims_are_young(visitor, people):
    visitor.come_with(claims_of(ADA))
    people.error = DOWN[0]

    assert_unavailable(visitor.ask(lambda on: on.switch_org("acme")))


@each_fault
def test_a_log_in_of_django_is_unavailable(visitor, ada, people, error):
    visitor.begin({"cart": [1]})
    people.error = error
    assert_unavailable(visitor.ask(lambda on: on.log_in_django(ada)))

    people.error = None
    assert visitor.who() == NOBODY
    assert visitor.session.data() == {"cart": [1]}


def test_a_log_in_of_django_in_the_place_of_another_is_unavailable(
    visitor, django_ada, bob, people
):
    people.error = DOWN[0]
    assert_unavailable(visitor.ask(lambda on: on.log_in_django(bob)))

    people.error = None
    assert visitor.who() == says(OWNER, "acme")


def fail_to_look_up(monkeypatch):
    def fail(*args):
        raise DOWN[0]

    monkeypatch.setattr(ModelBackend, "get_user", fail)
    monkeypatch.setattr(ModelBackend, "aget_user", fail)


@pytest.mark.parametrize("name", ["login", "logout"])
def test_what_ends_a_log_in_of_django_is_unavailable(
    visitor, django_ada, monkeypatch, name
):
    with monkeypatch.context() as patch:
        fail_to_look_up(patch)
        args = [BOB] if name == "login" else []
        assert_unavailable(visitor.ask(lambda on: getattr(on, name)(*args)))
    assert visitor.who() == says(OWNER, "acme")


# Templates and middleware are sync, under either server.


@pytest.fixture
def page(settings):
    """Return a function that sets the template page.html."""
    backend = settings.TEMPLATES[0]["BACKEND"]

    def write(text):
        loader = ("django.template.loaders.locmem.Loader", {"page.html": text})
        processor = "django_secure_session.context_processors.account"
        options = {"loaders": [loader], "context_processors": [processor]}
        settings.TEMPLATES = [{"BACKEND": backend, "OPTIONS": options}]

    return write


def rendered(request):
    return render(request, "page.html")


def rendered_late(request):
    return TemplateResponse(request, "page.html")


each_page = pytest.mark.parametrize("view", [rendered, rendered_late])
SAYS = "{% if account is None %}nobody{% else %}{{ account.role }}{% endif %} {{ org }}"


@each_page
def test_a_template_says_who_it_is(visitor, page, view):
    page("{{ account.id }} {{ account.role }} {{ account.verified }} {{ org.id }}")
    visitor.come_with(claims_of(ADA, ACME))

    assert visitor.get(view).body == b"ada guest True acme"


@each_page
def test_a_template_says_none_of_nobody(visitor, page, view):
    page(SAYS)

    assert visitor.get(view).body == b"nobody None"


def test_a_template_that_does_not_ask_does_not_vary(visitor, page):
    page("ok")
    visitor.come_with(claims_of(ADA))

    assert visitor.get(rendered).header("vary") is None


@each_page
def test_a_template_reads_old_claims_again(visitor, page, view, people):
    page("{{ account.id }} {{ org }} {{ account.role }}")
    old(visitor)

    assert visitor.get(view).body == b"ada None guest"
    assert people.asked == [("get_account", "ada", None)]


@each_fault
@each_page
def test_a_template_that_asks_is_unavailable(visitor, page, people, error, view):
    page("{{ account.id }}")
    old(visitor)
    people.error = error
    assert_unavailable(visitor.get(view))

    people.error = None
    assert visitor.get(view).body == b"ada"


@each_page
def test_a_template_that_asks_in_a_condition_is_unavailable(
    visitor, page, people, view
):
    page("{% if account %}yes{% else %}no{% endif %}")
    old(visitor)
    people.error = DOWN[0]

    assert_unavailable(visitor.get(view))


@pytest.fixture(params=[SECURE_MIDDLEWARE, STOCK], ids=["ours", "django's"])
def required(request, settings):
    """Let every view need an account, under either session middleware."""
    settings.MIDDLEWARE = [request.param, *MIDDLEWARE[1:], REQUIRED]


@each_fault
def test_the_middleware_that_wants_an_account_is_unavailable(
    visitor, required, people, error
):
    old(visitor)
    people.error = error
    for headers in ({}, JSON):
        assert_unavailable(visitor.ask(Doing.who, headers=headers))

    people.error = None
    assert visitor.who() == says(ADA)


@pytest.mark.urls(__name__)
def test_an_unavailable_database_is_no_crash_of_the_site(required, people):
    client = Client()  # which raises what crashes
    client.cookies[NAME] = sealed(claims_of(ADA, age=MAX_AGE))
    people.error = DOWN[0]

    assert client.get("/").status_code == 503


urlpatterns = [path("", lambda request: HttpResponse("ok"))]


@pytest.fixture
def under_django_s(settings):
    settings.MIDDLEWARE = [STOCK, *MIDDLEWARE[1:]]


def test_a_view_that_asks_is_unavailable_under_django_s_session_middleware(
    visitor, people, under_django_s
):
    old(visitor)
    people.error = DOWN[0]

    assert_unavailable(visitor.ask(Doing.who))


def test_a_log_in_of_django_is_unavailable_under_django_s_session_middleware(
    visitor, ada, people, under_django_s
):
    visitor.begin({"cart": [1]})
    people.error = DOWN[0]

    assert_unavailable(visitor.ask(lambda on: on.log_in_django(ada)))


class Asking:
    """Middleware of a site that asks who it is before the view."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        request.by = request.account
        return self.get_response(request)


@pytest.mark.parametrize(
    "error", [*DOWN, StoreUnavailable("The directory")], ids=lambda e: type(e).__name__
)
def test_middleware_that_asks_is_unavailable(visitor, settings, people, error):
    settings.MIDDLEWARE = [*MIDDLEWARE, f"{__name__}.Asking"]
    old(visitor)
    people.error = error
    assert_unavailable(visitor.ask(Doing.who))

    people.error = None
    assert visitor.who() == says(ADA)


def test_other_errors_of_a_database_are_no_outage(visitor, people):
    old(visitor)
    people.error = DatabaseError("a wrong query")

    assert visitor.ask(Doing.who).status == 500
    assert visitor.error is people.error


# Async views that ask synchronously


def ask_in_async_view(claims, look, **kwargs):
    """Return what an async view gets that does not await."""

    async def view(request):
        return HttpResponse(repr(look(request)))

    header = f"{NAME}={sealed(claims, **kwargs)}".encode()
    return asgi(view, cookie=header)


ASKING = {
    "account": lambda request: request.account,
    "org": lambda request: request.org,
    "auth_via": lambda request: request.auth_via,
    "authenticated": lambda request: request.authenticated(),
}
each_asking = pytest.mark.parametrize("look", ASKING.values(), ids=ASKING)


@each_asking
def test_an_async_view_may_ask_synchronously_while_claims_are_young(look):
    assert ask_in_async_view(claims_of(ADA, ACME), look).status == 200


@each_asking
def test_an_async_view_that_asks_synchronously_hears_what_to_await(look, people):
    said = []

    def ask(request):
        with pytest.raises(SynchronousOnlyOperation) as caught:
            look(request)
        said.append(str(caught.value))

    ask_in_async_view(claims_of(ADA, ACME, age=MAX_AGE), ask)

    assert "await request.aaccount()" in said[0]
    assert "request.aorg()" in said[0]
    assert "request.aauthenticated()" in said[0]
    assert people.asked == []


def test_an_async_view_that_has_awaited_may_ask_synchronously():
    async def view(request):
        await request.aaccount()
        return HttpResponse(request.account.role)

    token = sealed(claims_of(ADA, age=MAX_AGE))

    assert asgi(view, cookie=f"{NAME}={token}".encode()).body == b"guest"


def test_an_async_view_of_a_session_in_the_cache_hears_what_to_await(visitor, cache):
    visitor.do(lambda on: on.login(ADA))
    said = []

    async def view(request):
        with pytest.raises(SynchronousOnlyOperation, match="await the a") as caught:
            _ = request.account
        said.append(caught.value)
        return HttpResponse((await request.aaccount()).id)

    (stored,) = visitor.named(NAME)

    answer = asgi(view, cookie=f"{NAME}={stored.value}".encode())
    assert answer.body == b"ada"
    assert said


# Sites without a user model


@pytest.fixture
def no_users(settings, monkeypatch):
    """Let the site have no django.contrib.auth, and importing its models fail."""
    settings.INSTALLED_APPS = ["django_secure_session"]
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE, MIDDLEWARE[1], ACCOUNTS]
    for name in ("models", "backends", "middleware", "views", "forms"):
        monkeypatch.setitem(sys.modules, f"django.contrib.auth.{name}", None)


DJANGO_DATA = dict(zip(DJANGO_KEYS, ["1", BACKEND, "0" * 64], strict=True))
LEFTOVERS = [
    {},
    DJANGO_DATA,
    {"_auth_user_id": "1"},
    {**DJANGO_DATA, "_auth_user_id": "abc"},
    {"_auth_user_id": [1]},
]
each_leftover = pytest.mark.parametrize("data", LEFTOVERS, ids=range(len(LEFTOVERS)))


@each_leftover
def test_without_users_a_session_without_claims_is_nobody_s(visitor, no_users, data):
    visitor.begin(data)

    assert visitor.who() == NOBODY


@each_leftover
def test_without_users_somebody_can_log_in(visitor, no_users, data):
    visitor.begin(data)
    visitor.do(lambda on: on.login(ADA, ACME))

    assert visitor.who() == says(ADA, "acme")


@each_leftover
def test_without_users_somebody_can_log_out(visitor, no_users, data):
    visitor.come_with(claims_of(ADA), data)
    answer = visitor.ask(lambda on: on.logout())

    assert answer.status == 200
    assert deletes(answer)


@each_leftover
def test_without_users_nobody_can_log_out(visitor, no_users, data):
    visitor.begin(data)

    assert visitor.ask(lambda on: on.logout()).status == 200


@each_leftover
def test_without_users_old_claims_are_read_again(visitor, no_users, data, people):
    old(visitor, data)

    assert visitor.who() == says(ADA)
    assert people.asked == [("get_account", "ada", None)]


def test_without_users_claims_of_a_log_in_of_django_are_nobody_s(visitor, no_users):
    visitor.come_with(claims_of(ADA, log_in="x"), DJANGO_DATA)

    assert visitor.who() == NOBODY


def test_without_users_an_org_can_be_switched(visitor, no_users):
    visitor.come_with(claims_of(ADA), DJANGO_DATA)
    visitor.do(lambda on: on.switch_org("acme"))

    assert visitor.who() == says(OWNER, "acme")


def test_without_users_somebody_can_prove_himself_again(visitor, no_users):
    visitor.come_with(claims_of(ADA), DJANGO_DATA)

    assert visitor.ask(lambda on: on.reauthenticate()).status == 200
    assert visitor.who() == says(ADA)


def test_without_users_every_view_can_want_an_account(visitor, no_users, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REQUIRED]
    assert visitor.ask(Doing.who, headers=JSON).status == 401

    visitor.come_with(claims_of(ADA))
    assert visitor.who() == says(ADA)


def test_without_users_a_template_says_who_it_is(visitor, no_users, page):
    page(SAYS)
    visitor.come_with(claims_of(ADA))

    assert visitor.get(rendered).body == b"guest None"


def test_without_users_the_provider_of_django_users_says_what_is_missing(
    visitor, no_users, settings
):
    settings.SECURE_SESSION = {"KEY": settings.SECURE_SESSION["KEY"]}
    visitor.do(lambda on: on.login(ADA))
    assert visitor.who() == says(ADA)

    old(visitor)
    visitor.ask(Doing.who)
    assert isinstance(visitor.error, ImproperlyConfigured)
    assert '"ACCOUNT_PROVIDER"' in str(visitor.error)


def test_without_users_leftovers_need_no_provider(visitor, no_users, settings):
    settings.SECURE_SESSION = {"KEY": settings.SECURE_SESSION["KEY"]}
    visitor.begin(DJANGO_DATA)

    assert visitor.who() == NOBODY


NO_USERS = """
import json, secrets
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django_secure_session"],
    MIDDLEWARE={middleware!r},
    SECRET_KEY=secrets.token_urlsafe(50),
    SECURE_SESSION={{"ACCOUNT_PROVIDER": "tests.accounts_site.People"}},
    SESSION_ENGINE="django_secure_session.backends.encrypted_cookies",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["*"],
)
urlpatterns = []
django.setup()
import django_secure_session
for name in django_secure_session.__all__:
    getattr(django_secure_session, name)
import django_secure_session.context_processors
from django.core.management import call_command
from tests.accounts_site import ADA, Doing, People, Visitor
from tests.http import asgi, wsgi

call_command("check")
for server in (wsgi, asgi):
    People.reset()
    visitor = Visitor(server)
    visitor.do(lambda on: on.login(ADA))
    said = [visitor.who()["account"]["id"]]
    visitor.do(lambda on: on.logout())
    print(json.dumps([*said, visitor.who()["account"]]))
"""


def test_without_users_everything_can_be_imported_and_used(tmp_path):
    middleware = [SECURE_MIDDLEWARE, MIDDLEWARE[1], ACCOUNTS]
    source = NO_USERS.format(middleware=middleware)
    (tmp_path / "start.py").write_text(source)
    result = run_python("-W", "error", "start.py", folder=tmp_path)

    assert result.stderr == ""
    assert result.stdout.splitlines()[-2:] == ['["ada", null]'] * 2


# A site with a user model of its own

MEMBERS = """
from django.contrib.auth.models import AbstractBaseUser
from django.db import models


class Member(AbstractBaseUser):
    id = models.UUIDField(primary_key=True)
    email = models.EmailField(unique=True)
    role = models.CharField(max_length=20)
    verified = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
"""
OWN_USERS = """
import json, secrets, uuid
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=[
        "django_secure_session",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "members",
    ],
    AUTH_USER_MODEL="members.Member",
    DATABASES={{"default": {{
        "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:",
    }}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE={middleware!r},
    SECRET_KEY=secrets.token_urlsafe(50),
    SECURE_SESSION={{"CLAIMS_MAX_AGE": 0}},
    SESSION_ENGINE="django_secure_session.backends.encrypted_cookies",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["*"],
)
urlpatterns = []
django.setup()
from django.core.management import call_command
from django.db.backends.base.base import BaseDatabaseWrapper
from members.models import Member
from tests.accounts_site import Doing, Visitor, claims_of
from tests.http import asgi, wsgi

call_command("migrate", run_syncdb=True, verbosity=0)
BaseDatabaseWrapper.close_if_unusable_or_obsolete = lambda self: None  # in memory
member = Member(id=uuid.UUID(int=7), email="ada@example.com", role="owner")
member.set_password("old")
member.save()
said = {{}}
for server in (wsgi, asgi):
    visitor = Visitor(server)

    def who():
        answer = visitor.who()["account"]
        return answer and [answer["role"], answer["verified"]]

    def with_(**fields):
        Member.objects.update(**fields)
        return who()

    visitor.do(lambda on: on.log_in_django(member))
    found = {{
        "id": visitor.who()["account"]["id"],
        "logged in": who(),
        "promoted": with_(role="admin"),
        "verified": with_(verified=True),
        "without a role": with_(role=""),
        "disabled": with_(is_active=False),
    }}
    Member.objects.update(role="owner", verified=False, is_active=True)
    found["enabled again"] = who()
    Member.objects.update(password=server.__name__)
    found["changed password"] = who()
    for wrong in ("abc", "7", "", 7, None, [1]):
        visitor.begin({{
            "_auth_user_id": wrong,
            "_auth_user_backend": settings.AUTHENTICATION_BACKENDS[0],
            "_auth_user_hash": "0",
        }})
        found[f"wrong id {{wrong}}"] = who()
    for account_id in (str(member.pk), "abc"):
        from django_secure_session import Account
        account = Account(id=account_id, role="guest", verified=False)
        visitor.come_with(claims_of(account))
        visitor.ask(Doing.who)
        found[f"own log-in {{len(account_id)}}"] = type(visitor.error).__name__
    member.refresh_from_db()
    said[server.__name__] = found
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def own_users(tmp_path_factory):
    """Run a site with a user model of its own; return what it said, by server."""
    folder = tmp_path_factory.mktemp("own_users")
    (folder / "members").mkdir()
    (folder / "members/__init__.py").touch()
    (folder / "members/models.py").write_text(MEMBERS)
    (folder / "start.py").write_text(OWN_USERS.format(middleware=MIDDLEWARE))
    result = run_python("start.py", folder=folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


SAID = {
    "id": "00000000-0000-0000-0000-000000000007",
    "logged in": ["owner", False],
    "promoted": ["admin", False],
    "verified": ["admin", True],
    "without a role": ["user", True],
    "disabled": None,
    "enabled again": ["owner", False],
    "changed password": None,
    "wrong id abc": None,
    "wrong id 7": None,
    "wrong id ": None,
    "wrong id None": None,
    "wrong id [1]": None,
    "own log-in 36": "ImproperlyConfigured",
    "own log-in 3": "ImproperlyConfigured",
}


@pytest.mark.parametrize("server", [wsgi, asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("what", SAID)
def test_a_user_model_of_the_site_s_own_is_who_its_rows_say(own_users, server, what):
    assert own_users[server.__name__][what] == SAID[what]
