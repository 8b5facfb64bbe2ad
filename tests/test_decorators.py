from __future__ import annotations

import functools
import inspect
import json
import re
import traceback
from datetime import timedelta

import asgiref.sync
import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connection, connections, transaction
from django.http import Http404, HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.utils.decorators import decorator_from_middleware
from django.views import View
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.common import no_append_slash
from django.views.decorators.csrf import (
    csrf_exempt,
    csrf_protect,
    ensure_csrf_cookie,
    requires_csrf_token,
)
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition, require_GET, require_POST
from django.views.decorators.vary import vary_on_cookie

from django_secure_session import (
    NotAuthenticated,
    NotAuthorized,
    StoreUnavailable,
    any_of,
    authenticated,
    authorized,
    public,
)
from django_secure_session.guards.routes import guards_of
from tests.guard_views import (
    ACME,
    ADMIN,
    JSON,
    MEMBER,
    NOBODY,
    SPIES,
    apage,
    aspy,
    call,
    cookie_of,
    page,
    request_of,
    spy,
)
from tests.guard_views import guarded_site as guarded_site
from tests.http import SERVERS, asgi, both, wsgi

SESSION_FORM = 'authenticated(roles=["admin"], verified=True, org=True, '
KEY_FORM = 'authorized(scopes=["invoices:read"])'

# Wrong forms are refused when the module is imported

NO_LISTS = ["admin", "", [], (), {}, set(), [1], ["admin", 1], [""], [None]]
NO_LISTS += [b"admin", [b"admin"], 1, True, False, iter(["admin"]), object()]


@pytest.mark.parametrize("roles", NO_LISTS)
def test_roles_that_are_no_list_of_texts_are_refused(roles):
    message = f"roles is {roles!r}; it is a list of texts. Write {SESSION_FORM}"

    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        authenticated(roles=roles)


@pytest.mark.parametrize("scopes", NO_LISTS)
def test_scopes_that_are_no_list_of_texts_are_refused(scopes):
    message = f"scopes is {scopes!r}; it is a list of texts. Write {KEY_FORM}."

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        authorized(scopes=scopes)


@pytest.mark.parametrize("option", ["verified", "org"])
@pytest.mark.parametrize("value", ["yes", "", 1, 0, None, []])
def test_verified_and_org_are_true_or_false(option, value):
    message = f"{option} is {value!r}; it is True or False. Write {SESSION_FORM}"

    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        authenticated(**{option: value})


@pytest.mark.parametrize(
    "fresh",
    [600, 600.0, "10", True, timedelta(0), timedelta(-1), timedelta(seconds=0.999)],
)
def test_fresh_is_a_timedelta_of_a_second_or_more(fresh):
    message = f"fresh is {fresh!r}; it is a timedelta of a second or more. Write "

    with pytest.raises(TypeError, match=f"^{re.escape(message + SESSION_FORM)}"):
        authenticated(fresh=fresh)


@pytest.mark.parametrize("name", ["role", "permission", "Roles", "login_url", "view"])
def test_unknown_options_are_refused(name):
    message = f"authenticated has no option {name!r}. Write {SESSION_FORM}"

    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        authenticated(**{name: ["admin"]})


@pytest.mark.parametrize("name", ["scope", "permission", "view"])
def test_unknown_options_of_keys_are_refused(name):
    message = f"authorized has no option {name!r}. Write {KEY_FORM}."

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        authorized(**{name: ["admin"]})


def test_scopes_are_not_for_sessions():
    message = "authenticated has no option 'scopes'; that is for authorized. Write "

    with pytest.raises(TypeError, match=f"^{re.escape(message + SESSION_FORM)}"):
        authenticated(scopes=["invoices:read"])


@pytest.mark.parametrize("name", ["roles", "verified", "org", "fresh"])
def test_what_accounts_are_is_not_for_keys(name):
    message = f"authorized has no option {name!r}; that is for authenticated. Write "

    with pytest.raises(TypeError, match=f"^{re.escape(message + KEY_FORM)}"):
        authorized(**{name: True})


