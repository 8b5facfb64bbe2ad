"""Logging in and out, acting for an organisation, proving oneself again."""

from __future__ import annotations

import secrets
from datetime import timedelta
from types import SimpleNamespace

import django
import pytest
from django.contrib.auth import user_logged_in, user_logged_out
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore as Signed
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, RequestFactory
from django.views.debug import ExceptionReporter

from django_secure_session import (
    NotAuthenticated,
    NotAuthorized,
    decode_session,
    login,
)
from django_secure_session.accounts.claims import parse
from django_secure_session.accounts.receivers import receive_log_in
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.identity import Account, Org
from tests.accounts_site import (
    ACME,
    ADA,
    BACKEND,
    BOB,
    JSON,
    MAX_AGE,
    MIDDLEWARE,
    NOBODY,
    PASSWORD,
    AsyncPeople,
    provider_path,
    says,
)
from tests.accounts_site import ada as ada
from tests.accounts_site import bob as bob
from tests.accounts_site import people as people
from tests.accounts_site import visitor as visitor
from tests.conftest import START
from tests.visits import NAME, deletes, site

OTHER_BACKEND = "django.contrib.auth.backends.AllowAllUsersModelBackend"


def claims(visitor):
    """Return what is sealed in the visitor's cookie."""
    return parse(visitor.session.claims)


async def begin(on):
    """Write something, as a visitor without an account may."""
    await on.set("cart", [1, 2])


async def log_in(on):
    await on.login(ADA)


def logging_in(account, org=None):
    async def log_in(on):
        await on.login(account, org)
        return await on.told()

    return log_in


def logging_in_django(user, backend=BACKEND):
    async def log_in(on):
        await on.django("login", user, backend)
        return await on.told()

    return log_in


def calling(name, *args, **kwargs):
    async def call(on):
        await getattr(on, name)(*args, **kwargs)
        return await on.told()

    return call


def fresh(visitor):
    """Return how a request is answered that wants a log-in of ten minutes ago."""

    async def prove(on):
        await on.call(on.request, "authenticated", fresh=timedelta(minutes=10))

    return visitor.ask(prove, headers=JSON).status


@pytest.fixture
def signals():
    """List the names of users that Django said have logged in or out."""
    seen = []

    def logged_in(user, **_):
        seen.append(("in", getattr(user, "username", None)))

    def logged_out(user, **_):
        seen.append(("out", getattr(user, "username", None)))

    user_logged_in.connect(logged_in)
    user_logged_out.connect(logged_out)
    yield seen
    user_logged_in.disconnect(logged_in)
    user_logged_out.disconnect(logged_out)


# A log-in without Django


def test_a_log_in_counts_in_the_same_request_and_in_the_next(visitor):
    first = visitor.do(logging_in(ADA, ACME))

    assert first.items() >= says(ADA, "acme").items()
    assert visitor.who() == says(ADA, "acme")


def test_a_log_in_asks_the_provider_nothing(visitor, people):
    visitor.do(logging_in(ADA, ACME))
    visitor.who()

    assert people.asked == []


def test_a_log_in_keeps_what_was_put_into_an_anonymous_session(visitor):
    visitor.do(begin)
    visitor.do(logging_in(ADA))

    assert visitor.told()["data"] == {"cart": [1, 2]}


def test_a_log_in_keeps_what_the_same_request_has_written(visitor):
    async def act(on):
        await begin(on)
        await on.login(ADA)

    visitor.do(act)

    assert visitor.told().items() >= {**says(ADA), "data": {"cart": [1, 2]}}.items()


def test_a_log_in_gives_the_session_a_new_sid_and_says_which(visitor):
    visitor.do(begin)
    before = visitor.told()["sid"]
    during = visitor.do(logging_in(ADA))["sid"]

    assert before != during == visitor.told()["sid"]


def test_the_cookie_from_before_a_log_in_stays_anonymous(visitor):
    visitor.do(begin)
    (old,) = visitor.named(NAME)
    visitor.do(log_in)
    visitor.put(old.value)

    assert visitor.who() == NOBODY


def test_a_log_in_again_has_a_new_sid_and_the_same_data(visitor):
    visitor.do(log_in)
    visitor.do(begin)
    before = visitor.told()
    after = visitor.do(logging_in(ADA))

    assert after["sid"] != before["sid"]
    assert visitor.told()["data"] == {"cart": [1, 2]}


