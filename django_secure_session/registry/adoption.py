"""Sessions from before the registry: they get a row when they first come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from django_secure_session.protocols import LogIn, Registration
from django_secure_session.registry.models import FIRST_EPOCH, Adoption, SessionRecord
from django_secure_session.registry.records import digest_of, moment, told_by

#: Browsers keep no cookie for longer (RFC 6265bis section 5.5).
ADOPTION = timedelta(days=400)


def adopt(using: str, log_in: LogIn, account_id: str) -> bool:
    """Make a row, once, for a session that is older than the registry.

    ``adopted_digest`` stays when the session gets another sid, so that nobody adopts it
    a second time.
    """
    digest, now = digest_of(log_in.sid), timezone.now()
    adoption = current(using)
    if adoption is None or moment(log_in.issued) >= adoption.sealed_before:
        return False
    told = told_by(log_in) | {"digest": digest, "account_id": account_id}
    # From before anything was counted: what has ended the account has ended it too.
    told |= {"epoch": FIRST_EPOCH, "last_seen": now}
    rows = SessionRecord.objects.using(using)
    rows.get_or_create(adopted_digest=digest, defaults=told)
    return True


def again(using: str, registration: Registration) -> str | None:
    """Return the handle of a session whose row was undone with a transaction.

    None where no session is adopted: then nobody opens it anyhow.
    """
    if current(using) is None:
        return None
    digest, now = digest_of(registration.sid), timezone.now()
    told: dict[str, Any] = {"digest": digest, "account_id": registration.account_id}
    told |= {"epoch": FIRST_EPOCH, "created": now, "last_seen": now}
    told |= {"expires": moment(registration.expires)}
    rows = SessionRecord.objects.using(using)
    return rows.get_or_create(adopted_digest=digest, defaults=told)[0].handle


def current(using: str) -> Adoption | None:
    """Return since when sessions have rows, None if older ones are not adopted."""
    adoption = Adoption.objects.using(using).first()
    if adoption is None or timezone.now() - adoption.sealed_before >= ADOPTION:
        return None
    return adoption