@pytest.mark.parametrize(
    "arguments",
    [
        (page, page),
        (apage, page),
        (["admin"],),
        ("admin",),
        ("admin", "owner"),
        (None,),
        (1,),
    ],
)
@pytest.mark.parametrize(
    ("guard", "form"), [(authenticated, SESSION_FORM), (authorized, KEY_FORM)]
)
def test_a_guard_takes_one_view_or_options(guard, form, arguments):
    name = guard.__name__
    message = f"{name} takes a view alone, @{name}, or options: @{form}"

    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        guard(*arguments)


def test_a_guard_does_not_take_a_view_with_options():
    with pytest.raises(TypeError, match="takes a view alone, @authenticated, or opt"):
        authenticated(page, roles=["admin"])
    with pytest.raises(TypeError, match="takes a view alone, @authorized, or options"):
        authorized(page, scopes=["a"])


def test_wrong_options_are_told_first_where_there_is_a_view_too():
    with pytest.raises(TypeError, match="authenticated has no option 'scopes'"):
        authenticated(page, scopes=["a"])


@pytest.mark.parametrize("wrong", [("a",), ("a", "b"), ("a", "b", "c"), (), (page,)])
def test_a_tuple_that_include_did_not_return_is_refused(wrong):
    with pytest.raises(TypeError, match=r"include|takes a view alone"):
        authenticated(wrong)


TWICE = [
    authenticated,
    authenticated(roles=["admin"]),
    authorized,
    any_of(authenticated, authorized),
]


@pytest.mark.parametrize("guard", TWICE)
@pytest.mark.parametrize("view", [page, apage])
def test_a_view_in_the_place_of_a_request_is_refused(guard, view):
    with pytest.raises(TypeError, match="called with a function in the place of the"):
        call(guard(view), view)


def test_no_url_takes_an_async_view_that_was_guarded_with_itself():
    coroutine = authenticated(apage)(apage)

    with pytest.raises(TypeError, match="view must be a callable"):
        path("page/", coroutine)
    coroutine.close()


@pytest.mark.parametrize("guard", TWICE)
def test_a_method_that_is_guarded_as_a_function_is_told_the_way_out(guard):
    class Page(View):
        @guard
        def get(self, request):
            raise NotImplementedError

    with pytest.raises(TypeError, match=r"with a Page .*@method_decorator\(authentica"):
        Page().get(request_of())


@pytest.mark.parametrize(
    "guard",
    [
        *(authenticated, authenticated(), authorized, public),
        *(authenticated(roles=["admin"]), any_of(authenticated, authorized)),
    ],
)
def test_a_class_is_refused_with_three_ways_out(guard):
    message = (
        "View is a class. Guard it with AuthenticatedMixin, or for keys "
        'AuthorizedMixin, with @method_decorator(the guard, name="dispatch"), or its '
        "as_view()."
    )

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        guard(View)


@pytest.mark.parametrize("wrong", [None, "admin", ["admin"], 1])
@pytest.mark.parametrize("guard", [authenticated(), any_of(authenticated), public])
def test_what_is_no_view_is_refused(guard, wrong):
    message = f"{wrong!r} is no view. Write @{SESSION_FORM}"

    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        guard(wrong)


@pytest.mark.parametrize(
    "guards",
    [
        (),
        (page,),
        (View,),
        ("admin",),
        (["admin"],),
        (None,),
        (public,),
        (any_of,),
        (authenticated, page),
        (authenticated(page),),
        ([authenticated, authorized],),
    ],
)
def test_any_of_takes_guards_only(guards):
    with pytest.raises(TypeError, match=r"^any_of\(\) takes guards: any_of\(authentic"):
        any_of(*guards)


def test_any_of_takes_no_options():
    with pytest.raises(TypeError, match="roles"):
        any_of(authenticated, roles=["admin"])  # type: ignore[call-arg]


# Each way to write a guard means the same


@pytest.mark.parametrize("view", [page, apage])
def test_a_bare_guard_is_one_without_options(view):
    assert guards_of(authenticated(view)) == guards_of(authenticated()(view))
    assert guards_of(authorized(view)) == guards_of(authorized()(view))


