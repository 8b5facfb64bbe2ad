from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
from enum import StrEnum

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.utils.safestring import SafeString

from django_secure_session import Account, NotAuthenticated, NotAuthorized, Org
from django_secure_session.accounts import claims
from django_secure_session.identity import NOBODY as NO_IDENTITY
from django_secure_session.identity import Claims
from django_secure_session.middleware.requests import (
    AccountRequest,
    prepare,
    request_class,
)
from tests.guard_views import (
    ACME,
    ADMIN,
    MEMBER,
    NOBODY,
    cookie_of,
    request_of,
    session_of,
)
from tests.guard_views import guarded_site as guarded_site
from tests.http import SERVERS, asgi, both, wsgi

# Accounts and organisations are values

VALUES = [ADMIN, ACME]


def account(**changes):
    return Account(**{"id": "1", "role": "admin", "verified": True, **changes})


EXAMPLES = {
    "Account.id": "str(user.pk)",
    "Account.role": '"member"',
    "Org.id": "str(org.pk)",
}


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("", "empty"),
        (1, "a int"),
        (None, "a NoneType"),
        (b"1", "a bytes"),
        (["1"], "a list"),
        (True, "a bool"),
    ],
)
@pytest.mark.parametrize("name", ["Account.id", "Account.role", "Org.id"])
def test_ids_and_roles_are_texts_that_are_not_empty(name, value, given):
    kind, _, field = name.partition(".")
    make = account if kind == "Account" else Org
    message = f"{name} is {given}; it must be a text, such as {EXAMPLES[name]}."

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make(**{field: value})


@pytest.mark.parametrize("value", [1, 0, "yes", "", None])
def test_verified_is_true_or_false(value):
    message = f"Account.verified is a {type(value).__name__}; it must be True or False."

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        account(verified=value)


@pytest.mark.parametrize("name", ["id", "role", "verified"])
def test_an_account_is_complete(name):
    fields = dataclasses.asdict(ADMIN)
    del fields[name]

    with pytest.raises(TypeError, match=name):
        Account(**fields)


def test_the_fields_are_named():
    with pytest.raises(TypeError, match="positional"):
        Account("1", "admin", True)  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        Org("acme")  # type: ignore[misc]


class Role(TextChoices):
    ADMIN = "admin"


class Plain(StrEnum):
    ADMIN = "admin"


@pytest.mark.parametrize("role", [Role.ADMIN, Plain.ADMIN, SafeString("admin")])
def test_a_role_may_be_any_kind_of_text(role):
    made = account(role=role)
    sealed = claims.parse(claims.dump(Claims(made, None, 1)))

    assert made == ADMIN
    assert type(sealed.account.role) is str
    assert sealed.account == ADMIN


@pytest.mark.parametrize("value", VALUES)
def test_a_value_cannot_be_changed(value):
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.id = "2"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.id


@pytest.mark.parametrize("value", VALUES)
def test_a_value_takes_no_other_attributes(value):
    # Which of the two Python raises depends on its version.
    with pytest.raises((AttributeError, TypeError)):
        value.name = "Ann"
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("value", VALUES)
def test_equal_values_are_equal_and_one_key_of_a_dict(value):
    twin = dataclasses.replace(value)
    other = dataclasses.replace(value, id="other")

    assert twin is not value
    assert twin == value
    assert {value: "found"}[twin] == "found"
    assert other not in {value}


def test_an_account_is_no_organisation():
    assert Org(id="1") != account()


def test_a_changed_copy_is_checked_too():
    with pytest.raises(TypeError, match=r"^Account\.role is empty"):
        dataclasses.replace(ADMIN, role="")


@pytest.mark.parametrize("value", VALUES)
def test_values_can_be_copied_and_pickled(value):
    assert copy.copy(value) == copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value


def test_values_show_what_they_are():
    assert repr(ADMIN) == "Account(id='1', role='admin', verified=True)"
    assert repr(ACME) == "Org(id='acme')"


def test_nobody_has_nothing():
    assert (None, None, None, 0, frozenset(), "") == NO_IDENTITY


