"""The kinds of guards: how each is written, and where there is a view behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from django_secure_session import NotAuthenticated, NotAuthorized


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A guard, and a view behind it."""

    url_name: str
    title: str
    #: What it wants of the account.
    wants: str
    code: str
    #: Why it has let the account in.
    why: str
    #: The same guard, called; it raises for whoever may not enter.
    call: Callable[[Any], object]
    query: str = ""

    @property
    def url(self) -> str:
        return reverse(self.url_name) + self.query


def example_of(request: HttpRequest) -> Example | None:
    """Return the example whose view answers a request."""
    match = request.resolver_match
    here = match.view_name if match else None
    return next((each for each in EXAMPLES.values() if each.url_name == here), None)


def refusal(example: Example, request: HttpRequest) -> str:
    """Return why the guard would refuse whoever asks, "" if it would not."""
    try:
        example.call(request)
    except NotAuthorized as refused:
        return str(refused)
    except NotAuthenticated as refused:
        return str(refused) if "Cookie" in refused.schemes else "Show an API key."
    return ""


EXAMPLES = {
    "log-in": Example(
        url_name="guards:log-in",
        title="A log-in",
        wants="Any account.",
        code="@authenticated\ndef logged_in(request):",
        why="account {account.id} is logged in",
        call=lambda request: request.authenticated(),
    ),
    "roles": Example(
        url_name="guards:roles",
        title="A role",
        wants="One of two roles, in the organisation that the account acts for.",
        code='@authenticated(roles=["admin", "owner"])\ndef team(request):',
        why="the role is {account.role}",
        call=lambda request: request.authenticated(roles=["admin", "owner"]),
    ),
    "verified": Example(
        url_name="guards:verified",
        title="A verified account",
        wants="One whose e-mail address the site has made sure of.",
        code="@authenticated(verified=True)\ndef verified(request):",
        why="account {account.id} is verified",
        call=lambda request: request.authenticated(verified=True),
    ),
    "org": Example(
        url_name="guards:org",
        title="An organisation",
        wants="An account that acts for one, in whichever role.",
        code="@authenticated(org=True)\ndef org(request):",
        why="account {account.id} acts for {org.id}",
        call=lambda request: request.authenticated(org=True),
    ),
    "fresh": Example(
        url_name="guards:fresh",
        title="A recent log-in",
        wants="A password typed less than ten minutes ago; else it is asked again.",
        code="@authenticated(fresh=timedelta(minutes=10))\ndef fresh(request):",
        why="account {account.id} has proved itself in the last ten minutes",
        call=lambda request: request.authenticated(fresh=timedelta(minutes=10)),
    ),
    "any-of": Example(
        url_name="guards:any-of",
        title="One guard or another",
        wants="An owner, or a program with an API key.",
        code='@any_of(\n    authenticated(roles=["owner"]),\n'
        '    authorized(scopes=["invoices:read"]))\ndef either(request):',
        why="the role is {account.role}; an API key would have done too",
        call=lambda request: request.authenticated(roles=["owner"]),
    ),
    "class": Example(
        url_name="guards:class",
        title="A class",
        wants="A verified owner.",
        code="class Report(AuthenticatedMixin, View):\n"
        '    required_roles = ("owner",)\n'
        "    required_verified = True",
        why="the role is {account.role}, and the account is verified",
        call=lambda request: request.authenticated(roles=["owner"], verified=True),
    ),
    "async": Example(
        url_name="guards:async",
        title="An async view",
        wants="One of two roles. It all happens in the event loop, without a thread.",
        code='@authenticated(roles=["admin", "owner"])\n'
        "async def asynchronous(request):",
        why="the role is {account.role}",
        call=lambda request: request.authenticated(roles=["admin", "owner"]),
    ),
    "tree": Example(
        url_name="guards:tree",
        title="A tree of URLs",
        wants="An owner, for each view in the tree, however deep it is.",
        code='authenticated(roles=["owner"])(\n    include("testproject.guards.tree"))',
        why="the role is {account.role}, which is asked where this view is included",
        call=lambda request: request.authenticated(roles=["owner"]),
    ),
    "inside": Example(
        url_name="guards:inside",
        query="?wholesale=1",
        title="In the middle of a view",
        wants="An owner, but only for a part of the page.",
        code='if "wholesale" in request.GET:\n'
        '    request.authenticated(roles=["owner"])',
        why="the role is {account.role}, which the view itself asked for",
        call=lambda request: request.authenticated(roles=["owner"]),
    ),
    "public": Example(
        url_name="guards:public",
        title="Everybody",
        wants="Nothing. The mark tells that no guard was forgotten.",
        code="@public\ndef everybody(request):",
        why="this page is for everybody",
        call=lambda request: None,
    ),
    "json": Example(
        url_name="api:team",
        title="JSON",
        wants="A role and an organisation, or a key. Programs get no page, but 401 or "
        "403.",
        code="@any_of(\n    authenticated(roles=LEADERS, org=True),\n"
        '    authorized(scopes=["team:read"]))\ndef team(request):',
        why="",
        call=lambda request: request.authenticated(roles=["admin", "owner"], org=True),
    ),
    "key": Example(
        url_name="api:total",
        title="An API key",
        wants="A key with this scope, never a cookie. So no forged request of a "
        "browser can get in.",
        code='@authorized(scopes=["invoices:read"])\nasync def total(request):',
        why="",
        call=lambda request: request.authorized(scopes=["invoices:read"]),
    ),
}
