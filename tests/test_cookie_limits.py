"""How large cookies may be: 4096 bytes going out, 65536 in one header coming in."""

from __future__ import annotations

import tracemalloc
from http.cookies import Morsel

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from django_secure_session import cookies
from django_secure_session.conf import CookieAttributes
from django_secure_session.cookies import MAX_HEADER, PartitionedMorsel
from django_secure_session.middleware import SecureSessionMiddleware
from tests import conftest
from tests.conftest import COOKIE_LIMIT, no_oversized_cookie
from tests.http import (
    SECURE_MIDDLEWARE,
    SERVERS,
    asgi,
    ashown,
    both,
    sealed,
    shown,
    writing,
    wsgi,
)

MEGABYTE = 1 << 20
MINE = {"user": "me"}
ATTRIBUTES = CookieAttributes(
    name="n",
    path="/",
    domain=None,
    secure=False,
    httponly=True,
    samesite="Lax",
    partitioned=False,
)


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]


# Going out: what the whole suite asserts


def of_size(size: int, name: str = "n") -> str:
    return "x" * (size - len(name))


def set_by_django(size):
    HttpResponse().set_cookie("n", of_size(size))


def set_by_dict(size):
    HttpResponse().cookies["n"] = of_size(size)


def set_by_us(size):
    cookies.send(
        HttpResponse(), {"n": of_size(size)}, ATTRIBUTES, max_age=1, secure=False
    )


def set_on_a_stream(size):
    StreamingHttpResponse([]).set_cookie("n", of_size(size))


def written_out(size):
    morsel = Morsel()
    morsel.set("n", of_size(size), of_size(size))
    morsel.OutputString()


def ours_written_out(size):
    morsel = PartitionedMorsel()
    morsel.set("n", of_size(size), of_size(size))
    morsel.output()


def served(server):
    def serve(size):
        def view(request):
            response = HttpResponse()
            response.set_cookie("n", of_size(size))
            return response

        server(view)

    return serve


def client_visits(size):
    Client().get("/write/", {"data": '{"a": 1}'})
    Client(raise_request_exception=False).get("/too_large/")
    set_by_django(size)


WAYS_OUT = [
    set_by_django,
    set_by_dict,
    set_by_us,
    set_on_a_stream,
    written_out,
    ours_written_out,
    served(wsgi),
    served(asgi),
    client_visits,
]


@pytest.mark.parametrize("send", WAYS_OUT)
def test_a_cookie_of_4097_bytes_fails_every_test(send):
    with pytest.raises(AssertionError, match="n: 4097"), no_oversized_cookie():
        send(COOKIE_LIMIT + 1)


@pytest.mark.parametrize("send", WAYS_OUT)
def test_a_cookie_of_4096_bytes_fails_no_test(send):
    with no_oversized_cookie():
        send(COOKIE_LIMIT)


def test_bytes_are_counted_not_characters():
    value = of_size(COOKIE_LIMIT - 1) + "é"
    morsel = Morsel()
    morsel.set("n", value, value)

    with pytest.raises(AssertionError, match="n: 4097"), no_oversized_cookie():
        morsel.OutputString()


def test_an_error_that_is_swallowed_hides_no_oversized_cookie():
    def view(request):
        response = HttpResponse()
        response.set_cookie("n", of_size(5000))
        raise RuntimeError("a view failed")

    with pytest.raises(AssertionError, match="n: 5000"), no_oversized_cookie():
        wsgi(view)


def test_the_assertion_holds_for_every_test(request):
    assert "_no_oversized_cookie" in request.fixturenames
    assert conftest.oversized == []


# Going out: what we send


@pytest.mark.parametrize("name", ["s", "sessionid", "__Host-" + "n" * 248])
def test_the_largest_cookie_that_we_send_has_4096_bytes_at_most(settings, name):
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = name, True
    sizes = []
    for size in range(2600, 3100, 16):
        answer = both(writing(text="x" * size), secure=True)
        assert answer.status in {200, 500}
        if answer.status == 200:
            (line,) = answer.set_cookies
            sizes.append(len(line.partition(";")[0]) - len("="))

    assert COOKIE_LIMIT - 64 < max(sizes) <= COOKIE_LIMIT


# Coming in


def view_not_reached(request):
    raise AssertionError("the view was reached")


def padded(size: int) -> bytes:
    """Return a header of this size with my session at its end."""
    mine = b"; sessionid=" + sealed(MINE).encode()
    return b"a=" + b"x" * (size - len(mine) - 2) + mine


