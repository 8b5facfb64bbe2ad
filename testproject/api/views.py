from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from django.views.generic import View

from django_secure_session import (
    AuthorizedMixin,
    NotAuthorized,
    any_of,
    authenticated,
    authorized,
)
from testproject.api.problems import problem
from testproject.invoices.forms import InvoiceForm
from testproject.invoices.models import Invoice, InvoiceQuerySet
from testproject.organisations.models import LEADERS, Membership, Organisation

# For people and programs


@any_of(authenticated, authorized)
@require_safe
def me(request: HttpRequest) -> JsonResponse:
    """Tell who is asking, which takes no query for people."""
    content = {
        "account": asdict(request.account),
        "org": request.org and request.org.id,
        "auth_via": request.auth_via,
    }
    return JsonResponse(content)


@any_of(
    authenticated(roles=LEADERS, org=True),
    authorized(scopes=["team:read"]),
)
@require_safe
def team(request: HttpRequest) -> JsonResponse:
    """List the members of the organisation that the account acts for.

    A scope is no role: whoever makes a key chooses it. So the owner of a key has to
    have the role too, now and not when the key was made.
    """
    slug = organisation(request)
    if request.account.role not in LEADERS:
        raise NotAuthorized("wrong_role")
    members = Membership.objects.filter(organisation__slug=slug)
    return JsonResponse({"members": list(members.values("user__username", "role"))})


# For programs


class Invoices(AuthorizedMixin, View):
    """The invoices of the organisation that the key is for: a scope for each method."""

    @method_decorator(authorized(scopes=["invoices:read"]))
    def get(self, request: HttpRequest) -> JsonResponse:
        found = [invoice.as_json() for invoice in invoices_for(request)]
        return JsonResponse({"invoices": found})

    @method_decorator(authorized(scopes=["invoices:write"]))
    def post(self, request: HttpRequest) -> JsonResponse:
        owner = Organisation.objects.get(slug=organisation(request))
        form = InvoiceForm(json_of(request), instance=Invoice(organisation=owner))
        if not form.is_valid():
            return problem(
                HTTPStatus.BAD_REQUEST,
                "invalid",
                'Send a JSON object such as {"customer": "Ada", "total": "27.30"}.',
                errors=form.errors.get_json_data(),
            )
        invoice = form.save()
        headers = {"Location": invoice.get_absolute_url()}
        return JsonResponse(invoice.as_json(), status=201, headers=headers)


@authorized(scopes=["invoices:read"])
@require_safe
def invoice(request: HttpRequest, number: int) -> JsonResponse:
    found = invoices_for(request).filter(pk=number).first()
    if found is None:
        detail = f"Your organisation has no invoice {number}."
        return problem(HTTPStatus.NOT_FOUND, "not_found", detail)
    return JsonResponse(found.as_json())


@authorized(scopes=["invoices:read"])
@require_safe
async def total(request: HttpRequest) -> JsonResponse:
    found = invoices_for(request)
    return JsonResponse({"count": await found.acount(), "total": await found.asum()})


def invoices_for(request: HttpRequest) -> InvoiceQuerySet:
    return Invoice.objects.of(organisation(request))


def organisation(request: HttpRequest) -> str:
    """Return whom the account acts for. A key can be for no organisation."""
    if request.org is None:
        raise NotAuthorized("no_org")
    return request.org.id


def json_of(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in a request, {} for anything else."""
    try:
        content = json.loads(request.body)
        json.dumps(content, ensure_ascii=False).encode()  # no half characters
    except (RecursionError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
