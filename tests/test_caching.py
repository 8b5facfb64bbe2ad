"""What caches are told: Vary and Cache-Control, and Django's own cache middleware."""

from __future__ import annotations

import itertools

import pytest
from django.core.cache import cache
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseNotModified,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template import engines
from django.template.response import TemplateResponse
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import condition
from django.views.decorators.vary import vary_on_headers

from tests import members
from tests.http import SECURE_MIDDLEWARE, SERVERS, Answer, aasgi, asgi
from tests.visits import (
    DELETED,
    LEFT_ALONE,
    NAME,
    Visitor,
    call,
    deletes,
    read,
    refused_cookie,
    sent_data,
    site,
    untouched,
    value,
    write,
)

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
PRIVATE = {"private", "no-store"}
COOKIES = ["good", "none", "tampered", "unknown_key"]
#: Each member with each cookie, but for what does nothing where none came.
USES = [
    (name, cookie)
    for name, cookie in itertools.product(members.TELLING, COOKIES)
    if (name, cookie) != ("options", "none")
]


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def visitor(request, settings) -> Visitor:
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    return Visitor(request.param)


def come_with(visitor, cookie, clock) -> None:
    if cookie == "good":
        visitor.begin({"a": 1, "testcookie": "worked"})
    elif cookie != "none":
        visitor.put(refused_cookie(cookie, clock))


def listed(answer: Answer, name: str) -> set[str]:
    """Return the members of a header that is a list."""
    return {part.strip() for part in (answer.header(name) or "").split(",")} - {""}


def assert_caches_are_told(answer: Answer) -> None:
    """The answer varies, and nobody keeps it if it has a cookie."""
    assert listed(answer, "vary") == {"Cookie"}
    expected = PRIVATE if answer.set_cookies else set()
    assert listed(answer, "cache-control") == expected


# Each member of the session


def in_sync_code(name):
    def view(request):
        with members.no_such_key:
            members.use(request.session, name)
        return HttpResponse()

    return view


def in_async_code(name):
    async def view(request):
        with members.no_such_key:
            await members.ause(request.session, name)
        return HttpResponse()

    return view


def use_any(name):
    return in_async_code(name) if name in members.ASYNC else in_sync_code(name)


@pytest.mark.parametrize(("name", "cookie"), USES)
def test_a_response_varies_whatever_of_the_session_was_used(
    visitor, clock, name, cookie
):
    come_with(visitor, cookie, clock)

    assert_caches_are_told(visitor.get(use_any(name)))


@pytest.mark.parametrize("name", members.SYNC)
def test_a_response_varies_where_async_code_uses_the_session_synchronously(
    settings, name
):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    visitor = Visitor(asgi)
    visitor.begin({"a": 1, "testcookie": "worked"})

    async def view(request):
        return in_sync_code(name)(request)

    assert_caches_are_told(visitor.get(view))


def test_every_member_of_django_is_among_those_that_are_tested():
    used = set(members.TELLING) | members.SILENT

    assert used >= {"get", "aget", "__getitem__", "__contains__", "pop", "apop"}
    assert used >= {"keys", "values", "items", "has_key", "is_empty", "set_expiry"}
    assert used >= {"__iter__", "__len__", "__bool__", "session_key", "sid"}


def test_the_members_that_tell_nothing_do_not_make_a_response_vary(visitor):
    visitor.begin({"a": 1})

    def view(request):
        session = request.session
        session.decode(session.encode({}))
        session.exists("A" * 128)
        return HttpResponse((session.get_session_cookie_age(), session.lifetime()))

    assert visitor.get(view).header("vary") is None


def test_a_named_session_makes_a_response_vary_like_the_sites_own(visitor, settings):
    settings.SECURE_SESSION = site(SESSIONS={"prefs": {}})

    def view(request):
        return HttpResponse(request.prefs_session.get("theme"))

    assert_caches_are_told(visitor.get(view))


def test_the_users_own_user_varies(visitor, settings):
    settings.MIDDLEWARE += ["django.contrib.auth.middleware.AuthenticationMiddleware"]

    def view(request):
        return HttpResponse(str(request.user))

    assert_caches_are_told(visitor.get(view))


# Responses of every kind


def raising(error):
    def view(request):
        request.session.get("a")
        raise error

    return view


def reading(make):
    """Return a view that reads the session and then makes its response."""

    def view(request):
        request.session.get("a")
        return make()

    return view


def in_a_template(request):
    template = engines["django"].from_string("{{ request.session.a }}")
    return TemplateResponse(request, template)


@condition(etag_func=lambda request: f'"{request.session.get("a")}"')
def by_its_etag(request):
    return HttpResponse("ok")


