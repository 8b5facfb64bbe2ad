"""Hold a guard against a request: let it pass, or raise what stands against it."""

from __future__ import annotations

import time
from collections.abc import Collection

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from django_secure_session.accounts.current import (
    acurrent,
    current,
    refuse_unprepared,
)
from django_secure_session.accounts.keyed import admitted, enter, note_asked
from django_secure_session.backends.reports import aannounce, announce
from django_secure_session.exceptions import NotAuthenticated, NotAuthorized
from django_secure_session.guards import keys
from django_secure_session.guards.keys import Found
from django_secure_session.guards.policy import (
    KeyPolicy,
    Policy,
    SessionPolicy,
    nearest_refusal,
)
from django_secure_session.identity import NOBODY, Account, Identity
from django_secure_session.protocols import RejectedKey

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
    refuse_unprepared(request)
    if of_keys := _deciding_keys(request, policies):
        return _admit_key(request, of_keys)
    account = _decide(policies, current(request))
    if _may_be_forged(request):
        _refuse_forged(request)
    return account


async def aadmit(request: HttpRequest, policies: Collection[Policy]) -> Account:
    """See :func:`admit`."""
    refuse_unprepared(request)
    if of_keys := _deciding_keys(request, policies):
        return await _aadmit_key(request, of_keys)
    account = _decide(policies, await acurrent(request))
    if _may_be_forged(request):
        # The site's page for forged requests may ask the database.
        await sync_to_async(_refuse_forged)(request)
    return account


# API keys


def _deciding_keys(
    request: HttpRequest, policies: Collection[Policy]
) -> list[KeyPolicy]:
    """Return the policies that a key has to pass, none where a session decides.

    A key that is shown decides alone: a wrong one is not made good by a cookie. Where
    no policy takes keys, the header is ignored.
    """
    of_keys = [policy for policy in policies if isinstance(policy, KeyPolicy)]
    if not of_keys:
        return []
    note_asked(request)
    decide = len(of_keys) == len(policies) or keys.shows_key(request)
    return of_keys if decide else []


def _refuse_wrapped(request: object) -> None:
    """Raise TypeError for what only hands on what it lacks to Django's request.

    The key's identity would be noted there, and ``request.account`` read from within.
    """
    if not isinstance(request, HttpRequest):
        kind = f"{type(request).__module__}.{type(request).__qualname__}"
        raise TypeError(
            f"A guard that takes API keys was given a {kind} around Django's request. "
            "Put the guard outside of what wraps it: @authorized above @api_view, or "
            "AuthorizedMixin before APIView."
        )


def _admit_key(request: HttpRequest, policies: Collection[KeyPolicy]) -> Account:
    _refuse_wrapped(request)
    found: Found = admitted(request)
    if verifier := keys.verifier_for(request):
        found = found or verifier.verify(request)
        if event := keys.event(request, policies, found):
            announce(event[0], verifier.sender, **event[1])
    return _enter(request, policies, found)


async def _aadmit_key(request: HttpRequest, policies: Collection[KeyPolicy]) -> Account:
    """See :func:`_admit_key`."""
    _refuse_wrapped(request)
    found: Found = admitted(request)
    if verifier := keys.verifier_for(request):
        found = found or await verifier.averify(request)
        if event := keys.event(request, policies, found):
            await aannounce(event[0], verifier.sender, **event[1])
    return _enter(request, policies, found)


def _enter(
    request: HttpRequest, policies: Collection[KeyPolicy], found: Found
) -> Account:
    if isinstance(found, RejectedKey):
        raise NotAuthenticated("invalid_key", ("Bearer",))
    account = _decide(policies, found or NOBODY)
    if found is not None and not admitted(request):
        enter(request, found, account)
    return account


def _decide(policies: Collection[Policy], identity: Identity) -> Account:
    refused = nearest_refusal(policies, identity, time.time())
    account = identity.account
    if refused is None and account is not None:
        return account
    policy, reason = refused or (SessionPolicy(), "not_authenticated")
    if reason not in ("not_authenticated", "not_fresh"):
        raise NotAuthorized(reason, getattr(policy, "scopes", ()))
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