@pytest.mark.parametrize("first", [log_in, begin])
def test_a_log_in_makes_a_session_begin_anew(visitor, clock, first):
    visitor.do(first)
    clock.tick(60)
    visitor.do(log_in)

    assert visitor.session.created_at == clock.datetime()


def test_a_log_in_takes_nothing_of_another_account(visitor):
    visitor.do(logging_in(BOB))
    visitor.do(begin)
    before = visitor.told()["sid"]
    after = visitor.do(logging_in(ADA))

    assert after.items() >= says(ADA).items()
    assert (after["data"], visitor.told()["data"]) == ({}, {})
    assert after["sid"] != before


def test_a_log_in_takes_nothing_of_an_account_whose_claims_are_old(
    visitor, clock, people
):
    visitor.do(logging_in(BOB))
    visitor.do(begin)
    del people.known["bob"]
    clock.tick(MAX_AGE)
    assert visitor.who() == NOBODY

    assert visitor.do(logging_in(ADA))["data"] == {}


def test_a_log_in_takes_nothing_of_an_account_that_can_not_be_read(visitor):
    visitor.come_with(b'{"of": "a later version"}', {"cart": [1, 2]})

    assert visitor.do(logging_in(ADA))["data"] == {}


def test_a_log_in_takes_nothing_of_a_django_user(visitor, ada):
    visitor.do(logging_in_django(ada))
    visitor.do(begin)
    after = visitor.do(logging_in(ADA))

    assert after["data"] == {}
    assert visitor.told().items() >= says(ADA).items()


def test_a_log_in_ends_that_of_a_django_user(visitor, ada, signals):
    visitor.do(logging_in_django(ada))

    async def act(on):
        await on.login(BOB)
        return on.request.user.is_authenticated

    assert visitor.do(act) is False
    assert signals == [("in", "ada"), ("out", "ada")]


def test_a_log_in_rotates_the_csrf_token(visitor):
    async def show(on):
        get_token(on.request)
        return on.request.META["CSRF_COOKIE"]

    async def act(on):
        await on.login(ADA)
        return on.request.META["CSRF_COOKIE"]

    before = visitor.do(show)
    during = visitor.do(act)

    assert before != during == visitor.do(show)


def test_a_log_in_rotates_a_csrf_token_in_the_session(visitor, settings):
    settings.CSRF_USE_SESSIONS = True

    async def show(on):
        get_token(on.request)

    visitor.do(show)
    before = visitor.session.data()
    visitor.do(log_in)

    assert visitor.session.data().keys() == before.keys()
    assert visitor.session.data() != before


def test_a_log_in_notes_when_and_how_the_account_proved_itself(visitor, clock):
    async def act(on):
        await on.login(ADA, methods=["pwd", "otp"])

    visitor.do(act)

    sealed = claims(visitor)
    assert sealed.methods == ("pwd", "otp")
    assert sealed.read_at == sealed.authenticated_at == START


def test_a_log_in_whose_response_is_an_error_has_not_been(visitor):
    async def act(on):
        await on.login(ADA)
        return HttpResponse(status=500)

    visitor.ask(act)

    assert visitor.who() == NOBODY


def test_the_sids_of_log_ins_in_one_request_are_the_one_that_is_sent(visitor):
    visitor.do(begin)

    async def act(on):
        await on.login(BOB)
        await on.login(ADA)
        return await on.told()

    assert visitor.do(act)["sid"] == visitor.told()["sid"]


def test_a_log_in_that_does_not_fit_the_cookie_is_an_error(visitor):
    visitor.do(begin)
    visitor.ask(lambda on: on.set("big", "x" * 2900))
    huge = Account(id="a" * 300, role="r" * 300, verified=True)
    answer = visitor.ask(calling("login", huge))

    assert (answer.status, answer.set_cookies) == (500, [])


def test_a_log_in_that_does_not_fit_is_an_error_if_the_rest_was_saved_before(visitor):
    async def act(on):
        await on.set("big", "x" * 2900)
        await on.session("save")
        await on.login(Account(id="a" * 300, role="r" * 300, verified=True))

    assert visitor.ask(act).status == 500
    assert visitor.who() == NOBODY