KINDS = {
    "plain": reading(HttpResponse),
    "json": reading(lambda: JsonResponse({})),
    "redirect": reading(lambda: HttpResponseRedirect("/elsewhere/")),
    "not modified": reading(HttpResponseNotModified),
    "400": raising(BadRequest()),
    "403": raising(PermissionDenied()),
    "404": raising(Http404()),
    "500": raising(RuntimeError("a view failed")),
    "template": in_a_template,
    "condition": by_its_etag,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_response_of_any_kind_varies(visitor, kind, method):
    visitor.begin({"a": 1})

    assert_caches_are_told(visitor.get(KINDS[kind], method=method))


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_of_any_kind_that_has_a_cookie_is_private(visitor, kind):
    visitor.begin({"a": 1})

    def view(request):
        request.session["b"] = 1
        return KINDS[kind](request)

    answer = visitor.get(view)
    assert bool(answer.set_cookies) == (kind != "500")
    assert_caches_are_told(answer)


async def pieces():
    for piece in (b"a", b"b"):
        yield piece


@pytest.mark.parametrize("server", SERVERS, ids=["wsgi", "asgi"])
@pytest.mark.parametrize("writes", [False, True])
def test_a_streaming_response_varies(settings, server, writes):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]

    def view(request):
        (write(b=1) if writes else read)(request)
        content = pieces() if server is asgi else iter([b"a", b"b"])
        return StreamingHttpResponse(content)

    visitor = Visitor(server)
    visitor.begin({"a": 1})
    answer = visitor.get(view)
    assert answer.body == b"ab"
    assert bool(answer.set_cookies) == writes
    assert_caches_are_told(answer)


async def test_an_async_view_that_streams_varies(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]

    async def view(request):
        await request.session.aset("a", 1)
        return StreamingHttpResponse(pieces())

    answer = await aasgi(view)
    assert answer.body == b"ab"
    assert sent_data(answer) == {"a": 1}
    assert_caches_are_told(answer)


@pytest.mark.parametrize("middleware", ["inside", "outside"])
def test_a_304_of_djangos_conditional_get_varies(visitor, settings, middleware):
    position = {"inside": 1, "outside": 0}[middleware]
    settings.MIDDLEWARE.insert(position, CONDITIONAL)
    visitor.begin({"a": 1})
    etag = visitor.get(read).header("etag")
    answer = visitor.get(read, headers={"if-none-match": etag})

    assert answer.status == 304
    assert_caches_are_told(answer)


@pytest.mark.parametrize("middleware", ["inside", "outside"])
def test_a_304_brings_its_cookie(visitor, settings, middleware):
    position = {"inside": 1, "outside": 0}[middleware]
    settings.MIDDLEWARE.insert(position, CONDITIONAL)
    visitor.begin({"a": 1})

    def view(request):
        request.session.touch()
        return HttpResponse(headers={"ETag": '"same"'})

    answer = visitor.get(view, headers={"if-none-match": '"same"'})
    assert answer.status == 304
    assert sent_data(answer) == {"a": 1}
    assert_caches_are_told(answer)


def test_a_response_that_only_refreshes_the_cookie_is_private(visitor, settings, clock):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000)
    visitor.begin({"a": 1})
    clock.tick(101)
    answer = visitor.get(read)

    assert sent_data(answer) == {"a": 1}
    assert_caches_are_told(answer)


@pytest.mark.parametrize("reason", DELETED[:-1])
def test_a_response_that_deletes_the_cookie_is_private(visitor, clock, reason):
    visitor.put(refused_cookie(reason, clock))
    answer = visitor.get(read)

    assert deletes(answer)
    assert_caches_are_told(answer)


@pytest.mark.parametrize("reason", LEFT_ALONE)
def test_a_response_that_leaves_the_cookie_alone_varies(visitor, clock, reason):
    visitor.put(refused_cookie(reason, clock))
    answer = visitor.get(read)

    assert not answer.set_cookies
    assert_caches_are_told(answer)


def test_a_log_out_is_private(visitor):
    visitor.begin({"a": 1})

    assert_caches_are_told(visitor.get(call("flush")))


# Headers that are there already


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Accept-Language", "Accept-Language, Cookie"),
        ("Cookie", "Cookie"),
        ("cookie, Accept", "cookie, Accept"),
        ("*", "*"),
    ],
)
@pytest.mark.parametrize("view", [read, write(b=1)], ids=["read", "write"])
def test_the_vary_header_of_a_view_is_added_to(visitor, before, after, view):
    def varying(request):
        response = view(request)
        response.headers["Vary"] = before
        return response

    assert visitor.get(varying).header("vary") == after


def test_djangos_decorators_and_the_session_make_one_vary_header(visitor):
    answer = visitor.get(vary_on_headers("Cookie", "Accept")(read))

    assert answer.header("vary") == "Cookie, Accept"


CACHE_CONTROLS = [
    "public, max-age=600",
    "public",
    "max-age=0, must-revalidate",
    "s-maxage=60",
    "no-cache",
    "private",
    "no-store",
    "private, no-store",
]


def with_cache_control(view, text):
    def controlled(request):
        response = view(request)
        response.headers["Cache-Control"] = text
        return response

    return controlled