def test_any_of_takes_the_bare_guards():
    assert any_of(authenticated, authorized) == any_of(authenticated(), authorized())


def test_any_of_may_be_nested():
    admins, members, keys = (
        authenticated(roles=["admin"]),
        authenticated(roles=["member"]),
        authorized(scopes=["a"]),
    )

    flat = any_of(admins, members, keys)

    assert any_of(any_of(admins, members), keys) == flat
    assert any_of(admins, any_of(members, any_of(keys))) == flat


@pytest.mark.parametrize("make", SPIES)
def test_a_guard_can_be_kept_under_a_name_for_many_views(make):
    admins = authenticated(roles=["admin"])
    views = [make(), make()]

    for view in map(admins, views):
        assert both(view, cookie_of(ADMIN)).status == 200
        assert both(view, cookie_of(MEMBER)).status == 403
    assert [len(view.calls) for view in views] == [2, 2]


# What is kept of the view


GUARDS = [
    authenticated,
    authenticated(roles=["admin"]),
    authorized,
    any_of(authenticated, authorized),
    public,
]


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("view", [page, apage])
def test_a_coroutine_function_stays_one_and_a_function_too(guard, view):
    is_async = view is apage

    assert inspect.iscoroutinefunction(guard(view)) is is_async
    assert asgiref.sync.iscoroutinefunction(guard(view)) is is_async


@pytest.mark.parametrize("guard", GUARDS)
def test_a_partial_of_a_coroutine_function_stays_a_coroutine_function(guard):
    guarded = guard(functools.partial(apage, x=1))

    assert inspect.iscoroutinefunction(guarded)


@pytest.mark.parametrize("guard", GUARDS)
def test_what_is_marked_as_a_coroutine_function_stays_marked(guard):
    marked = asgiref.sync.markcoroutinefunction(lambda request: apage(request))

    assert asgiref.sync.iscoroutinefunction(guard(marked))


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("make", SPIES)
def test_name_text_and_signature_are_kept(guard, make):
    view = make()
    guarded = guard(view)

    assert (guarded.__name__, guarded.__doc__) == ("page", "Show the page.")
    assert guarded.__qualname__ == view.__qualname__
    assert guarded.__module__ == "tests.guard_views"
    assert guarded.__wrapped__ is view
    assert inspect.signature(guarded) == inspect.signature(view)


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("make", SPIES)
def test_attributes_of_the_view_are_kept(guard, make):
    view = no_append_slash(csrf_exempt(make()))
    view.anything = kept = object()
    guarded = guard(transaction.non_atomic_requests(view))

    assert guarded.anything is kept
    assert guarded.csrf_exempt is True
    assert guarded.should_append_slash is False
    assert guarded._non_atomic_requests == {"default"}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("make", SPIES)
def test_the_view_itself_stays_as_it_was(guard, make):
    view = make()
    before = dict(vars(view))
    guard(view)

    assert vars(view) == before


@pytest.mark.parametrize("guard", GUARDS)
def test_djangos_login_required_middleware_leaves_it_to_the_guard(guard):
    assert guard(page).login_required is False


@pytest.mark.parametrize("guard", [authenticated, any_of(authenticated), public])
def test_a_view_for_sessions_is_not_exempt_from_csrf_checks(guard):
    assert not hasattr(guard(page), "csrf_exempt")


@pytest.mark.parametrize("guard", [authorized, any_of(authenticated, authorized)])
def test_a_view_for_keys_is_exempt_from_djangos_csrf_check(guard):
    assert guard(page).csrf_exempt is True


@pytest.mark.parametrize("make", SPIES)
def test_a_view_that_is_exempt_for_others_is_checked_where_a_cookie_opens(make):
    view = make()
    for guard in (authenticated, any_of(authenticated, authorized)):
        answer = both(guard(csrf_exempt(view)), cookie_of(), method="POST")

        assert answer.status == 403
    assert view.calls == []


