"""API keys in requests: where they stand, who checks them, and who hears of it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from django.dispatch import Signal
from django.http import HttpRequest

from django_secure_session import conf
from django_secure_session.accounts.keyed import admitted
from django_secure_session.backends.reports import logger
from django_secure_session.guards.policy import KeyPolicy, nearest_refusal
from django_secure_session.identity import Identity
from django_secure_session.protocols import KeyVerifier, RejectedKey
from django_secure_session.signals import api_key_rejected, api_key_used

SCHEME = "bearer "  # in any case (RFC 9110 section 11.1)

#: Whom a key speaks for, why it is refused, or None where none was sent.
Found = Identity | RejectedKey | None


def bearer(request: HttpRequest) -> str:
    """Return what a request sends as ``Authorization: Bearer``, "" for nothing."""
    sent = request.META  # request.headers would read all of them first
    header: str = sent.get("HTTP_AUTHORIZATION", "")
    is_bearer = header[: len(SCHEME)].lower() == SCHEME
    return header[len(SCHEME) :] if is_bearer else ""


def shows_key(request: HttpRequest) -> bool:
    """Tell whether a request sends something that begins as this site's keys do."""
    prefix = conf.get_config().api_key_prefix + "_"
    return bearer(request)[: len(prefix)].lower() == prefix


def verifier_for(request: HttpRequest) -> KeyVerifier | None:
    """Return what checks the key in a request, None where there is neither."""
    return conf.verifier() if bearer(request) else None


# Reports

Event = tuple[Signal, dict[str, Any]]


def event(
    request: HttpRequest, policies: Collection[KeyPolicy], found: Identity | RejectedKey
) -> Event | None:
    """Return the signal to send of what became of a key, None if it was sent."""
    if isinstance(found, RejectedKey):
        return api_key_rejected, _rejection(request, found)
    if nearest_refusal(policies, found, now=0) is not None:
        rejected = RejectedKey("insufficient_scope", found.key_id)
        return api_key_rejected, _rejection(request, rejected)
    return None if admitted(request) else (api_key_used, _use(request, found))


def _use(request: HttpRequest, identity: Identity) -> dict[str, Any]:
    key_id, account, org = identity.key_id, identity.account, identity.org
    return {"key_id": key_id, "account": account, "org": org, **_what(request)}


def _rejection(request: HttpRequest, rejected: RejectedKey) -> dict[str, Any]:
    reason, key_id = rejected
    # Junk is nothing to warn of. This has a check that is right: somebody knows keys.
    level = logging.WARNING if reason == "unknown" else logging.INFO
    logger.log(level, "Refused an API key (%s): %s", key_id or "no id", reason)
    return {"reason": reason, "key_id": key_id, **_what(request)}


def _what(request: HttpRequest) -> dict[str, Any]:
    """Return what was asked for, without the request: that has the key in it."""
    view = getattr(request.resolver_match, "view_name", "")
    return {"view": view, "method": request.method, "path": request.path}
