from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_POST, require_safe
from django.views.generic import View

from django_secure_session import (
    AuthenticatedMixin,
    any_of,
    authenticated,
    authorized,
    public,
)
from testproject.guards.examples import EXAMPLES, example_of, refusal
from testproject.inspection import make_older, sealed_account


@public
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """List the guards. Who may enter elsewhere is asked by the same guards."""
    context = {
        "examples": [(each, refusal(each, request)) for each in EXAMPLES.values()],
        "sealed": sealed_account(request.session),
    }
    return render(request, "guards/list.html", context)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 for the whole site; ``handler403`` names this view.

    Django's own takes the same template, which would not know what the page wants.
    """
    context = {"exception": str(exception), "example": example_of(request)}
    return render(request, "403.html", context, status=403)


# A page for each guard


@authenticated
def logged_in(request: HttpRequest) -> HttpResponse:
    return _page(request, "log-in")


@authenticated(roles=["admin", "owner"])
def team(request: HttpRequest) -> HttpResponse:
    return _page(request, "roles")


@authenticated(verified=True)
def verified(request: HttpRequest) -> HttpResponse:
    return _page(request, "verified")


@authenticated(org=True)
def org(request: HttpRequest) -> HttpResponse:
    return _page(request, "org")


@authenticated(fresh=timedelta(minutes=10))
def fresh(request: HttpRequest) -> HttpResponse:
    return _page(request, "fresh")


@any_of(authenticated(roles=["owner"]), authorized(scopes=["invoices:read"]))
def either(request: HttpRequest) -> HttpResponse:
    return _page(request, "any-of")


@public
def everybody(request: HttpRequest) -> HttpResponse:
    return _page(request, "public")


class Report(AuthenticatedMixin, View):
    required_roles = ("owner",)
    required_verified = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return _page(request, "class")


@authenticated(roles=["admin", "owner"])
async def asynchronous(request: HttpRequest) -> HttpResponse:
    """Answer in the event loop: with no query there is nothing to wait for."""
    return _page(request, "async")


def tree(request: HttpRequest) -> HttpResponse:
    return _page(request, "tree")


def prices(request: HttpRequest) -> HttpResponse:
    """Show prices to everybody, but what the shop pays to owners only."""
    if "wholesale" in request.GET:
        request.authenticated(roles=["owner"])
        return _page(request, "inside")
    return _page(request, "inside", why="without ?wholesale the view asks for nothing")


def _page(request: HttpRequest, name: str, why: str = "") -> HttpResponse:
    example = EXAMPLES[name]
    context = {
        "example": example,
        "why": why or example.why.format(account=request.account, org=request.org),
        "sealed": sealed_account(request.session),
    }
    response = render(request, "guards/page.html", context)
    add_never_cache_headers(response)  # after log-out the back button shows none of it
    return response


# Time to travel

HOUR = 3600  # seconds
#: What can be made old, the claim that says so, and the page that then shows it.
AGEING = {"log-in": ("auth_time", "fresh"), "claims": ("iat", "log-in")}


@authenticated
@require_POST
def make_old(request: HttpRequest) -> HttpResponse:
    """Pretend that an hour has passed, so that nobody has to wait for it."""
    what = request.POST.get("what")
    if what not in AGEING:
        return HttpResponseBadRequest("Choose one of the buttons.")
    claim, page = AGEING[what]
    make_older(request.session, claim, HOUR)
    return redirect(f"guards:{page}")
