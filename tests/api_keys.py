"""A site that takes API keys: its people, its keys and a view behind each guard.

Import the fixture ``key_site`` to run the tests of a module on such a site.
"""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

import pytest
from django.http import JsonResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from django_secure_session import (
    Account,
    AccountProvider,
    Org,
    any_of,
    authenticated,
    authorized,
)
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.mixins import AuthorizedMixin
from tests.http_guards import STACK, urlconf

ADA = Account(id="ada", role="owner", verified=True)
BOB = Account(id="bob", role="reader", verified=False)
ACME, POST = Org(id="acme"), Org(id="post")


class Owners(AccountProvider):
    """Answers from memory, whatever a test has put there."""

    accounts: ClassVar[dict[str, Account]] = {}
    orgs: ClassVar[dict[tuple[str, str], Org]] = {}

    @classmethod
    def reset(cls) -> None:
        """Know ada, of two organisations, and bob, of none."""
        cls.accounts.clear()
        cls.accounts.update({"ada": ADA, "bob": BOB})
        cls.orgs.clear()
        cls.orgs.update({("ada", "acme"): ACME, ("ada", "post"): POST})

    def get_account(self, account_id, org_id):
        return self.accounts.get(account_id)

    def get_org(self, account_id, org_id):
        return self.orgs.get((account_id, org_id))


@pytest.fixture
def key_site(settings, db):
    """Give what the site knows of its people; ada's keys are good there."""
    settings.MIDDLEWARE = STACK
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "ACCOUNT_PROVIDER": f"{__name__}.{Owners.__qualname__}",
    }
    Owners.reset()
    return Owners


# Keys


def new_key(*scopes: str, account_id: str = "ada", name: str = "ci", **more: Any):
    """Return a new key: its row, and its text."""
    return ApiKey.objects.create_key(
        name=name, account_id=account_id, scopes=scopes, **more
    )


def key_of(*scopes: str, **more: Any) -> str:
    """Return the text of a new key with these scopes, ada's unless told otherwise."""
    return new_key(*scopes, **more).text


def bearer(text: str) -> dict[str, str]:
    """Return the headers that show a key."""
    return {"Authorization": f"Bearer {text}"}


BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def checked(body: str) -> str:
    """Return a text whose check is right, whatever it is.

    That is done by the definition, a CRC-32 in base62, and not by the package.
    """
    return body + base62(zlib.crc32(body.encode("utf-8", "surrogatepass")))


def base62(number: int) -> str:
    """Return six digits."""
    return "".join(BASE62[number // 62**place % 62] for place in range(5, -1, -1))


# Views, one for each way to put a guard before one


def told(request, **kwargs):
    """Answer with whom the request is from; no view asks the database for that."""
    org = request.org
    who = {"account": request.account.id, "org": org and org.id}
    return JsonResponse({**who, "via": request.auth_via})


async def atold(request, **kwargs):
    return told(request)


class Told(View):
    def get(self, request, **kwargs):
        return told(request)

    post = get


class AsyncTold(View):
    async def get(self, request, **kwargs):
        return told(request)

    post = get


def in_view(**options: Any):
    def view(request):
        account = request.authorized(**options)
        assert account == request.account
        return told(request)

    return view


def ain_view(**options: Any):
    async def view(request):
        account = await request.aauthorized(**options)
        assert account == request.account
        return told(request)

    return view


def on_method(guard: Any, base: type[View]):
    get = method_decorator(guard)(vars(base)["get"])
    return type(base.__name__, (base,), {"get": get, "post": get}).as_view()


def on_dispatch(guard: Any, base: type[View]):
    decorated = method_decorator(guard, name="dispatch")
    return decorated(type(base.__name__, (base,), {})).as_view()


def mixed(base: type[View], scopes: Any, **members: Any):
    members = {"required_scopes": scopes, **members}
    return type("Mixed", (AuthorizedMixin, base), members).as_view()


def in_tree(guard: Any, view: Any):
    """Return what path() takes for a tree with one view, which is deeper in it."""
    inner = include([path("", view)])
    return guard(include([path("tree/", inner)]))


def entries(scopes: Any = None) -> dict[str, Any]:
    """Return views, and trees of them, that take a key with these scopes; by path."""
    options = {} if scopes is None else {"scopes": scopes}
    bare = authorized if scopes is None else authorized(**options)
    called = authorized(**options)
    either, other = any_of(authenticated, bare), any_of(bare, authenticated)
    return {
        "function/": bare(told),
        "async_function/": bare(atold),
        "called/": called(told),
        "async_called/": called(atold),
        "class/": bare(Told.as_view()),
        "async_class/": bare(AsyncTold.as_view()),
        "dispatch/": on_dispatch(bare, Told),
        "async_dispatch/": on_dispatch(bare, AsyncTold),
        "method/": on_method(bare, Told),
        "async_method/": on_method(bare, AsyncTold),
        "mixin/": mixed(Told, scopes),
        "async_mixin/": mixed(AsyncTold, scopes),
        "include/tree/": in_tree(bare, told),
        "async_include/tree/": in_tree(bare, atold),
        "authorized/": in_view(**options),
        "aauthorized/": ain_view(**options),
        "session_or_key/": either(told),
        "async_session_or_key/": either(atold),
        "key_or_session/": other(told),
        "async_key_or_session/": other(atold),
        "tree_of_either/tree/": in_tree(either, told),
        "either_dispatch/": on_dispatch(other, AsyncTold),
        "mixin_of_either/": mixed(AsyncTold, scopes, get_guard=lambda self: either),
    }


#: The paths of all of them.
ENTRIES = [f"/{name}" for name in entries()]
#: Where a session opens too, if no key is shown.
EITHER = [name for name in ENTRIES if "either" in name or "_or_" in name]
KEYS_ONLY = [name for name in ENTRIES if name not in EITHER]


def entry_urls(scopes: Any = None):
    """Return a ROOT_URLCONF with all of them."""
    found = entries(scopes).items()
    return urlconf(*(path(name.removesuffix("tree/"), view) for name, view in found))
