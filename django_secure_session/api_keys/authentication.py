"""Whom an API key in a request speaks for: a look-up of it, and one of its owner."""

from __future__ import annotations

from functools import partial
from secrets import compare_digest

from django.http import HttpRequest
from django.utils import timezone

from django_secure_session import conf
from django_secure_session.accounts.asking import reaching
from django_secure_session.accounts.keyed import defer
from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.owners import Owner, aowner, owner
from django_secure_session.api_keys.tokens import Presented
from django_secure_session.guards.keys import bearer
from django_secure_session.identity import Identity
from django_secure_session.protocols import RejectedKey

KEYS = "The database with the API keys"
NO_DIGEST = "0" * 64


class Verifier:
    """Fulfils :class:`~django_secure_session.protocols.KeyVerifier`."""

    sender = ApiKey

    def verify(self, request: HttpRequest) -> Identity | RejectedKey:
        """Return whom the key in a request speaks for. Raise StoreUnavailable.

        Where the text alone tells that it is no key, nothing is looked up.
        """
        presented = _presented(request)
        if presented is None:
            return RejectedKey("malformed")
        with reaching(KEYS):
            key = _judge(ApiKey.objects.find(presented.digest), presented)
        if isinstance(key, RejectedKey):
            return key
        return _judge_owner(request, key, owner(key.account_id, key.org_id or None))

    async def averify(self, request: HttpRequest) -> Identity | RejectedKey:
        """See :meth:`verify`."""
        presented = _presented(request)
        if presented is None:
            return RejectedKey("malformed")
        with reaching(KEYS):
            key = _judge(await ApiKey.objects.afind(presented.digest), presented)
        if isinstance(key, RejectedKey):
            return key
        its_owner = await aowner(key.account_id, key.org_id or None)
        return _judge_owner(request, key, its_owner)


def _presented(request: HttpRequest) -> Presented | None:
    __traceback_hide__ = True
    return tokens.parse(bearer(request), conf.get_config().api_key_prefix)


def _judge(key: ApiKey | None, presented: Presented) -> ApiKey | RejectedKey:
    """Return the key if it is good.

    An id that nobody has and a secret that is wrong take the same steps. The database
    has compared the digests; this does so once more, as some compare loosely.
    """
    stored = key.digest if key else NO_DIGEST
    if not compare_digest(stored, presented.digest) or key is None:
        return RejectedKey("unknown", presented.key_id)
    reason = key.end_reason(timezone.now())
    return RejectedKey(reason, key.pk) if reason else key


def _judge_owner(
    request: HttpRequest, key: ApiKey, owner: Owner
) -> Identity | RejectedKey:
    """Return whom a key speaks for, if its owner is still there and still a member."""
    account, org = owner
    if account is None or account.id != key.account_id:
        return RejectedKey("no_account", key.pk)
    if key.org_id and (org is None or org.id != key.org_id):
        return RejectedKey("no_org", key.pk)
    if key.is_use_to_note():
        defer(request, partial(ApiKey.objects.note_use, key.pk, timezone.now()))
    return Identity(account, org, "api_key", scopes=key.scope_set, key_id=key.pk)
