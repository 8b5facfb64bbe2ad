"""What a client hears who was refused: a log-in page for people, else a problem."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.utils.http import escape_leading_slashes

from django_secure_session import conf
from django_secure_session.accounts.keyed import admitted
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
        if has_page(request, refused):
            raise refused
        return _challenged(_problem(403, "Forbidden", refused), refused)
    if "Cookie" in refused.schemes and is_navigation(request):
        return _redirect(request, refused)
    return _challenged(_problem(401, "Unauthorized", refused), refused)


def has_page(request: HttpRequest, refused: NotAuthorized) -> bool:
    """Tell whether the site's own page for 403 is the answer, not a problem."""
    return refused.reason != "insufficient_scope" and is_navigation(request)


def is_navigation(request: HttpRequest) -> bool:
    """Tell whether a browser is to show the response as a page.

    Fetch Metadata says so; where a client sends none, what it accepts tells. Whoever
    has shown an API key is no browser.
    """
    if admitted(request):
        return False
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


def _challenged(
    response: HttpResponse, refused: NotAuthenticated | NotAuthorized
) -> HttpResponse:
    challenges = _challenges(refused)
    if challenges:
        response["WWW-Authenticate"] = ", ".join(challenges)
    return response


def _challenges(refused: NotAuthenticated | NotAuthorized) -> list[str]:
    """Return what a 401 needs (RFC 9110 section 15.5.2), and a 403 for a scope.

    Nothing is registered for cookies; this is no scheme that browsers ask a password
    for. The error for a log-in that is too old is that of RFC 9470, and those for keys
    are those of RFC 6750.
    """
    if isinstance(refused, NotAuthorized):
        if refused.reason != "insufficient_scope":
            return []
        scopes = " ".join(refused.scopes)
        return [f'{_BEARER}, error="insufficient_scope", scope="{scopes}"']
    if refused.reason == "invalid_key":
        return [f'{_BEARER}, error="invalid_token"']
    return [_challenge(scheme, refused.max_age) for scheme in refused.schemes]


_BEARER = 'Bearer realm="api"'


def _challenge(scheme: str, max_age: int | None) -> str:
    if scheme != "Cookie":
        return _BEARER
    stale = f', error="insufficient_user_authentication", max_age="{max_age}"'
    return f'Cookie realm="session"{stale if max_age is not None else ""}'


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