# What is refused at a log-in


def raises(visitor, error, match, action):
    """Assert what an action in a view raises."""

    async def act(on):
        with pytest.raises(error, match=match) as caught:
            await action(on)
        return str(caught.value)

    return visitor.do(act)


def test_a_django_user_is_told_whose_log_in_it_is(visitor):
    said = raises(visitor, TypeError, "not a User", lambda on: on.login(User()))

    assert "django.contrib.auth.login(request, user)" in said


@pytest.mark.parametrize("account", [None, "ada", 5, {"id": "ada"}, Account])
def test_only_an_account_logs_in(visitor, account):
    raises(visitor, TypeError, "takes an Account", lambda on: on.login(account))

    assert visitor.who() == NOBODY


@pytest.mark.parametrize("org", ["acme", 5, "", {"id": "acme"}, False])
def test_an_organisation_is_no_text_at_a_log_in(visitor, org):
    raises(visitor, TypeError, r"org=Org\(id=", lambda on: on.login(ADA, org))

    assert visitor.who() == NOBODY


@pytest.mark.parametrize("methods", ["password", b"password", [1], [None], ["a", b"b"]])
@pytest.mark.parametrize("name", ["login", "reauthenticate"])
def test_methods_are_a_list_of_texts(visitor, name, methods):
    visitor.do(log_in)
    args = [ADA] if name == "login" else []
    said = raises(
        visitor,
        TypeError,
        "methods is a list of texts",
        lambda on: getattr(on, name)(*args, methods=methods),
    )

    assert 'methods=["password"]' in said
    assert claims(visitor).methods == ("password",)


@pytest.mark.parametrize("org_id", [5, 0, "", b"acme", ["acme"], ACME, True])
def test_an_organisation_to_switch_to_is_a_text(visitor, org_id):
    visitor.do(log_in)
    said = raises(visitor, TypeError, "is a text", lambda on: on.switch_org(org_id))

    assert "str(org.pk)" in said
    assert visitor.who() == says(ADA)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Account(id=5, role="user", verified=True), "Account.id is a int"),
        (lambda: Account(id="", role="user", verified=True), "Account.id is empty"),
        (lambda: Account(id="5", role=None, verified=True), "Account.role is a None"),
        (lambda: Account(id="5", role="", verified=True), "Account.role is empty"),
        (lambda: Account(id="5", role="user", verified=1), "Account.verified is a int"),
        (lambda: Account(id="5", role="a", verified=None), "Account.verified is a"),
        (lambda: Org(id=5), "Org.id is a int"),
        (lambda: Org(id=""), "Org.id is empty"),
    ],
)
def test_what_no_guard_could_compare_is_no_account_and_no_org(make, what):
    with pytest.raises(TypeError, match=what):
        make()


@pytest.mark.parametrize("session", [None, Signed])
def test_a_log_in_needs_a_session_that_is_encrypted(session):
    request = RequestFactory().get("/")
    if session:
        request.session = session()

    with pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE = "):
        login(request, ADA)


def test_a_log_in_needs_no_middleware_of_accounts(visitor, settings):
    settings.MIDDLEWARE = MIDDLEWARE[:-1]
    visitor.do(log_in)
    settings.MIDDLEWARE = MIDDLEWARE

    assert visitor.who() == says(ADA)


@pytest.mark.parametrize("name", ["reauthenticate", "switch_org"])
def test_what_needs_the_middleware_of_accounts_says_so(visitor, settings, name):
    visitor.do(log_in)
    settings.MIDDLEWARE = MIDDLEWARE[:-1]
    args = ["acme"] if name == "switch_org" else []

    raises(
        visitor,
        ImproperlyConfigured,
        "AccountMiddleware in MIDDLEWARE",
        lambda on: getattr(on, name)(*args),
    )


# Logging out


def test_a_log_out_counts_in_the_same_request_and_in_the_next(visitor):
    visitor.do(log_in)
    during = visitor.do(calling("logout"))

    assert during.items() >= NOBODY.items()
    assert visitor.who() == NOBODY


def test_a_log_out_deletes_the_cookie_and_the_data(visitor):
    visitor.do(log_in)
    visitor.do(begin)
    answer = visitor.ask(calling("logout"))

    assert deletes(answer)
    assert answer.json()["data"] == {}


