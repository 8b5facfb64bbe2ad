"""Sessions in the cache through whole requests, above all while the cache is down."""

from __future__ import annotations

import secrets
from inspect import iscoroutinefunction

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncClient
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from django_secure_session import create_session
from django_secure_session.exceptions import StoreUnavailable
from tests import views
from tests.spilling import OPERATIONS, Browser, Recording, entries
from tests.spilling import browser as browser
from tests.spilling import cache as cache
from tests.spilling import hops as hops

OURS = "django_secure_session.middleware.SecureSessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
PAGE = "{{ user.is_authenticated }} {{ request.session.cart }}"
WRITE = {"data": '{"new": 1}'}


def page(request):
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def template_response(request):
    return TemplateResponse(request, engines["django"].from_string(PAGE))


async def awrong(request):
    return HttpResponse(request.session["cart"])


wrong = awrong


def token_then_read(request):
    get_token(request)
    return HttpResponse(request.session["cart"])


def read_prefs_then_read(request):
    request.prefs_session.get("theme")
    return HttpResponse(request.session["cart"])


def flush_prefs_then_read(request):
    request.prefs_session.flush()
    return HttpResponse(request.session["cart"])


def write_both(request):
    request.session["new"] = request.prefs_session["new"] = 1
    return HttpResponse("ok")


def save_then_crash(request):
    request.session["new"] = 1
    request.session.save()
    raise RuntimeError("a fault of the view's own")


def crash(request):
    raise RuntimeError("a fault of the view's own")


def forbid(request):
    raise PermissionDenied


def session_in_error_page(request, *args, **kwargs):
    return HttpResponse(str(request.session.get("cart")), status=500)


def caught(request):
    """Work without a session, twice, as a view and its template may."""
    carts = []
    for _ in range(2):
        try:
            carts.append(request.session.get("cart"))
        except StoreUnavailable:
            carts.append("unknown")
    return JsonResponse(carts, safe=False)


async def acaught(request):
    carts = []
    for _ in range(2):
        try:
            carts.append(await request.session.aget("cart"))
        except StoreUnavailable:
            carts.append("unknown")
    return JsonResponse(carts, safe=False)


def both(names: str):
    """Return the paths of views of these names; under ASGI they begin with an a."""
    for name in names.split():
        view = globals().get(name) or getattr(views, name)
        twin = globals().get(f"a{name}") or getattr(views, f"a{name}", view)
        yield path(f"{name}/", view)
        yield path(f"a{name}/", twin)


class Site:
    urlpatterns = (
        *both("read write call untouched wrong caught save_then_crash"),
        *both("page template_response crash forbid token_then_read user"),
        *both("read_prefs_then_read flush_prefs_then_read write_both"),
    )


class SiteWithErrorPages(Site):
    handler403 = staticmethod(session_in_error_page)
    handler404 = staticmethod(session_in_error_page)


class SiteWithCrashPage(Site):
    handler500 = staticmethod(session_in_error_page)


# Middlewares between the session's and the view


class InProcessView(MiddlewareMixin):
    def process_view(self, request, *args):
        request.session.get("cart")


class InProcessRequest(MiddlewareMixin):
    def process_request(self, request):
        request.session.get("cart")


class InProcessResponse(MiddlewareMixin):
    def process_response(self, request, response):
        request.session.get("cart")
        return response


class WritesInProcessResponse(MiddlewareMixin):
    def process_response(self, request, response):
        request.session["seen"] = True
        return response


@sync_and_async_middleware
def in_a_function(get_response):
    def before(request):
        request.session.get("cart")
        return get_response(request)

    async def abefore(request):
        await request.session.aget("cart")
        return await get_response(request)

    return abefore if iscoroutinefunction(get_response) else before


@pytest.fixture
def site(settings, cache):
    """The site under our middleware, with every session in the cache."""
    settings.ROOT_URLCONF = Site
    settings.MIDDLEWARE = [OURS]
    return settings


@pytest.fixture
def visitor(browser, site) -> Browser:
    """A browser with a session in the cache."""
    browser.cookie = create_session({"cart": [1]}).session_key
    Recording.calls.clear()
    return browser


# While the cache is up


