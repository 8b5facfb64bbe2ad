"""Hold a guard against a request: let it pass, or raise what stands against it."""

from __future__ import annotations

import time
from collections.abc import Collection

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from django_secure_session.accounts.current import acurrent, current
from django_secure_session.exceptions import NotAuthenticated, NotAuthorized
from django_secure_session.guards.policy import Policy, SessionPolicy, nearest_refusal
from django_secure_session.identity import Account, Identity

BEARER_KEY = "bearer dss_"
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1


class ForgedRequest(PermissionDenied):
    """Django's check for cross site request forgery has failed; it made *response*."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__("The CSRF check has failed.")
        self.response = response


def admit(request: HttpRequest, policies: Collection[Policy]) -> Account:
    """Return the account that passes one of the policies.

    Raise NotAuthenticated, NotAuthorized, ForgedRequest or StoreUnavailable.
    """
    account = _decide(_applicable(request, policies), current(request))
    if _may_be_forged(request):
        _refuse_forged(request)
    return account


async def aadmit(request: HttpRequest, policies: Collection[Policy]) -> Account:
    """See :func:`admit`."""
    account = _decide(_applicable(request, policies), await acurrent(request))
    if _may_be_forged(request):
        # The site's page for forged requests may ask the database.
        await sync_to_async(_refuse_forged)(request)
    return account


def _applicable(
    request: HttpRequest, policies: Collection[Policy]
) -> Collection[Policy]:
    """Return the policies that decide: a key that is shown decides alone.

    A wrong key is not made good by a cookie. Where no policy takes keys, the header is
    ignored.
    """
    if len(policies) > 1 and _shows_key(request):
        return [p for p in policies if p.scheme == "Bearer"] or policies
    return policies


def _shows_key(request: HttpRequest) -> bool:
    # What is no request at all is told so later, with the way out.
    header: str = getattr(request, "META", {}).get("HTTP_AUTHORIZATION", "")
    return header[: len(BEARER_KEY)].lower() == BEARER_KEY


def _decide(policies: Collection[Policy], identity: Identity) -> Account:
    refused = nearest_refusal(policies, identity, time.time())
    account = identity.account
    if refused is None and account is not None:
        return account
    policy, reason = refused or (SessionPolicy(), "not_authenticated")
    if reason not in ("not_authenticated", "not_fresh"):
        raise NotAuthorized(reason)
    schemes = tuple(dict.fromkeys(each.scheme for each in policies))
    max_age = policy.fresh if isinstance(policy, SessionPolicy) else None
    raise NotAuthenticated(reason, schemes, max_age if reason == "not_fresh" else None)


def _may_be_forged(request: HttpRequest) -> bool:
    """Tell whether nothing has checked for forgery yet that has to.

    Django does so before the view, but not for one that is exempt, and an exempt view
    may be so for its other callers.
    """
    checked = getattr(request, "csrf_processing_done", False)
    return request.method not in SAFE and not checked


def _refuse_forged(request: HttpRequest) -> None:
    # Made anew, because it keeps what the settings were when it was first asked.
    # HttpResponse stands for a view without marks; it is looked at, not called.
    check = CsrfViewMiddleware(HttpResponse).process_view
    response = check(request, HttpResponse, (), {})
    if response is not None:
        raise ForgedRequest(response)
