"""What a client hears who was refused: a log-in page for people, else a problem."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.utils.http import escape_leading_slashes

from django_secure_session import conf
from django_secure_session.exceptions import NotAuthenticated, NotAuthorized
from django_secure_session.guards.admission import ForgedRequest
from django_secure_session.guards.routes import reauthenticate_view

Refused = NotAuthenticated | NotAuthorized | ForgedRequest
REFUSED = (NotAuthenticated, NotAuthorized, ForgedRequest)


def answer(request: HttpRequest, refused: Refused) -> HttpResponseBase:
    """Return the response for what a guard has raised.

    Raise NotAuthorized itself for people, so that the site's own page for 403 shows.
    """
    if isinstance(refused, ForgedRequest):
        return refused.response
    if isinstance(refused, NotAuthorized):
        if is_navigation(request):
            raise refused
        return _problem(403, "Forbidden", refused)
    if "Cookie" in refused.schemes and is_navigation(request):
        return _redirect(request, refused)
    response = _problem(401, "Unauthorized", refused)
    response["WWW-Authenticate"] = ", ".join(
        _challenge(scheme, refused) for scheme in refused.schemes
    )
    return response


def is_navigation(request: HttpRequest) -> bool:
    """Tell whether a browser is to show the response as a page.

    Fetch Metadata says so; where a client sends none, what it accepts tells.
    """
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None:
        return bool(mode == "navigate")
    accept: str = request.headers.get("accept", "")
    types = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return not accept.strip() or "text/html" in types


def _problem(
    status: int, title: str, refused: NotAuthenticated | NotAuthorized
) -> HttpResponse:
    """Return problem details (RFC 9457)."""
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": str(refused),
        "code": refused.reason,
    }
    return JsonResponse(
        content,
        status=status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )


def _challenge(scheme: str, refused: NotAuthenticated) -> str:
    """Return what a 401 needs (RFC 9110 section 15.5.2).

    Nothing is registered for cookies; this is no scheme that browsers ask a password
    for. The error for a log-in that is too old is that of RFC 9470.
    """
    error = ""
    if refused.max_age is not None and scheme == "Cookie":
        error = (
            f', error="insufficient_user_authentication", max_age="{refused.max_age}"'
        )
    return f'{scheme} realm="{"session" if scheme == "Cookie" else "api"}"{error}'


def _redirect(request: HttpRequest, refused: NotAuthenticated) -> HttpResponse:
    is_stale = refused.reason == "not_fresh"
    url = reauthenticate_url(request) if is_stale else login_url(request)
    parts = urlsplit(url)
    query = QueryDict(parts.query, mutable=True)
    query[REDIRECT_FIELD_NAME] = _way_back(request, url)
    target = parts._replace(query=query.urlencode(safe="/")).geturl()
    return HttpResponseRedirect(target, headers={"Cache-Control": "no-store"})


def _way_back(request: HttpRequest, url: str) -> str:
    """Return where to go after the log-in: a path, unless that is on another site.

    A path that begins with two slashes would be another host.
    """
    path = escape_leading_slashes(request.get_full_path())
    there = urlsplit(url)
    here = urlsplit(request.build_absolute_uri(path)) if there.netloc else there
    same = (there.scheme or here.scheme, there.netloc) == (here.scheme, here.netloc)
    return path if same else here.geturl()


def login_url(request: HttpRequest) -> str:
    """Return where people go to log in to the session of this request."""
    own = _config(request).login_url
    return resolve_url(str(own) if own else conf.login_url())


def reauthenticate_url(request: HttpRequest) -> str:
    """Return where people go to confirm who they are."""
    own = _config(request).reauthenticate_url
    if own:
        return resolve_url(str(own))
    view = reauthenticate_view()
    return resolve_url(view) if view else login_url(request)


def _config(request: HttpRequest) -> conf.SessionConfig:
    return conf.get_config(getattr(request.session, "alias", conf.DEFAULT_ALIAS))
