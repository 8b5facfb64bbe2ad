"""A site for the tests of accounts: its provider, and views for either server.

What a view does is written once, as a coroutine function that gets :class:`Doing`. In
an async view it awaits the twins; in a sync view nothing in it ever waits.
"""

from __future__ import annotations

import dataclasses
import functools
import secrets
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.contrib import auth
from django.http import JsonResponse
from django.http.response import HttpResponseBase

import django_secure_session
from django_secure_session import (
    Account,
    AccountProvider,
    DjangoUserProvider,
    chunks,
    decode_session,
)
from django_secure_session.accounts import Org
from django_secure_session.accounts.claims import dump
from django_secure_session.codec.metadata import Metadata
from django_secure_session.conf import get_codec, get_config
from django_secure_session.identity import Claims
from tests.http import SECURE_MIDDLEWARE, SERVERS, Answer, asgi
from tests.visits import NAME
from tests.visits import Visitor as Visits
from tests.visits import site as site_with

ACCOUNTS = "django_secure_session.middleware.AccountMiddleware"
REQUIRED = "django_secure_session.middleware.AccountRequiredMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
MIDDLEWARE = [
    SECURE_MIDDLEWARE,
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    ACCOUNTS,
]
BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD = secrets.token_urlsafe()
MAX_AGE = 300  # seconds, the default
JSON = {"Accept": "application/json"}

ADA = Account(id="ada", role="guest", verified=True)
BOB = Account(id="bob", role="reader", verified=False)
ACME = Org(id="acme")


# The provider


@dataclasses.dataclass
class Person:
    """What the site knows; *role* is the one outside organisations."""

    role: str = "guest"
    verified: bool = True
    orgs: dict[str, str] = dataclasses.field(default_factory=dict)


class People(AccountProvider):
    """Answers from memory, notes what it is asked, and fails when told to.

    A Django user's account has the user's name for its id.
    """

    known: ClassVar[dict[str, Person]] = {}
    asked: ClassVar[list[tuple[str, ...]]] = []
    error: ClassVar[Exception | None] = None

    @classmethod
    def reset(cls) -> None:
        People.known = {
            "ada": Person(orgs={"acme": "owner", "post": "member"}),
            "bob": Person("reader", verified=False),
        }
        People.asked = []
        People.error = None

    def account_for_user(self, user, org_id):
        return self._account("account_for_user", user.get_username(), org_id)

    def get_account(self, account_id, org_id):
        return self._account("get_account", account_id, org_id)

    def get_org(self, account_id, org_id):
        self._note("get_org", account_id, org_id)
        person = self.known.get(account_id)
        orgs = person.orgs if person else {}
        wanted = next(iter(orgs), None) if org_id is None else org_id
        return Org(id=wanted) if wanted in orgs else None

    def _note(self, *question) -> None:
        People.asked.append(question)
        if People.error is not None:
            raise People.error

    def _account(self, name, account_id, org_id):
        self._note(name, account_id, org_id)
        person = self.known.get(account_id)
        if person is None:
            return None
        role = person.orgs.get(org_id, person.role)
        return Account(id=account_id, role=role, verified=person.verified)


class AsyncPeople(People):
    """Has async ways of its own, which note that it is they who were asked."""

    async def aaccount_for_user(self, user, org_id):
        return self._account("aaccount_for_user", user.get_username(), org_id)

    async def aget_account(self, account_id, org_id):
        return self._account("aget_account", account_id, org_id)

    async def aget_org(self, account_id, org_id):
        org = self.get_org(account_id, org_id)
        self.asked[-1] = ("aget_org", *self.asked[-1][1:])
        return org


class Strangers(People):
    """Knows everybody, as strangers; for a session with a provider of its own."""

    def _account(self, name, account_id, org_id):
        self._note(name, account_id, org_id)
        return Account(id=account_id, role="stranger", verified=False)


class OwnUsers(DjangoUserProvider):
    """Says that whoever logs in without Django is one of its users all the same."""

    def get_account(self, account_id, org_id):
        return super().get_account(account_id, org_id)

    async def aget_account(self, account_id, org_id):
        return await super().aget_account(account_id, org_id)


def provider_path(provider: type = People) -> str:
    return f"{provider.__module__}.{provider.__qualname__}"


# Views


