"""A URLconf with each guard on each kind of view: ``/<guard>/<view>/``.

Below ``/exempt/`` the same views are csrf_exempt.
"""

from __future__ import annotations

from datetime import timedelta

from django.http import JsonResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_secure_session import (
    AuthenticatedMixin,
    any_of,
    authenticated,
    authorized,
    public,
)
from tests.guarded.table import GUARDS, views_with

RIGHT_ROLES = ["admin", "owner"]
OPTIONS = {
    "bare": {},
    "roles": {"roles": RIGHT_ROLES},
    "verified": {"verified": True},
    "org": {"org": True},
    "fresh": {"fresh": timedelta(minutes=10)},
}
OPTIONS["strict"] = {name: each for o in OPTIONS.values() for name, each in o.items()}
GUARD = {
    **{name: authenticated(**options) for name, options in OPTIONS.items()},
    "bare": authenticated,
    "role_or_key": any_of(
        authenticated(roles=RIGHT_ROLES), authorized(scopes=["reports:read"])
    ),
    "either": any_of(
        authenticated(roles=["admin"]), authenticated(verified=True, org=True)
    ),
    "public": public,
}

#: The paths of the views that ran, one entry for each time.
ran: list[str] = []


def show(request, account, org):
    """Answer as a view, with whom it was told of."""
    ran.append(request.path)
    who = account and [account.id, account.role, account.verified, org and org.id]
    return JsonResponse({"seen": who})


def look(request, name):
    """Answer as a view with a guard of a name; a public one asks for nobody."""
    if name == "public":
        return show(request, None, None)
    return show(request, request.account, request.org)


async def alook(request, name):
    if name == "public":
        return show(request, None, None)
    return show(request, await request.aaccount(), await request.aorg())


# One function for each kind of view; *guard* is the decorator, *name* its name


def _function(guard, name):
    @guard
    def view(request):
        return look(request, name)

    return view


def _async_function(guard, name):
    @guard
    async def view(request):
        return await alook(request, name)

    return view


def _shown(name):
    class Shown(View):
        def get(self, request):
            return look(request, name)

        def post(self, request):
            return look(request, name)

    return Shown


def _async_shown(name):
    class Shown(View):
        async def get(self, request):
            return await alook(request, name)

        async def post(self, request):
            return await alook(request, name)

    return Shown


def _class(guard, name, shown=_shown):
    if name not in OPTIONS:
        return guard(shown(name).as_view())
    required = {f"required_{each}": value for each, value in OPTIONS[name].items()}
    return type("Mixed", (AuthenticatedMixin, shown(name)), required).as_view()


def _async_class(guard, name):
    return _class(guard, name, _async_shown)


def _method_decorator(guard, name, shown=_shown):
    return method_decorator(guard, name="dispatch")(shown(name)).as_view()


def _async_method_decorator(guard, name):
    return _method_decorator(guard, name, _async_shown)


def _in_view(guard, name):
    def view(request):
        if name in OPTIONS:
            assert request.authenticated(**OPTIONS[name]) == request.account
        return look(request, name)

    return view


def _async_in_view(guard, name):
    async def view(request):
        if name in OPTIONS:
            account = await request.aauthenticated(**OPTIONS[name])
            assert account == await request.aaccount()
        return await alook(request, name)

    return view


MAKE = {
    "function": _function,
    "class": _class,
    "method_decorator": _method_decorator,
    "in_view": _in_view,
    "async_function": _async_function,
    "async_class": _async_class,
    "async_method_decorator": _async_method_decorator,
    "async_in_view": _async_in_view,
}
IN_TREES = {"include": _function, "async_include": _async_function}


@authenticated(roles=RIGHT_ROLES)
def often(request):
    """Ask again and again who it is."""
    for _ in range(3):
        request.authenticated(**OPTIONS["bare"])
        request.authenticated(**OPTIONS["org"])
    return look(request, "often")


@authenticated(roles=RIGHT_ROLES)
async def aoften(request):
    """See :func:`often`."""
    for _ in range(3):
        await request.aauthenticated(**OPTIONS["bare"])
        await request.aauthenticated(**OPTIONS["org"])
    return await alook(request, "often")


# URLs


def _as_it_is(view):
    return view


def _route(name, kind, exempt):
    if kind in MAKE:
        return path(f"{name}/{kind}/", exempt(MAKE[kind](GUARD[name], name)))
    view = exempt(IN_TREES[kind](_as_it_is, name))
    return path(f"{name}/", GUARD[name](include([path(f"{kind}/", view)])))


def _routes(exempt=_as_it_is):
    return [_route(name, kind, exempt) for name in GUARDS for kind in views_with(name)]


urlpatterns = [
    *_routes(),
    path("exempt/", include(_routes(csrf_exempt))),
    path("often/function/", often),
    path("often/async_function/", aoften),
]