def test_what_is_written_after_a_log_out_is_in_a_new_session(visitor):
    visitor.do(log_in)
    visitor.do(begin)
    before = visitor.told()["sid"]

    async def act(on):
        await on.logout()
        await on.set("bye", True)

    visitor.do(act)
    after = visitor.told()

    assert after.items() >= {**NOBODY, "data": {"bye": True}}.items()
    assert after["sid"] != before


def test_a_log_out_without_a_log_in_ends_the_session(visitor):
    visitor.do(begin)

    assert deletes(visitor.ask(calling("logout")))


def test_a_log_out_without_a_session_sends_nothing(visitor):
    assert visitor.ask(calling("logout")).set_cookies == []


def test_a_log_out_is_django_s_for_a_log_in_of_django(visitor, ada, signals):
    visitor.do(logging_in_django(ada))

    async def act(on):
        await on.logout()
        return on.request.user.is_authenticated

    assert visitor.do(act) is False
    assert signals == [("in", "ada"), ("out", "ada")]
    assert visitor.who() == NOBODY


@pytest.mark.parametrize("error", [TypeError("x"), ValueError("x"), OverflowError()])
def test_what_a_receiver_of_a_log_out_raises_passes_through(visitor, ada, error):
    def fail(**_):
        raise error

    visitor.do(logging_in_django(ada))
    user_logged_out.connect(fail)
    try:
        visitor.ask(calling("logout"))
    finally:
        user_logged_out.disconnect(fail)

    assert visitor.error is error


def test_django_s_log_out_ends_a_log_in_without_django_too(visitor, db):
    visitor.do(log_in)

    async def act(on):
        await on.django("logout")
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


def test_a_log_in_after_a_log_out_in_one_request_counts(visitor):
    visitor.do(logging_in(BOB))

    async def act(on):
        await on.logout()
        await on.login(ADA)
        return await on.who()

    assert visitor.do(act) == says(ADA)
    assert visitor.who() == says(ADA)


def test_a_log_out_needs_no_middleware_of_accounts(visitor, settings):
    visitor.do(log_in)
    settings.MIDDLEWARE = MIDDLEWARE[:-1]

    async def act(on):
        await on.logout()

    assert deletes(visitor.ask(act))


# Organisations


def switching(org_id):
    return calling("switch_org", org_id)


def test_a_switch_counts_in_the_same_request_and_in_the_next(visitor):
    visitor.do(logging_in(ADA, ACME))
    member = Account(id="ada", role="member", verified=True)
    during = visitor.do(switching("post"))

    assert during.items() >= says(member, "post").items()
    assert visitor.who() == says(member, "post")


def test_a_switch_to_no_organisation_has_the_role_outside(visitor):
    visitor.do(logging_in(Account(id="ada", role="owner", verified=True), ACME))
    visitor.do(switching(None))

    assert visitor.who() == says(ADA)


def test_a_switch_has_a_new_sid_and_keeps_the_data_and_the_age(visitor, clock):
    visitor.do(logging_in(ADA, ACME))
    visitor.do(begin)
    before = visitor.told()
    clock.tick(60)
    during = visitor.do(switching("post"))
    after = visitor.told()

    assert before["sid"] != during["sid"] == after["sid"]
    assert (after["created"], after["data"]) == (before["created"], before["data"])


def test_a_switch_keeps_what_the_account_has_proved(visitor, clock):
    visitor.do(logging_in(ADA, ACME))
    clock.tick(60)
    visitor.do(switching("post"))

    sealed = claims(visitor)
    assert (sealed.authenticated_at, sealed.methods) == (START, ("password",))
    assert sealed.read_at == START + 60


def test_a_switch_of_a_django_user_holds_on_to_the_log_in(visitor, ada):
    visitor.do(logging_in_django(ada))
    before = claims(visitor).log_in
    visitor.do(switching("post"))

    assert before
    assert claims(visitor).log_in == before


def test_a_switch_of_a_django_user_checks_the_password_again(visitor, ada):
    visitor.do(logging_in_django(ada))
    ada.set_password("another")
    ada.save()

    raises(visitor, NotAuthenticated, "Log in", lambda on: on.switch_org("post"))
    assert visitor.who() == NOBODY