class _Done:
    """What a sync call returned, to be awaited like what an async one does."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self):
        return self.result
        yield


class Doing:
    """What a view can do to its request, to be awaited."""

    def __init__(self, request, *, is_async: bool) -> None:
        self.request = request
        self.is_async = is_async

    def call(self, owner: object, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function by its name, or its twin."""
        if self.is_async:
            return getattr(owner, f"a{name}")(*args, **kwargs)
        member = getattr(owner, name)
        return _Done(member(*args, **kwargs) if callable(member) else member)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a function of this package about the request: ``on.login(ADA)``."""
        function = functools.partial(self.call, django_secure_session, name)
        return functools.partial(function, self.request)

    def session(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.call(self.request.session, name, *args, **kwargs)

    def django(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.call(auth, name, self.request, *args, **kwargs)

    def set(self, key: str, value: Any) -> Any:
        if self.is_async:
            return self.request.session.aset(key, value)
        return _Done(self.request.session.__setitem__(key, value))

    async def log_in_django(self, user, **kwargs: Any) -> None:
        await self.django("login", user, BACKEND, **kwargs)

    async def change_password(self, password: str) -> None:
        """Change the user's password and go on with the session, as Django's view."""
        if self.is_async:
            # Before 6.1 Django's own twin looks at request.user.
            self.request.user = await self.request.auser()
        self.request.user.set_password(password)
        await self.call(self.request.user, "save")
        await self.django("update_session_auth_hash", self.request.user)

    async def who(self) -> dict[str, Any]:
        """Say what the request says of itself."""
        account = await self.call(self.request, "account")
        org = await self.call(self.request, "org")
        return {
            "account": account and dataclasses.asdict(account),
            "org": org and org.id,
            "via": self.request.auth_via,
        }

    async def told(self) -> dict[str, Any]:
        """Say that, and which session it is."""
        return {
            **await self.who(),
            "sid": await self.session("sid"),
            "created": str(await self.session("created_at")),
            "data": dict(await self.session("items")),
        }


NOBODY = {"account": None, "org": None, "via": None}


def says(account: Account, org: str | None = None) -> dict[str, Any]:
    """Return what a request of an account says of itself."""
    shown = dataclasses.asdict(account)
    return {"account": shown, "org": org, "via": "session"}


class Visitor(Visits):
    """A browser at this site, whose views the tests write as they go."""

    def view(self, action) -> Callable[..., Any]:
        """Return a view for this browser's server; it keeps what the view raised."""
        self.error: BaseException | None = None

        async def aview(request):
            on = Doing(request, is_async=self.server is asgi)
            try:
                result = await action(on)
            except BaseException as error:
                self.error = error
                raise
            return result if isinstance(result, HttpResponseBase) else _json(result)

        return aview if self.server is asgi else lambda request: _run(aview(request))

    def ask(self, action, **kwargs: Any) -> Answer:
        """Return the answer of a view that does this, whatever it is."""
        return self.get(self.view(action), **kwargs)

    def do(self, action, **kwargs: Any) -> Any:
        """Return what a view that does this returned, or raise what it raised."""
        answer = self.ask(action, **kwargs)
        if self.error is not None:
            raise self.error
        assert answer.status == 200, answer
        return answer.json()

    def who(self, **kwargs: Any) -> dict[str, Any]:
        return self.do(Doing.who, **kwargs)

    def told(self, **kwargs: Any) -> dict[str, Any]:
        return self.do(Doing.told, **kwargs)

    def come_with(self, claims: Claims | bytes, data=None, **kwargs: Any) -> None:
        """Come with a session that holds these claims from now on."""
        name = get_config(kwargs.get("alias", "default")).cookie_name
        for each, part in chunks.split(name, sealed(claims, data, **kwargs)).items():
            self.put(part, each)

    @property
    def session(self):
        """The session in the cookie, None for no good one."""
        (cookie,) = self.named(NAME) or [None]
        return cookie and decode_session(cookie.value)


_json = functools.partial(JsonResponse, safe=False)


def _run(coroutine) -> Any:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("it waits for something in a sync view")


# Sessions


def claims_of(
    account: Account = ADA, org: Org | None = None, *, age: int = 0, **more: Any
) -> Claims:
    """Return claims of so many seconds ago, by a log-in without Django."""
    now = int(time.time()) - age
    made = {"read_at": now, "authenticated_at": now, "methods": ("password",)}
    return Claims(account, org, **(made | more))


def sealed(
    claims: Claims | bytes,
    data: dict[str, Any] | None = None,
    *,
    alias: str = "default",
    purpose: str = "session",
) -> str:
    """Return a token with claims, which no public name can make."""
    codec = get_codec(alias, purpose)
    now = int(time.time())
    metadata = Metadata(secrets.token_bytes(16), now, now, now + 1209600)
    raw = claims if isinstance(claims, bytes) else dump(claims)
    return codec.seal(metadata, codec.dump(data or {}), raw)


# Fixtures


@pytest.fixture(autouse=True)
def people(settings, clock) -> type[People]:
    """The site's provider, which knows ada and bob."""
    settings.MIDDLEWARE = MIDDLEWARE
    settings.SECURE_SESSION = site_with(ACCOUNT_PROVIDER=provider_path())
    People.reset()
    return People


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def visitor(request, people) -> Visitor:
    return Visitor(request.param)


@pytest.fixture
def ada(db):
    """A Django user who is known to the site."""
    return auth.get_user_model().objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def bob(db):
    return auth.get_user_model().objects.create_user("bob", password=PASSWORD)
