"""What a visitor does with a session; by GET, so that going to an address does it."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login, logout
from django.http import HttpResponse
from django.utils.html import format_html


def text(size):
    """Return a text in which no piece could change its place unnoticed."""
    return "-".join(str(i) for i in range(size))[:size]


def session_of(request):
    return getattr(request, request.GET.get("session", "session"))


def write(request):
    session_of(request)["text"] = text(int(request.GET["size"]))
    return HttpResponse("ok")


def read(request):
    return HttpResponse(session_of(request).get("text", ""))


def flush(request):
    session_of(request).flush()
    return HttpResponse("ok")


def log_in(request):
    login(request, get_user_model().objects.get(username=request.GET["username"]))
    return HttpResponse(request.user.get_username())


def log_out(request):
    logout(request)
    return HttpResponse("ok")


def who(request):
    return HttpResponse(request.user.get_username())


def echo(request):
    """Return the Cookie header as it came."""
    header = request.headers.get("cookie", "")
    return HttpResponse(header.encode("latin-1"), content_type="text/plain")


def set_cookie(request):
    """Set a cookie, the UTF-8 bytes of whose header the query has."""
    header = request.GET["cookie"].encode().decode("latin-1")
    return HttpResponse("ok", headers={"Set-Cookie": header})


def set_plain(request):
    response = HttpResponse("ok")
    response.set_cookie("plain", "x" * int(request.GET["size"]))
    return response


def frame(request):
    return HttpResponse(format_html('<iframe src="{}"></iframe>', request.GET["src"]))