def test_who_is_no_member_can_not_switch_there(visitor, people):
    visitor.do(logging_in(ADA, ACME))
    before = visitor.told()

    raises(visitor, NotAuthorized, "organisation", lambda on: on.switch_org("evil"))
    assert visitor.told() == before


def test_a_switch_where_the_account_is_no_member_asks_for_no_role(visitor, people):
    visitor.do(logging_in(ADA, ACME))
    raises(visitor, NotAuthorized, "Choose", lambda on: on.switch_org("evil"))

    assert people.asked == [("get_org", "ada", "evil")]


def test_who_is_gone_can_not_switch(visitor, people):
    visitor.do(logging_in(ADA, ACME))
    people.known.clear()

    raises(visitor, NotAuthorized, "Choose", lambda on: on.switch_org("post"))
    raises(visitor, NotAuthorized, "Choose", lambda on: on.switch_org(None))


def test_nobody_can_switch(visitor):
    visitor.do(begin)
    before = visitor.told()

    raises(visitor, NotAuthenticated, "Log in", lambda on: on.switch_org("acme"))
    assert visitor.told() == before


def test_a_refused_switch_is_answered_as_by_a_guard(visitor):
    assert visitor.ask(switching("acme"), headers=JSON).status == 401
    visitor.do(logging_in(ADA))
    assert visitor.ask(switching("evil"), headers=JSON).status == 403


def test_the_role_after_a_switch_is_that_of_the_organisation_it_went_to(
    visitor, settings
):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=f"{__name__}.AnyCase")
    visitor.do(logging_in(ADA, ACME))
    visitor.do(switching("POST"))

    assert visitor.who() == says(
        Account(id="ada", role="member", verified=True), "post"
    )


class AnyCase(AsyncPeople):
    """Looks organisations up whatever their spelling."""

    def get_org(self, account_id, org_id):
        return super().get_org(account_id, org_id and org_id.lower())


def test_a_switch_asks_the_twins(visitor, settings, people):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider_path(AsyncPeople))
    visitor.do(logging_in(ADA, ACME))
    visitor.do(switching("post"))

    twin = "a" if visitor.view(log_in).__name__ == "aview" else ""
    assert people.asked == [
        (f"{twin}get_org", "ada", "post"),
        (f"{twin}get_account", "ada", "post"),
    ]


def test_a_switch_by_a_provider_without_organisations_is_refused(
    visitor, settings, ada
):
    settings.SECURE_SESSION = {**site(), "ACCOUNT_PROVIDER": DJANGO_USERS}
    visitor.do(logging_in_django(ada))

    raises(visitor, NotAuthorized, "Choose", lambda on: on.switch_org("acme"))


DJANGO_USERS = "django_secure_session.accounts.DjangoUserProvider"