def in_parts(header: bytes, number: int) -> list[bytes]:
    """Return the parts that are the header when they are joined."""
    size = len(header) // number
    parts, rest = [], header
    for _ in range(number - 1):
        parts.append(rest[:size])
        rest = rest[size + 2 :]
    return [*parts, rest]


def test_65536_bytes_are_read():
    for view in (shown, ashown):
        assert both(view, padded(MAX_HEADER)).json() == {
            "data": MINE,
            "rejection": None,
        }


def test_65537_bytes_are_refused():
    assert MAX_HEADER == 65536
    assert both(view_not_reached, padded(MAX_HEADER + 1)).status == 431


@pytest.mark.parametrize("number", [2, 3, 50])
def test_the_limit_is_that_of_the_joined_parts(number):
    parts = in_parts(padded(MAX_HEADER), number)
    assert len(b"; ".join(parts)) == MAX_HEADER
    assert both(shown, parts).json()["data"] == MINE

    parts[0] += b"x"
    assert both(view_not_reached, parts).status == 431


def test_bytes_of_a_header_are_counted_not_characters():
    header = "a=" + "é" * ((MAX_HEADER - 2) // 2)

    assert both(shown, header.encode()).status == 200
    assert both(view_not_reached, f"{header}x".encode()).status == 431


def test_the_answer_says_what_to_do_and_is_not_kept():
    answer = both(view_not_reached, padded(MAX_HEADER + 1))

    assert b"Delete the cookies" in answer.body
    assert answer.header("cache-control") == "no-store"
    assert answer.set_cookies == []


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_every_method_is_refused(method):
    answer = both(view_not_reached, padded(MAX_HEADER + 1), method=method)

    assert answer.status == 431


@pytest.mark.parametrize("server", SERVERS)
def test_nothing_further_in_parses_the_header(settings, monkeypatch, server):
    settings.MIDDLEWARE = [
        SECURE_MIDDLEWARE,
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    monkeypatch.delattr("django.core.handlers.wsgi.parse_cookie")
    monkeypatch.delattr("django.core.handlers.asgi.parse_cookie")

    answer = server(view_not_reached, padded(10 * MEGABYTE), method="POST")
    assert answer.status == 431


def wsgi_request(parts):
    header = b"; ".join(parts).decode("latin-1")
    return RequestFactory().get("/", HTTP_COOKIE=header)


def asgi_request(parts):
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", b"x"), *((b"cookie", part) for part in parts)],
    }
    return ASGIRequest(scope, None)


def junk(number: int, size: int) -> list[bytes]:
    return [b"a=" + b"x" * (size - 2)] * number


HUGE = [
    junk(1, 10 * MEGABYTE),
    junk(10, MEGABYTE),
    junk(1000, 10 * MEGABYTE // 1000),
    junk(100_000, 105),
    [b"; " * (5 * MEGABYTE)],
    [b"sessionid=x;" * MEGABYTE],
]


@pytest.mark.parametrize("make", [wsgi_request, asgi_request])
@pytest.mark.parametrize("parts", HUGE, ids=lambda parts: f"{len(parts)} parts")
def test_10_megabytes_are_refused_without_a_copy(make, parts):
    request = make(parts)
    assert isinstance(request, WSGIRequest if make is wsgi_request else ASGIRequest)
    middleware = SecureSessionMiddleware(view_not_reached)
    tracemalloc.start()
    response = middleware(request)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert response.status_code == 431
    assert peak < 500_000
    assert "COOKIES" not in vars(request)


def test_a_hundred_thousand_empty_parts_are_refused_without_a_copy():
    request = asgi_request([b""] * 100_000)
    middleware = SecureSessionMiddleware(view_not_reached)
    tracemalloc.start()
    response = middleware(request)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert response.status_code == 431
    assert peak < 500_000


def test_a_session_of_a_request_that_was_refused_is_nowhere():
    request = wsgi_request(junk(1, MEGABYTE))
    SecureSessionMiddleware(view_not_reached)(request)

    assert not hasattr(request, "session")


@pytest.mark.parametrize("size", [10, 100, MAX_HEADER // 2, MAX_HEADER])
def test_the_work_for_junk_grows_with_its_length_alone(monkeypatch, size):
    searched = []
    original = cookies.values

    def values(header, name):
        searched.append(len(header))
        return original(header, name)

    monkeypatch.setattr(cookies, "values", values)
    unit = b"sessionid=2.AAAAAAAAAAAAAAAAAAAA;"
    header = (unit * (MAX_HEADER // len(unit) + 1))[:size]
    both(shown, header)

    assert sum(searched) <= 2 * 4 * size