def test_what_one_request_writes_the_next_one_reads(browser, site, cache):
    browser.get("/write/", **WRITE)

    assert len(browser.cookie) == 192
    assert browser.get("/read/").json() == {"new": 1}
    assert len(entries(cache)) == 1


@pytest.mark.parametrize("asgi", [False, True])
def test_django_middleware_works_too(asgi, site):
    site.MIDDLEWARE = [STOCK]
    browser = Browser(asgi=asgi)
    browser.get("/write/", **WRITE)

    assert len(browser.cookie) == 192
    assert browser.get("/read/").json() == {"new": 1}


@pytest.mark.parametrize("view", ["/untouched/", "/read/", "/caught/", "/page/"])
def test_an_anonymous_request_touches_no_cache(view, browser, site):
    site.MIDDLEWARE = [OURS, AUTHENTICATION]
    Recording.fail()

    assert browser.get(view).status_code == 200
    assert Recording.calls == []


def test_a_request_that_uses_no_session_touches_no_cache(visitor):
    Recording.fail()
    response = visitor.get("/untouched/")

    assert (response.status_code, Recording.calls) == (200, [])
    assert response.cookies == {}


def test_a_read_is_one_look_up_and_sends_no_cookie(visitor):
    response = visitor.get("/read/")

    assert response.json() == {"cart": [1]}
    assert Recording.calls == ["get"]
    assert response.cookies == {}


def test_log_out_ends_a_copied_cookie(visitor):
    copied = visitor.cookie
    response = visitor.get("/call/", methods="flush")
    assert response.cookies["sessionid"]["max-age"] == 0

    visitor.cookie = copied
    response = visitor.get("/read/")
    assert response.json() == {}
    assert response.cookies["sessionid"]["max-age"] == 0


@pytest.mark.parametrize("before", ["save", "cycle_key", "regenerate", "save,save"])
def test_log_out_ends_a_copied_cookie_also_after_a_save_in_the_view(
    before, visitor, cache
):
    copied = visitor.cookie
    visitor.get("/call/", methods=f"{before},flush")
    visitor.cookie = copied

    assert visitor.get("/read/").json() == {}
    assert entries(cache) == []


@pytest.mark.parametrize(
    "methods", ["save", "cycle_key", "save,save", "save,cycle_key"]
)
def test_what_a_view_saved_replaces_the_entry_of_the_browser(
    methods, visitor, cache, clock
):
    before = visitor.cookie = create_session({"cart": [1]}).session_key
    visitor.get("/call/", methods=methods)
    after, visitor.cookie = visitor.cookie, before

    clock.tick(59)
    assert visitor.get("/read/").json() == {"cart": [1]}
    clock.tick(1)
    assert visitor.get("/read/").json() == {}
    visitor.cookie = after
    assert visitor.get("/read/").json() == {"cart": [1]}


def test_a_lost_session_is_anonymous_and_its_cookie_deleted(visitor, cache):
    cache.clear()
    response = visitor.get("/read/")

    assert (response.status_code, response.json()) == (200, {})
    assert response.cookies["sessionid"]["max-age"] == 0


def test_after_a_lost_session_a_new_one_begins(visitor, cache):
    cache.clear()
    visitor.get("/write/", **WRITE)

    assert visitor.get("/read/").json() == {"new": 1}


def test_a_log_in_survives_in_the_cache(site, db):
    site.MIDDLEWARE = [OURS, AUTHENTICATION]
    browser = Browser(asgi=False)
    browser.client.force_login(User.objects.create_user("ada"))

    assert browser.get("/user/").content == b"ada"
    browser.client.logout()
    assert browser.get("/user/").content == b"AnonymousUser"


@pytest.mark.parametrize(
    ("view", "query", "expected"),
    [
        ("/auntouched/", {}, 0),
        ("/aread/", {}, 1),
        ("/awrite/", WRITE, 2),
        ("/acall/", {"methods": "touch"}, 2),
        ("/acall/", {"methods": "flush"}, 2),
        # What a view saves is not the last word, so it is saved once more at the end.
        ("/acall/", {"methods": "cycle_key"}, 3),
    ],
)
def test_an_async_request_hops_once_for_each_look_up_and_save(
    view, query, expected, site, hops
):
    client = AsyncClient()
    client.cookies["sessionid"] = create_session({"cart": [1]}).session_key
    async_to_sync(client.get)(view, query)

    assert len(hops) == expected