def test_the_guards_of_a_view_are_listed_outer_first():
    inner, outer = authenticated(roles=["admin"]), authenticated(org=True)

    assert guards_of(outer(inner(page))) == (outer, inner)
    assert guards_of(page) == ()


# A view runs at most once, and not at all where the guard refuses


@pytest.mark.parametrize("make", SPIES)
def test_a_view_runs_once_for_whom_the_guard_lets_in(make):
    view = make()

    assert both(authenticated(view), cookie_of()).body == b"shown"
    assert len(view.calls) == 2  # under WSGI and ASGI


@pytest.mark.parametrize("make", SPIES)
@pytest.mark.parametrize(
    "guard",
    [
        authenticated(roles=["owner"]),
        authenticated(org=True),
        authenticated(fresh=timedelta(minutes=1)),
        authorized,
        any_of(authenticated(roles=["owner"]), authorized),
    ],
)
@pytest.mark.parametrize("headers", [{}, JSON])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_a_view_never_runs_for_whom_the_guard_refuses(make, guard, headers, method):
    view = make()
    for cookie in (NOBODY, cookie_of(ago=60)):
        answer = both(guard(view), cookie, headers=headers, method=method)

        assert answer.status in (302, 401, 403)
    assert view.calls == []


@pytest.mark.parametrize("make", SPIES)
def test_the_arguments_reach_the_view(make):
    view = make()
    call(authenticated(view), request_of(), 1, pk=2)
    call(public(view), request_of(None), 3, pk=4)

    assert view.calls == [((1,), {"pk": 2}), ((3,), {"pk": 4})]


@pytest.mark.parametrize("make", SPIES)
def test_the_response_is_the_very_object_that_the_view_returned(make):
    response = HttpResponse()

    async def aview(request):
        return response

    view = aview if make is aspy else lambda request: response
    for guard in (authenticated, public):
        assert call(guard(view), request_of()) is response


@pytest.mark.parametrize("make", SPIES)
@pytest.mark.parametrize(
    ("account", "org", "status"),
    [(ADMIN, ACME, 200), (ADMIN, None, 403), (MEMBER, ACME, 403), (MEMBER, None, 403)],
)
def test_guards_above_each_other_all_have_to_let_in(make, account, org, status):
    view = make()
    has_role, has_org = authenticated(roles=["admin"]), authenticated(org=True)
    cookie = cookie_of(account, org)

    for guarded in (has_role(has_org(view)), has_org(has_role(view))):
        assert both(guarded, cookie).status == status
        assert both(authenticated(public(guarded)), cookie).status == status
        assert both(public(guarded), cookie).status == status
    assert len(view.calls) == (12 if status == 200 else 0)


@pytest.mark.parametrize("make", SPIES)
def test_a_public_view_is_for_everybody(make):
    for cookie in (NOBODY, cookie_of()):
        assert both(public(make()), cookie).status == 200


def test_a_public_view_leaves_the_session_alone():
    answer = wsgi(public(page), cookie_of())

    assert (answer.header("vary"), answer.set_cookies) == (None, [])


# Exceptions


def failing(error, is_async):
    def view(request):
        raise error

    async def aview(request):
        raise error

    return aview if is_async else view


ERRORS = [
    (Http404, ["no page"]),
    (PermissionDenied, ["not you"]),
    (NotAuthenticated, ["not_fresh", ("Cookie",), 60]),
    (NotAuthorized, ["wrong_role"]),
    (StoreUnavailable, ["The database"]),
    (TypeError, ["wrong"]),
    (KeyboardInterrupt, []),
]