# Requests tell who they are from


def shown(request):
    told = (request.account, request.org, request.auth_via)
    return HttpResponse(repr(told))


async def ashown(request):
    told = (await request.aaccount(), await request.aorg(), request.auth_via)
    return HttpResponse(repr(told))


@pytest.mark.parametrize("view", [shown, ashown])
def test_a_request_tells_who_it_is_from(view):
    for account_, org in [(ADMIN, ACME), (MEMBER, None)]:
        answer = both(view, cookie_of(account_, org))

        assert answer.body.decode() == repr((account_, org, "session"))
    assert both(view, NOBODY).body == b"(None, None, None)"


NAMES = ["account", "org", "auth_via", "authenticated", "authorized"]
NAMES += ["aauthenticated", "aauthorized"]


@pytest.mark.parametrize("name", NAMES)
def test_nobody_can_write_what_a_request_tells(name):
    request = request_of()

    with pytest.raises(AttributeError, match=name):
        setattr(request, name, ADMIN)
    with pytest.raises(AttributeError, match=name):
        delattr(request, name)
    assert request.account == ADMIN


@pytest.mark.parametrize("header", ["account", "x-account", "secure-session-account"])
def test_no_header_says_who_a_request_is_from(header):
    headers = {header: "1", "remote-user": "1", "authorization": "Bearer dss_1"}

    assert both(shown, NOBODY, headers=headers).body == b"(None, None, None)"


def test_a_request_that_has_not_met_the_middleware_says_so():
    request = RequestFactory().get("/")
    request.__class__ = request_class(type(request))

    with pytest.raises(ImproperlyConfigured, match=r"middleware\.AccountMiddleware"):
        request.account  # noqa: B018


def test_another_session_on_the_request_is_another_account():
    request = request_of(ADMIN)
    assert request.account == ADMIN

    request.session = session_of(MEMBER)

    assert request.account == MEMBER


# Guards to call


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("authenticated", "request.authenticated(...)"),
        ("authorized", "request.authorized(...)"),
        ("aauthenticated", "await request.aauthenticated(...)"),
        ("aauthorized", "await request.aauthorized(...)"),
    ],
)
def test_a_guard_that_nobody_calls_is_not_a_yes(name, call):
    message = (
        rf" is to be called, and raises .*: {re.escape(call)}\. .* request\.account"
    )
    guard = getattr(request_of(), name)

    for ask in (bool, lambda guard: not guard, lambda guard: guard and True):
        with pytest.raises(TypeError, match=message):
            ask(guard)


def test_a_guard_to_call_returns_the_account():
    request = request_of(ADMIN, ACME)

    assert request.authenticated() == ADMIN
    assert request.authenticated(roles=["admin"], verified=True, org=True) == ADMIN


async def test_a_guard_to_await_returns_the_account():
    request = request_of(ADMIN, ACME)

    assert await request.aauthenticated() == ADMIN
    assert await request.aauthenticated(roles=["admin"], org=True) == ADMIN


def test_a_guard_to_call_raises_for_whoever_may_not():
    with pytest.raises(NotAuthenticated):
        request_of(None).authenticated()
    with pytest.raises(NotAuthorized):
        request_of(ADMIN).authenticated(roles=["owner"])
    with pytest.raises(NotAuthenticated):
        request_of(ADMIN).authorized()


async def test_a_guard_to_await_raises_for_whoever_may_not():
    with pytest.raises(NotAuthenticated):
        await request_of(None).aauthenticated()
    with pytest.raises(NotAuthorized):
        await request_of(ADMIN).aauthenticated(roles=["owner"])
    with pytest.raises(NotAuthenticated):
        await request_of(ADMIN).aauthorized()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "authenticated",
            {"roles": "admin"},
            "roles is 'admin'; it is a list of texts",
        ),
        ("authenticated", {"role": ["a"]}, "authenticated has no option 'role'. Write"),
        ("authenticated", {"scopes": ["a"]}, "'scopes'; that is for authorized. Write"),
        ("authorized", {"roles": ["a"]}, "'roles'; that is for authenticated. Write"),
    ],
)
@pytest.mark.parametrize("twin", ["", "a"])
@pytest.mark.parametrize("who", [ADMIN, None])
def test_wrong_options_are_told_to_everybody(name, options, message, twin, who):
    with pytest.raises(TypeError, match=re.escape(message)):
        getattr(request_of(who), f"{twin}{name}")(**options)