def test_a_request_with_a_synchronous_read_in_async_code_keeps_the_cookie(site):
    browser = Browser(asgi=True)
    browser.cookie = create_session({"cart": [1]}).session_key
    response = browser.get("/wrong/")

    assert (response.status_code, response.cookies) == (500, {})
    assert browser.get("/read/").json() == {"cart": [1]}


# While it is down


def refused(response) -> bool:
    """Tell whether it is a 503 that leaves the browser's cookies alone."""
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "no-store" in response.headers["Cache-Control"]
    return response.cookies == {}


def middleware(name: str) -> list[str]:
    return [OURS, f"{__name__}.{name}"]


#: Where a look-up fails: the middlewares, the site, the view and its query.
READS = {
    "view": ([OURS], Site, "/read/", {}),
    "log-out": ([OURS], Site, "/call/", {"methods": "flush"}),
    "touch": ([OURS], Site, "/call/", {"methods": "touch"}),
    "write": ([OURS], Site, "/write/", WRITE),
    "context processor": ([OURS, AUTHENTICATION], Site, "/page/", {}),
    "context processor of a late response": (
        [OURS, AUTHENTICATION],
        Site,
        "/template_response/",
        {},
    ),
    "user": ([OURS, AUTHENTICATION], Site, "/user/", {}),
    "log-in required": (
        [OURS, AUTHENTICATION, LOGIN_REQUIRED],
        Site,
        "/untouched/",
        {},
    ),
    **{
        name: ([OURS, f"{__name__}.{name}"], Site, "/untouched/", {})
        for name in (
            "InProcessView",
            "InProcessRequest",
            "InProcessResponse",
            "WritesInProcessResponse",
            "in_a_function",
        )
    },
    "page of a 403": ([OURS], SiteWithErrorPages, "/forbid/", {}),
    "page of a 404": ([OURS], SiteWithErrorPages, "/missing/", {}),
    "page of a 500": ([OURS], SiteWithCrashPage, "/crash/", {}),
    "read with a page of a 500": ([OURS], SiteWithCrashPage, "/read/", {}),
    "middleware with a page of a 500": (
        [OURS, f"{__name__}.InProcessView"],
        SiteWithCrashPage,
        "/untouched/",
        {},
    ),
}


@pytest.mark.parametrize(("chain", "urls", "view", "query"), READS.values(), ids=READS)
def test_a_failed_look_up_is_503_and_logs_nobody_out(
    chain, urls, view, query, visitor, settings
):
    settings.MIDDLEWARE, settings.ROOT_URLCONF = chain, urls
    Recording.fail()
    for _ in range(2):
        assert refused(visitor.get(view, **query))

    Recording.recover()
    settings.MIDDLEWARE, settings.ROOT_URLCONF = [OURS], Site
    assert visitor.restarted().get("/read/").json() == {"cart": [1]}


def test_csrf_tokens_in_the_session_are_no_403_while_it_is_down(visitor, settings):
    settings.CSRF_USE_SESSIONS = True
    settings.MIDDLEWARE = [OURS, CSRF]
    Recording.fail()

    assert refused(visitor.get("/untouched/"))


@pytest.mark.parametrize("operations", [("set", "add"), ("touch",)])
@pytest.mark.parametrize(
    ("chain", "view", "query"),
    [
        ([OURS], "/write/", WRITE),
        ([OURS], "/call/", {"methods": "touch"}),
        ([OURS], "/call/", {"methods": "save"}),
        ([OURS], "/call/", {"methods": "cycle_key"}),
        ([OURS], "/call/", {"methods": "regenerate"}),
        ([OURS, f"{__name__}.WritesInProcessResponse"], "/untouched/", {}),
    ],
)
def test_a_failed_save_is_503_and_logs_nobody_out(
    operations, chain, view, query, visitor, settings, clock
):
    visitor.cookie = create_session({"cart": [1]}).session_key
    settings.MIDDLEWARE = chain
    Recording.fail(*operations)
    assert refused(visitor.get(view, **query))

    Recording.recover()
    settings.MIDDLEWARE = [OURS]
    clock.tick(61)
    assert visitor.restarted().get("/read/").json() == {"cart": [1]}