@pytest.mark.parametrize(("error_class", "arguments"), ERRORS)
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("guard", GUARDS[:2] + GUARDS[3:])
def test_what_the_view_raises_passes_through_untouched(
    guard, error_class, arguments, is_async, accept
):
    error = error_class(*arguments)
    view = guard(failing(error, is_async))

    with pytest.raises(error_class) as raised:
        call(view, request_of(accept=accept))

    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert traceback.extract_tb(error.__traceback__)[-1].line == "raise error"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_refusal_that_the_view_raises_is_answered_by_the_middleware(is_async):
    view = authenticated(failing(NotAuthenticated("not_fresh", ("Cookie",)), is_async))

    answer = both(view, cookie_of(), headers=JSON)

    assert (answer.status, answer.json()["code"]) == (401, "not_fresh")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("error", "status"), [(NotAuthenticated, 401), (NotAuthorized, 403)]
)
def test_a_view_can_refuse_in_a_word(is_async, error, status):
    answer = both(authenticated(failing(error, is_async)), cookie_of(), headers=JSON)

    assert answer.status == status


@pytest.mark.parametrize("is_async", [False, True])
def test_a_refusal_that_the_view_raises_can_be_seen_by_decorators(is_async):
    seen = []

    def noting(view):
        @functools.wraps(view)
        def noted(request):
            try:
                return call(view, request)
            except NotAuthenticated as error:
                seen.append(error)
                raise

        return noted

    view = authenticated(failing(NotAuthenticated("not_fresh", ("Cookie",)), is_async))
    wsgi(noting(view), cookie_of())

    assert len(seen) == 1


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("error", "status"), [(Http404(), 404), (OSError(), 500)])
def test_a_visitor_sees_what_the_view_raised(is_async, error, status):
    view = failing(error, is_async)

    assert both(authenticated(view), cookie_of()).status == status
    assert both(authenticated(view), NOBODY).status == 302


@pytest.mark.parametrize("view", [page, apage])
def test_who_may_not_enter_a_page_gets_the_sites_own_403(view):
    with pytest.raises(PermissionDenied) as raised:
        call(authenticated(roles=["owner"])(view), request_of(accept="text/html"))

    assert isinstance(raised.value, NotAuthorized)
    assert raised.value.reason == "wrong_role"


@pytest.mark.parametrize("view", [page, apage])
def test_who_may_not_call_an_api_is_answered_at_once(view):
    guarded = authenticated(roles=["owner"])(view)

    answer = call(guarded, request_of(accept="application/json"))

    assert answer.status_code == 403
    assert json.loads(answer.content)["code"] == "wrong_role"


@pytest.mark.parametrize("view", [page, apage])
def test_a_guard_without_its_middleware_names_it(view):
    request = RequestFactory().get("/")

    with pytest.raises(ImproperlyConfigured, match=r"middleware\.AccountMiddleware"):
        call(authenticated(view), request)


# Other callables


class Callable:
    """A view that is an object."""

    calls = 0

    def __call__(self, request, **kwargs):
        self.calls += 1
        return HttpResponse("shown")

    def method(self, request, **kwargs):
        return self(request)


class AsyncCallable(Callable):
    def __init__(self):
        asgiref.sync.markcoroutinefunction(self)

    async def __call__(self, request, **kwargs):
        self.calls += 1
        return HttpResponse("shown")

    async def method(self, request, **kwargs):
        return await self(request)


OBJECTS = [Callable, AsyncCallable]


@pytest.mark.parametrize("guard", [authenticated, any_of(authenticated)])
@pytest.mark.parametrize("view_class", OBJECTS)
def test_a_callable_object_can_be_guarded(guard, view_class):
    view = view_class()

    assert both(guard(view), NOBODY).status == 302
    assert view.calls == 0
    assert both(guard(view), cookie_of()).body == b"shown"
    assert view.calls == 2


@pytest.mark.parametrize("view_class", OBJECTS)
def test_a_bound_method_can_be_guarded(view_class):
    view = view_class()

    assert both(authenticated(view.method), NOBODY).status == 302
    assert view.calls == 0
    assert both(authenticated(view.method), cookie_of()).body == b"shown"


@pytest.mark.parametrize("make", SPIES)
def test_a_partial_can_be_guarded(make):
    view = make()
    guarded = authenticated(functools.partial(view, pk=1))

    assert both(guarded, NOBODY).status == 302
    assert view.calls == []
    assert both(guarded, cookie_of()).body == b"shown"
    assert view.calls == [((), {"pk": 1})] * 2


