from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from django_secure_session import authenticated, authorized
from testproject.organisations.models import Membership


@authenticated
@require_safe
def me(request: HttpRequest) -> JsonResponse:
    """Tell who is asking, which takes no query."""
    account = asdict(request.account)
    return JsonResponse({"account": account, "org": request.org and request.org.id})


@authenticated(roles=["admin", "owner"], org=True)
@require_safe
def team(request: HttpRequest) -> JsonResponse:
    """List the members of the organisation that the account acts for."""
    members = Membership.objects.filter(organisation__slug=request.org.id)
    return JsonResponse({"members": list(members.values("user__username", "role"))})


@authorized(scopes=["invoices:read"])
@require_safe
def invoices(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"invoices": [{"number": 1, "total": "27.30"}]})