def test_a_failed_log_out_is_503_and_can_be_repeated(visitor):
    Recording.fail("delete")
    assert refused(visitor.get("/call/", methods="flush"))

    Recording.recover()
    visitor.get("/call/", methods="flush")
    assert visitor.get("/read/").json() == {}


def test_a_failed_refresh_is_503_and_logs_nobody_out(visitor, settings, clock):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "IDLE_TIMEOUT": 600}
    visitor.cookie = create_session({"cart": [1]}).session_key
    clock.tick(300)
    Recording.fail("set", "add")
    assert refused(visitor.get("/read/"))

    Recording.recover()
    assert visitor.get("/read/").json() == {"cart": [1]}


def test_a_session_of_an_old_key_that_cannot_be_sealed_anew_is_503(visitor, settings):
    key = settings.SECURE_SESSION["KEY"]
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "KEY": secrets.token_bytes(32),
        "KEY_FALLBACKS": [key],
    }
    Recording.fail("set", "add")
    assert refused(visitor.get("/read/"))

    Recording.recover()
    assert visitor.get("/read/").json() == {"cart": [1]}


def test_a_first_save_that_fails_is_503(browser, site):
    Recording.fail()

    assert refused(browser.get("/write/", **WRITE))
    assert browser.cookie is None


def test_save_every_request_is_503_while_the_cache_is_down(visitor, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    Recording.fail()

    assert refused(visitor.get("/untouched/"))


def test_a_view_can_do_without_a_session(visitor):
    Recording.fail()
    response = visitor.get("/caught/")

    assert (response.status_code, response.cookies) == (200, {})
    assert response.json() == ["unknown", "unknown"]
    Recording.recover()
    assert visitor.get("/read/").json() == {"cart": [1]}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("junk", ["junk-junk", "x" * 300])
def test_a_second_cookie_of_the_name_logs_nobody_out_while_it_is_down(
    junk, order, browser, site
):
    token = create_session({"cart": [1]}).session_key
    header = "; ".join([f"sessionid={token}", f"sessionid={junk}"][::order])
    Recording.fail()
    response = browser.get("/caught/", headers={"cookie": header})

    assert response.json() == ["unknown", "unknown"]
    assert response.cookies == {}


def test_the_answer_to_an_outage_sets_no_cookie_of_others(visitor, settings):
    settings.MIDDLEWARE = [OURS, CSRF]
    Recording.fail()

    assert refused(visitor.get("/token_then_read/"))


@pytest.mark.parametrize("view", ["/read_prefs_then_read/", "/flush_prefs_then_read/"])
def test_the_answer_to_an_outage_deletes_no_other_session(view, visitor, settings):
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "SESSIONS": {"prefs": {"PLACEMENT": "cookie", "COOKIE_NAME": "prefs"}},
    }
    visitor.client.cookies["prefs"] = "junk-junk"
    Recording.fail()

    assert refused(visitor.get(view))


def test_a_session_that_was_saved_before_another_failed_can_be_asked_for_again(
    visitor, settings, clock
):
    """The browser never hears of the new entry; it may try again within the grace."""
    settings.CACHES = {
        **settings.CACHES,
        "other": {"BACKEND": f"{__name__}.AlwaysDown"},
    }
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "SESSIONS": {"prefs": {"CACHE_ALIAS": "other"}},
    }
    visitor.cookie = create_session({"cart": [1]}).session_key
    assert refused(visitor.get("/write_both/"))

    clock.tick(59)
    assert visitor.get("/read/").json() == {"cart": [1]}


def test_a_session_that_was_saved_before_the_view_failed_lives_on(visitor, clock):
    """The browser never hears of the new entry, so the old one must not go."""
    visitor.cookie = create_session({"cart": [1]}).session_key
    response = visitor.get("/save_then_crash/")
    assert (response.status_code, response.cookies) == (500, {})

    clock.tick(61)
    assert visitor.get("/read/").json()["cart"] == [1]


def test_a_fault_of_the_view_is_a_500_also_with_a_session_in_the_cache(visitor):
    assert visitor.get("/crash/").status_code == 500


def test_an_outage_is_logged_with_its_cause(visitor, caplog):
    Recording.fail()
    visitor.get("/read/")

    assert "the cache is down" in caplog.text
    assert visitor.cookie not in caplog.text


class AlwaysDown(Recording):
    down = frozenset(OPERATIONS)
