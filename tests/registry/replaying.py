"""A site where people log in and out, and all that makes a copied cookie worthless.

It runs in the process of a test, and in workers of their own (``replay_worker``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from django_secure_session import logout
from django_secure_session.registry import revoke_account
from django_secure_session.registry.models import SessionRecord

OURS = "django_secure_session.middleware.SecureSessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
AFTER = [
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_secure_session.middleware.AccountMiddleware",
]
NAME = "sessionid"
BACKEND = "django.contrib.auth.backends.ModelBackend"
NOBODY = "None None"


def log_in(request, name):
    user, _ = User.objects.get_or_create(username=name)
    auth.login(request, user, BACKEND)
    return HttpResponse(str(user.pk))


def log_out(request):
    logout(request)
    return HttpResponse()


def djangos_log_out(request):
    auth.logout(request)
    return HttpResponse()


def cycle(request):
    request.session.cycle_key()
    return HttpResponse()


def regenerate(request):
    request.session.regenerate()
    return HttpResponse()


def new_password(request):
    request.user.set_password("another")
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return HttpResponse()


def disable(request, name):
    user = User.objects.get(username=name)
    user.is_active = False
    user.save()
    return HttpResponse()


def end_account(request, name):
    revoke_account(str(User.objects.get(username=name).pk))
    return HttpResponse()


def end_grace(request):
    """Let eleven seconds pass since any session got another sid."""
    before = timezone.now() - timedelta(seconds=11)
    SessionRecord.objects.filter(cycled_at__gt=before).update(cycled_at=before)
    return HttpResponse()


def who(request):
    """Answer for whom a request is taken, by either way to ask."""
    account_id = request.account.id if request.account else None
    return HttpResponse(f"{account_id} {request.user.pk}")


urlpatterns = [
    path("in/<name>/", log_in),
    path("out/", log_out),
    path("djangos-out/", djangos_log_out),
    path("cycle/", cycle),
    path("regenerate/", regenerate),
    path("password/", new_password),
    path("disable/<name>/", disable),
    path("end/<name>/", end_account),
    path("grace/", end_grace),
    path("who/", who),
]


class Answer(NamedTuple):
    """What a request has brought: a page, and a cookie if there is one."""

    page: str
    token: str | None = None


Ask = Callable[..., Answer]


def used(ask: Ask, name: str) -> str:
    """Log somebody in, use the session, and return what a thief may copy."""
    number, token = ask(f"/in/{name}/")
    assert ask("/who/", token).page == f"{number} {number}"
    return token


# Each logs somebody in, ends that, and returns the cookie.


def after_log_out(ask):
    token = used(ask, "out")
    ask("/out/", token)
    return token


def after_djangos_log_out(ask):
    token = used(ask, "djangos")
    ask("/djangos-out/", token)
    return token


def after_log_in_as_another(ask):
    token = used(ask, "one")
    ask("/in/another/", token)
    return token


def after_cycle(ask):
    token = used(ask, "cycle")
    new = ask("/cycle/", token).token
    ask("/grace/")
    assert ask("/who/", new).page != NOBODY
    return token


def after_regenerate(ask):
    token = used(ask, "regenerate")
    ask("/regenerate/", token)
    return token


def after_new_password(ask):
    """Another browser of the person's has the new password, this one does not."""
    token = used(ask, "password")
    own = used(ask, "password")
    own = ask("/password/", own).token
    assert ask("/who/", own).page != NOBODY
    return token


def after_disablement(ask):
    token = used(ask, "disabled")
    ask("/disable/disabled/")
    return token


def after_end_of_account(ask):
    token = used(ask, "account")
    ask("/end/account/")
    return token


CAUSES = [
    *(after_log_out, after_djangos_log_out, after_log_in_as_another, after_cycle),
    *(after_regenerate, after_new_password, after_disablement, after_end_of_account),
]
#: Sessions that open and are nobody's: Django's database says so each time.
SLOW = {after_new_password, after_disablement}