@pytest.mark.parametrize("before", CACHE_CONTROLS)
def test_no_cache_control_of_a_view_lets_a_cookie_into_a_cache(visitor, before):
    told = listed(visitor.get(with_cache_control(write(b=1), before)), "cache-control")

    assert told >= PRIVATE
    assert "public" not in told
    assert told - PRIVATE == {part.strip() for part in before.split(",")} - {
        "public",
        *PRIVATE,
    }


@pytest.mark.parametrize("before", CACHE_CONTROLS)
def test_the_cache_control_of_a_view_without_a_cookie_is_its_own(visitor, before):
    answer = visitor.get(with_cache_control(read, before))

    assert answer.header("cache-control") == before


@pytest.mark.parametrize(
    "decorator", [never_cache, cache_control(public=True, max_age=60)]
)
def test_djangos_decorators_do_not_make_a_cookie_public(visitor, decorator):
    told = listed(visitor.get(decorator(write(b=1))), "cache-control")

    assert told >= PRIVATE
    assert "public" not in told


def test_cookies_of_the_view_itself_do_not_concern_us(visitor):
    def view(request):
        response = HttpResponse()
        response.set_cookie("other", "1")
        return response

    answer = visitor.get(view)
    assert (answer.header("vary"), answer.header("cache-control")) == (None, None)


# Together with Django's cache of whole responses


class Page:
    """A view that is cached for a while and counts how often it was asked."""

    def __init__(self, view) -> None:
        self.view = view
        self.asked = 0

    def __call__(self, request):
        self.asked += 1
        return self.view(request)


@pytest.fixture
def cached(visitor, settings):
    """Return what makes visitors of a site that caches its pages."""
    settings.MIDDLEWARE = [UPDATE, SECURE_MIDDLEWARE, FETCH]
    cache.clear()
    yield lambda: Visitor(visitor.server)
    cache.clear()


def test_a_page_that_leaves_the_session_alone_is_cached_for_everybody(cached):
    page = Page(untouched)
    ada, grace = cached(), cached()
    ada.begin({"name": "ada"})

    assert [v.get(page).body for v in (ada, grace, cached())] == [b"ok"] * 3
    assert page.asked == 1


def test_a_cookie_never_comes_to_a_second_visitor(cached):
    page = Page(write(b=1))
    tokens = {value(cached().get(page)) for _ in range(3)}

    assert len(tokens) == page.asked == 3


def test_what_was_built_from_a_session_never_comes_to_another_visitor(cached):
    page = Page(read)
    ada, grace, nobody = cached(), cached(), cached()
    ada.begin({"name": "ada"})
    grace.begin({"name": "grace"})
    seen = [v.get(page).body for v in (ada, grace, nobody)]

    assert seen == [b"{'name': 'ada'}", b"{'name': 'grace'}", b"{}"]
    assert [v.get(page).body for v in (ada, grace, nobody)] == seen
    assert page.asked == 3


@pytest.mark.parametrize("nobody_is_first", [False, True])
@pytest.mark.parametrize("name", sorted({*members.SYNC} - {"options"}))
def test_no_use_of_the_session_is_shown_to_another_visitor(
    cached, name, nobody_is_first
):
    """Whatever a page tells of the session, a cache tells nobody else."""
    ada, nobody = cached(), cached()
    ada.begin({"a": 1, "testcookie": "worked"})
    page = Page(in_sync_code(name))
    for visitor in (nobody, ada) if nobody_is_first else (ada, nobody):
        visitor.get(page)

    assert page.asked == 2


def test_a_refreshed_cookie_never_comes_to_a_second_visitor(cached, settings, clock):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000)
    ada, twin = cached(), cached()
    token = ada.begin({"name": "ada"})
    twin.put(token)
    clock.tick(101)
    page = Page(read)

    assert value(ada.get(page)) != value(twin.get(page))
    assert page.asked == 2


def test_a_deleted_cookie_never_comes_to_a_second_visitor(cached, clock):
    visitor, twin = cached(), cached()
    for client in (visitor, twin):
        client.put("A" * 128)
    page = Page(read)

    assert deletes(visitor.get(page))
    assert deletes(twin.get(page))
    assert page.asked == 2


def test_a_log_out_is_never_answered_by_a_cache(cached):
    page = Page(call("flush"))
    for _ in range(2):
        visitor = cached()
        visitor.begin({"a": 1})
        assert deletes(visitor.get(page))

    assert page.asked == 2


def test_save_every_request_keeps_visitors_pages_out_of_the_cache(cached, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    page = Page(untouched)
    ada, twin = cached(), cached()
    twin.put(ada.begin({"name": "ada"}))

    assert value(ada.get(page)) != value(twin.get(page))


def test_a_page_of_a_refreshed_session_is_cached_until_the_next_refresh(
    cached, settings, clock
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000)
    ada = cached()
    ada.begin({"name": "ada"})
    page = Page(read)
    for _ in range(5):
        clock.tick(20)
        assert NAME not in str(ada.get(page).set_cookies)

    assert page.asked == 1