@pytest.mark.parametrize("view_class", OBJECTS)
def test_objects_and_partials_can_be_public(view_class):
    view = view_class()

    for each in (view, view.method, functools.partial(view.method, pk=1)):
        assert both(public(each), NOBODY).body == b"shown"


# Other decorators, below and above


class Untouched:
    """A middleware that does nothing."""

    def __init__(self, get_response):
        self.get_response = get_response


def traced(view):
    """Decorate as libraries do that know nothing of async views."""

    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    if asgiref.sync.iscoroutinefunction(view):
        asgiref.sync.markcoroutinefunction(wrapper)
    return wrapper


DECORATORS = {
    "cache_control": cache_control(private=True),
    "cache_page": cache_page(60),
    "condition": condition(etag_func=lambda request: "x"),
    "csrf_exempt": csrf_exempt,
    "csrf_protect": csrf_protect,
    "ensure_csrf_cookie": ensure_csrf_cookie,
    "gzip_page": gzip_page,
    "never_cache": never_cache,
    "non_atomic_requests": transaction.non_atomic_requests,
    "of middleware": decorator_from_middleware(Untouched),
    "require_GET": require_GET,
    "requires_csrf_token": requires_csrf_token,
    "sensitive_post_parameters": sensitive_post_parameters(),
    "traced": traced,
    "vary_on_cookie": vary_on_cookie,
    "xframe_options_exempt": xframe_options_exempt,
}


@pytest.fixture
def _empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.mark.heavy
@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize("make", SPIES)
@pytest.mark.parametrize("name", DECORATORS)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("is_above", [True, False], ids=["above", "below"])
def test_a_guard_works_with_other_decorators(make, name, server, is_above):
    view, decorator = make(), DECORATORS[name]
    guarded = authenticated(decorator(view))
    if is_above:
        guarded = decorator(authenticated(view))

    assert server(guarded, NOBODY).status == 302
    assert server(guarded, NOBODY, headers=JSON).status == 401
    assert view.calls == []
    answer = server(guarded, cookie_of())
    assert (answer.status, answer.body) == (200, b"shown")
    assert len(view.calls) == 1
    assert guards_of(guarded) == (authenticated(),)


@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize("make", SPIES)
def test_a_guard_stands_before_a_cache_of_the_view(make):
    guarded = authenticated(cache_page(60)(make()))

    for cookie, status in [(cookie_of(), 200), (NOBODY, 302), (cookie_of(MEMBER), 200)]:
        assert wsgi(guarded, cookie).status == status
        assert asgi(guarded, cookie).status == status


@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize("headers", [{}, JSON])
def test_a_cache_above_the_guard_keeps_no_refusal(headers):
    guarded = cache_page(60)(authenticated(page))

    assert wsgi(guarded, NOBODY, headers=headers).status in (302, 401)
    assert wsgi(guarded, cookie_of(), headers=headers).status == 200


@pytest.mark.parametrize("make", SPIES)
def test_the_outer_of_guard_and_method_decorator_answers(make):
    assert both(authenticated(require_POST(make())), NOBODY).status == 302
    assert both(require_POST(authenticated(make())), NOBODY).status == 405


@pytest.mark.django_db
@pytest.mark.parametrize("is_above", [True, False], ids=["above", "below"])
def test_a_guard_works_with_a_transaction(is_above):
    view = spy()
    guarded = authenticated(transaction.atomic(view))
    if is_above:
        guarded = transaction.atomic(authenticated(view))

    assert wsgi(guarded, NOBODY).status == 302
    assert view.calls == []
    assert wsgi(guarded, cookie_of()).status == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_guarded_view_stays_out_of_atomic_requests(is_open, monkeypatch):
    seen = []

    def view(request):
        seen.append(connection.in_atomic_block)
        return HttpResponse()

    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    guarded = authenticated(transaction.non_atomic_requests(view) if is_open else view)

    assert wsgi(guarded, cookie_of()).status == 200
    assert seen == [not is_open]