@pytest.mark.parametrize("twin", ["", "a"])
def test_a_guard_to_call_takes_no_view_and_no_list(twin):
    with pytest.raises(TypeError, match="positional"):
        getattr(request_of(), f"{twin}authenticated")(["admin"])


# Requests stay what they were


def made_by(server) -> HttpRequest:
    """Return a request as a view gets it."""
    kept = []

    def keep(request):
        kept.append(request)
        return HttpResponse()

    server(keep, cookie_of(), path="/page/")
    return kept[0]


@pytest.mark.parametrize(("server", "base"), [(wsgi, WSGIRequest), (asgi, ASGIRequest)])
def test_a_request_stays_an_instance_of_its_class(server, base):
    request = made_by(server)

    assert isinstance(request, base)
    assert isinstance(request, AccountRequest)
    assert type(request).__name__ == base.__name__
    assert type(request).__qualname__ == base.__qualname__
    assert type(request).__module__ == base.__module__
    assert repr(request) == f"<{base.__name__}: GET '/page/'>"


@pytest.mark.parametrize("server", SERVERS)
def test_requests_of_a_server_share_one_class(server):
    assert type(made_by(server)) is type(made_by(server))


def test_the_class_of_a_servers_own_requests_keeps_its_name():
    class Own(WSGIRequest):
        pass

    assert request_class(Own).__qualname__ == Own.__qualname__
    assert request_class(Own).__module__ == "tests.test_identity"


def test_a_class_that_knows_accounts_is_not_made_again():
    known = request_class(WSGIRequest)

    assert request_class(known) is known
    assert request_class(HttpRequest) is not HttpRequest


def test_preparing_a_request_twice_changes_nothing():
    request = request_of(ADMIN)
    prepared = type(request)
    prepare(request)

    assert type(request) is prepared
    assert request.account == ADMIN


@pytest.mark.parametrize("server", SERVERS)
def test_a_copy_of_a_request_is_from_the_same_account(server):
    request = made_by(server)
    twin = copy.copy(request)

    assert twin is not request
    assert type(twin) is type(request)
    assert twin.account == request.account == ADMIN
    assert repr(twin) == repr(request)


def new_requests():
    return [
        HttpRequest(),
        RequestFactory().get("/page/?a=1"),
        AsyncRequestFactory().get("/page/?a=1"),
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_request_can_be_pickled_as_before(number):
    before, request = new_requests()[number], new_requests()[number]
    for_sure = _pickled(before)
    prepare(request)

    twin = _pickled(request)

    assert isinstance(twin, type(before))
    assert (twin.method, twin.path) == (for_sure.method, for_sure.path)
    assert twin.GET == for_sure.GET


def _pickled(request):
    if isinstance(request, ASGIRequest):
        request.scope = {}  # the test client puts there what can't be pickled
    return pickle.loads(pickle.dumps(request))


def test_a_deep_copy_of_a_request_is_possible_as_before():
    request = HttpRequest()
    prepare(request)

    assert isinstance(copy.deepcopy(request), HttpRequest)


def test_the_class_to_annotate_with_has_all_that_a_request_tells():
    told = {name for name in vars(AccountRequest) if not name.startswith("_")}

    assert told == {*NAMES, "aaccount", "aorg"}
    assert all(inspect.getdoc(getattr(AccountRequest, name)) for name in told)
    assert issubclass(AccountRequest, HttpRequest)


@pytest.mark.parametrize("server", SERVERS)
def test_a_request_that_nobody_asks_leaves_its_session_alone(server):
    answer = server(lambda request: HttpResponse(), cookie_of())

    assert (answer.header("vary"), answer.set_cookies) == (None, [])