def test_an_error_shows_no_hash_of_the_session(ada, monkeypatch):
    sealed = ada.get_session_auth_hash()
    session = SessionStore()
    session["_auth_user_id"], session["_auth_user_hash"] = str(ada.pk), sealed
    monkeypatch.setattr(ada, "get_session_auth_hash", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as error:
        receive_log_in(request=SimpleNamespace(session=session), user=ada)

    reporter = ExceptionReporter(None, error.type, error.value, error.tb)
    # The frame of this test comes first and may show what it likes.
    _, *shown = [str(frame["vars"]) for frame in reporter.get_traceback_frames()]
    assert any("SessionStore" in each for each in shown)
    assert not any(sealed in each for each in shown)


# Proving oneself again


def test_who_proves_himself_again_is_fresh(visitor, clock):
    visitor.do(log_in)
    clock.tick(600)
    assert fresh(visitor) == 401

    visitor.do(calling("reauthenticate"))
    assert fresh(visitor) == 200


def test_who_proves_himself_again_stays_who_he_is(visitor, clock):
    visitor.do(logging_in(ADA, ACME))
    visitor.do(begin)
    before = visitor.told()
    clock.tick(60)
    during = visitor.do(calling("reauthenticate"))
    after = visitor.told()

    assert before["sid"] != during["sid"] == after["sid"]
    assert {**after, "sid": ""} == {**before, "sid": ""}


def test_who_proves_himself_again_does_so_by_other_methods(visitor, clock):
    visitor.do(log_in)
    clock.tick(60)
    visitor.do(calling("reauthenticate", ["hwk"]))

    sealed = claims(visitor)
    assert (sealed.authenticated_at, sealed.methods) == (START + 60, ("hwk",))


def test_a_django_user_can_prove_himself_again(visitor, ada, clock):
    visitor.do(logging_in_django(ada))
    clock.tick(600)
    visitor.do(calling("reauthenticate"))

    assert fresh(visitor) == 200
    clock.tick(MAX_AGE)
    assert fresh(visitor) == 200


def test_nobody_can_prove_himself_again(visitor):
    visitor.do(begin)

    raises(visitor, NotAuthenticated, "Log in", lambda on: on.reauthenticate())
    assert visitor.who() == NOBODY


def test_who_was_locked_out_can_not_prove_himself_again(visitor, people, clock):
    visitor.do(log_in)
    people.known.clear()
    clock.tick(MAX_AGE)

    raises(visitor, NotAuthenticated, "Log in", lambda on: on.reauthenticate())


# Django's log-in


OWNER = Account(id="ada", role="owner", verified=True)


def test_a_log_in_of_django_counts_in_the_same_request_and_in_the_next(visitor, ada):
    during = visitor.do(logging_in_django(ada))

    assert during.items() >= says(OWNER, "acme").items()
    assert visitor.who() == says(OWNER, "acme")


def test_a_log_in_of_django_asks_the_provider_for_the_org_and_the_role_there(
    visitor, ada, people
):
    visitor.do(logging_in_django(ada))
    visitor.who()

    assert people.asked == [
        ("account_for_user", "ada", None),
        ("get_org", "ada", None),
        ("account_for_user", "ada", "acme"),
    ]


def test_a_log_in_of_django_is_fresh(visitor, ada, clock):
    visitor.do(logging_in_django(ada))
    assert fresh(visitor) == 200

    clock.tick(600)
    assert fresh(visitor) == 401


def test_a_log_in_of_django_keeps_an_anonymous_session_s_data(visitor, ada):
    visitor.do(begin)
    visitor.do(logging_in_django(ada))

    assert visitor.told()["data"]["cart"] == [1, 2]


def test_a_log_in_of_django_takes_nothing_of_another_django_user(visitor, ada, bob):
    visitor.do(logging_in_django(bob))
    visitor.do(begin)
    visitor.do(logging_in_django(ada))

    assert "cart" not in visitor.told()["data"]
    assert visitor.who() == says(OWNER, "acme")


def test_a_log_in_of_django_takes_nothing_of_another_account(visitor, ada):
    visitor.do(logging_in(BOB))
    visitor.do(begin)
    during = visitor.do(logging_in_django(ada))

    assert "cart" not in during["data"]
    assert "cart" not in visitor.told()["data"]
    assert visitor.who() == says(OWNER, "acme")


def test_a_log_in_of_django_takes_nothing_of_an_account_that_can_not_be_read(
    visitor, ada
):
    visitor.come_with(b'{"of": "a later version"}', {"cart": [1, 2]})

    assert "cart" not in visitor.do(logging_in_django(ada))["data"]
    assert visitor.who() == says(OWNER, "acme")


def test_a_log_in_of_django_keeps_the_data_of_the_same_account(visitor, ada):
    visitor.do(logging_in(ADA))
    visitor.do(begin)
    before = visitor.told()["sid"]
    during = visitor.do(logging_in_django(ada))

    assert during["data"]["cart"] == [1, 2]
    assert during["sid"] != before


def counted_sids(monkeypatch):
    """Count from now on how often a session gets another sid."""
    made = []
    renew = SessionStore._renew_sid
    monkeypatch.setattr(
        SessionStore, "_renew_sid", lambda self: [made.append(1), renew(self)][1]
    )
    return made


def test_a_first_log_in_of_django_gives_a_new_sid_once(visitor, ada, monkeypatch):
    visitor.do(begin)
    before = visitor.told()["sid"]
    made = counted_sids(monkeypatch)
    during = visitor.do(logging_in_django(ada))["sid"]

    assert before != during == visitor.told()["sid"]
    assert made == [1]


def test_a_log_in_again_of_django_gives_a_new_sid_once(visitor, ada, monkeypatch):
    visitor.do(logging_in_django(ada))
    before = visitor.told()["sid"]
    made = counted_sids(monkeypatch)
    during = visitor.do(logging_in_django(ada))["sid"]

    assert before != during == visitor.told()["sid"]
    assert made == [1]


def test_a_log_in_again_of_django_keeps_the_data_and_begins_anew(visitor, ada, clock):
    visitor.do(logging_in_django(ada))
    visitor.do(begin)
    clock.tick(1000)
    visitor.do(logging_in_django(ada))

    assert visitor.session["cart"] == [1, 2]
    assert visitor.session.created_at == clock.datetime()
    assert claims(visitor).authenticated_at == clock.now


def test_a_log_in_by_another_backend_is_another_log_in(visitor, ada, settings):
    settings.AUTHENTICATION_BACKENDS = [BACKEND, OTHER_BACKEND]
    visitor.do(logging_in_django(ada))
    first = claims(visitor).log_in
    visitor.do(logging_in_django(ada, OTHER_BACKEND))

    assert claims(visitor).log_in != first
    assert visitor.who() == says(OWNER, "acme")


def test_a_user_whom_the_provider_keeps_out_is_nobody(visitor, ada, people):
    del people.known["ada"]

    assert visitor.do(logging_in_django(ada)).items() >= NOBODY.items()
    assert visitor.who() == NOBODY


def test_a_user_whom_the_provider_keeps_out_is_not_who_was_here_before(
    visitor, ada, people
):
    visitor.do(logging_in(BOB))
    del people.known["ada"]

    assert visitor.do(logging_in_django(ada)).items() >= NOBODY.items()
    assert visitor.who() == NOBODY


def test_a_user_whom_the_provider_keeps_out_takes_nothing_of_another_account(
    visitor, ada, people
):
    visitor.do(logging_in(BOB))
    visitor.do(begin)
    del people.known["ada"]

    assert "cart" not in visitor.do(logging_in_django(ada))["data"]
    assert "cart" not in visitor.told()["data"]


def test_a_user_whom_the_provider_lets_in_later_gets_in_without_a_log_in(
    visitor, ada, people
):
    person = people.known.pop("ada")
    visitor.do(logging_in_django(ada))
    people.known["ada"] = person

    assert visitor.who() == says(OWNER, "acme")
    assert fresh(visitor) == 401  # nobody saw when


def test_a_log_in_by_the_test_client_is_one(ada, settings):
    client = Client()
    client.force_login(ada)
    session = decode_session(client.cookies[NAME].value)

    assert parse(session.claims)[:2] == (OWNER, ACME)
    assert parse(session.claims).authenticated_at == START


async def test_a_log_in_by_the_async_test_client_is_one(people):
    client = AsyncClient()
    user = User(username="ada", pk=1)
    user.backend = BACKEND
    user.save = lambda **_: None  # the time of the last log-in
    await client.aforce_login(user)
    session = decode_session(client.cookies[NAME].value)

    assert parse(session.claims)[:2] == (OWNER, ACME)


def test_a_log_in_by_the_test_client_again_has_another_sid(ada):
    client = Client()
    client.force_login(ada)
    first = client.session.sid
    client.force_login(ada)

    assert client.session.sid != first


def test_a_log_in_from_before_this_package_counts_when_it_is_asked_for(
    visitor, ada, people
):
    visitor.begin(
        {
            "_auth_user_id": str(ada.pk),
            "_auth_user_backend": BACKEND,
            "_auth_user_hash": ada.get_session_auth_hash(),
        }
    )

    assert visitor.who() == says(OWNER, "acme")
    assert visitor.who() == says(OWNER, "acme")
    assert len(people.asked) == 3
    assert fresh(visitor) == 401


# The signal without a log-in


def signalling(user, request="its own"):
    """Return a view that sends the signal as token libraries do."""

    async def signal(on):
        sent_with = on.request if request == "its own" else request
        if on.is_async:
            await user_logged_in.asend(User, request=sent_with, user=user)
        else:
            user_logged_in.send(User, request=sent_with, user=user)
        return await on.told()

    return signal


def test_the_signal_of_a_token_makes_no_account(visitor, ada):
    visitor.do(begin)
    before = visitor.told()

    assert visitor.do(signalling(ada)) == before
    assert visitor.told() == before


def test_the_signal_of_a_token_makes_no_log_in_fresh(visitor, ada, clock):
    visitor.do(logging_in_django(ada))
    clock.tick(600)
    before = visitor.told()

    assert visitor.do(signalling(ada)) == before
    assert visitor.told() == before
    assert fresh(visitor) == 401


def test_the_signal_of_another_user_s_token_changes_no_account(visitor, ada, bob):
    visitor.do(logging_in_django(ada))
    visitor.do(signalling(bob))

    assert visitor.who() == says(OWNER, "acme")


def test_the_signal_after_a_log_in_in_one_request_counts_once(visitor, ada, clock):
    async def act(on):
        await on.log_in_django(ada)
        clock.tick(600)
        await signalling(ada)(on)

    visitor.do(act)

    assert fresh(visitor) == 401


def test_a_changed_password_and_the_signal_of_a_token_make_no_log_in_fresh(
    visitor, ada, clock
):
    visitor.do(logging_in_django(ada))
    clock.tick(600)

    async def act(on):
        await on.change_password("another")
        await signalling(on.request.user)(on)

    visitor.do(act)

    assert visitor.who() == says(OWNER, "acme")
    assert fresh(visitor) == 401


def test_a_new_secret_key_and_the_signal_of_a_token_make_no_log_in_fresh(
    visitor, ada, clock, settings
):
    visitor.do(logging_in_django(ada))
    clock.tick(600)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = PASSWORD

    async def act(on):
        await on.who()  # Django writes a new hash into the session
        await signalling(ada)(on)

    visitor.do(act)

    assert visitor.who() == says(OWNER, "acme")
    assert fresh(visitor) == 401


@pytest.mark.parametrize("hash_", ["", "wrong", "0" * 64, None, 5, []])
def test_the_signal_of_a_token_and_django_s_keys_from_a_client_make_no_account(
    visitor, ada, hash_
):
    keys = {"_auth_user_id": str(ada.pk), "_auth_user_backend": BACKEND}

    async def act(on):
        for key, value in {**keys, "_auth_user_hash": hash_}.items():
            await on.set(key, value)
        await signalling(ada)(on)
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


def test_the_signal_of_a_token_and_another_user_s_keys_make_no_account(
    visitor, ada, bob
):
    async def act(on):
        await on.set("_auth_user_id", str(bob.pk))
        await on.set("_auth_user_backend", BACKEND)
        await on.set("_auth_user_hash", ada.get_session_auth_hash())
        await signalling(ada)(on)
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


@pytest.mark.parametrize("request_", [None, RequestFactory().get("/")])
def test_the_signal_may_have_no_request_or_one_without_a_session(
    visitor, ada, request_
):
    visitor.do(begin)

    assert visitor.do(signalling(ada, request_)).items() >= NOBODY.items()


def test_the_signal_may_come_with_a_session_of_another_engine(visitor, ada):
    request = RequestFactory().get("/")
    request.session = Signed()
    request.session.update(
        {"_auth_user_id": str(ada.pk), "_auth_user_hash": ada.get_session_auth_hash()}
    )
    visitor.do(signalling(ada, request))

    assert visitor.who() == NOBODY


@pytest.mark.skipif(django.VERSION >= (6, 1), reason="Django wants a session hash")
@pytest.mark.parametrize("before", [None, BOB])
def test_a_user_without_a_session_hash_is_nobody(visitor, ada, before, monkeypatch):
    if before:
        visitor.do(logging_in(before))
    monkeypatch.delattr(
        "django.contrib.auth.base_user.AbstractBaseUser.get_session_auth_hash"
    )

    async def act(on):
        await on.log_in_django(ada)
        return await on.who()

    assert visitor.do(act) == NOBODY
    assert visitor.who() == NOBODY


def test_a_user_whose_session_hash_is_empty_is_nobody(visitor, ada, monkeypatch):
    monkeypatch.setattr(User, "get_session_auth_hash", lambda self: "")

    assert visitor.do(logging_in_django(ada)).items() >= NOBODY.items()
    assert visitor.who() == NOBODY


def test_a_log_in_takes_the_place_of_a_cookie_of_an_unknown_key(visitor, settings):
    visitor.do(log_in)
    settings.SECURE_SESSION = settings.SECURE_SESSION | {"KEY": secrets.token_bytes(32)}
    visitor.do(log_in)

    assert visitor.who() == says(ADA)
