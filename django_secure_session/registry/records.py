"""What the database has of sessions and accounts: the truth.

All of it is read where it is written, as a replica may be late.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.models import DateTimeField, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from django_secure_session.backends.reports import logger, unavailable
from django_secure_session.identity import Claims
from django_secure_session.protocols import Device, LogIn, Registration
from django_secure_session.registry.models import (
    FIRST_EPOCH,
    AccountState,
    SessionRecord,
)

SESSIONS = "The database with the sessions"

#: Between two notes of when a session was last seen, and of when it expires.
INTERVAL = timedelta(minutes=10)


def digest_of(sid: bytes) -> str:
    """Return what stands for a sid wherever others may look."""
    return hashlib.sha256(sid).hexdigest()


def account_of(log_in: LogIn, found: Claims | None) -> str:
    """Return the id of the account that a session is sealed with."""
    return found.account.id if found else str(log_in.user_id)


@contextmanager
def reaching() -> Iterator[str]:
    """Give the name of the database. Raise StoreUnavailable where it is down.

    What can't be written to is down too, as a server that has become a replica.
    """
    using = router.db_for_write(SessionRecord)
    try:
        yield using
    except (InterfaceError, InternalError, OperationalError) as error:
        if not connections[using].in_atomic_block:
            # Where no request begins and ends, nobody else gives a broken one up.
            connections[using].close()
        raise unavailable(SESSIONS, error) from error


# Reading


def find(using: str, digest: str) -> SessionRecord | None:
    """Return the row of a sid that is or was in use, with its account's state.

    In SQL, because to write it anew for each look-up takes the ORM ten times as long.
    """
    quote = connections[using].ops.quote_name
    row, state = (quote(m._meta.db_table) for m in (SessionRecord, AccountState))
    sql = f"""
        SELECT r.*, COALESCE(s.epoch, {FIRST_EPOCH}) AS state_epoch,
            COALESCE(s.revoked_epoch, 0) AS state_revoked_epoch
        FROM {row} r LEFT JOIN {state} s ON s.account_id = r.account_id
        WHERE r.digest = %s OR r.previous_digest = %s
    """  # noqa: S608 # own names
    found = SessionRecord.objects.using(using).raw(sql, [digest, digest])
    return next(iter(found), None)


def with_state(rows: QuerySet[SessionRecord]) -> QuerySet[SessionRecord]:
    """Let rows know what has ended with all others of their accounts."""
    states = AccountState.objects.filter(pk=OuterRef("account_id"))
    revoked_epoch = Subquery(states.values("revoked_epoch"))
    told: dict[str, Any] = {"state_revoked_epoch": Coalesce(revoked_epoch, 0)}
    return rows.annotate(**told)


def living(rows: QuerySet[SessionRecord]) -> QuerySet[SessionRecord]:
    """Return the query for those of some sessions that nobody has ended."""
    lasting = rows.filter(revoked_at=None)
    return with_state(lasting).filter(epoch__gte=F("state_revoked_epoch"))


def epoch_of(using: str, account_id: str) -> int:
    """Return the epoch of an account."""
    states = AccountState.objects.using(using).filter(pk=account_id)
    return states.values_list("epoch", flat=True).first() or FIRST_EPOCH


# Writing


def insert(
    using: str, log_in: LogIn, account_id: str, epoch: int, device: Device
) -> SessionRecord | None:
    """Make the row of a log-in, None if there is one and its session has ended."""
    digest = digest_of(log_in.sid)
    told = told_by(log_in) | device._asdict()
    told |= {"account_id": account_id, "epoch": epoch, "last_seen": timezone.now()}
    row, is_new = SessionRecord.objects.using(using).get_or_create(
        digest=digest, defaults=told
    )
    row.state_epoch = epoch
    return row if is_new else _current(using, digest)


def move(
    using: str,
    log_in: LogIn,
    before: Registration,
    device: Device,
    *,
    has_grace: bool,
) -> SessionRecord | None:
    """Give a row another sid, if it still has the one before and its session lives.

    The device is told where somebody has logged in again.
    """
    told = told_by(log_in)
    if any(device):
        told |= device._asdict()
    old = digest_of(before.sid) if has_grace else ""
    told |= {"previous_digest": old, "cycled_at": timezone.now()}
    told["digest"] = digest_of(log_in.sid)
    return _change(using, before, told)


def prolong(
    using: str, log_in: LogIn, account_id: str, before: Registration
) -> SessionRecord | None:
    """Return the row of a session that goes on under its sid, if it lives.

    It is kept a little longer than the session, so that not each token is noted. Its
    account may have another id now, whose epochs count from then on.
    """
    told: dict[str, Any] = {}
    if log_in.expires > before.expires:
        told |= told_by(log_in)
        # A cache may be late, and another token may live longer.
        until = Value(told["expires"], output_field=DateTimeField())
        told["expires"] = Greatest("expires", until)
    if account_id != before.account_id:
        told |= {"account_id": account_id, "epoch": FIRST_EPOCH}
    if told:
        return _change(using, before, told)
    return _current(using, digest_of(before.sid))


def _change(
    using: str, before: Registration, told: dict[str, Any]
) -> SessionRecord | None:
    """Change a row that still has a sid, and return it as it is then, if it lives.

    In one statement, or two requests could both give it another sid.
    """
    rows = living(SessionRecord.objects.using(using))
    changed = rows.filter(handle=before.handle, digest=digest_of(before.sid))
    if not changed.update(**told):
        return None
    return _current(using, told.get("digest", digest_of(before.sid)))


def _current(using: str, digest: str) -> SessionRecord | None:
    """Return the row of a sid that is in use, if its session lives."""
    row = find(using, digest)
    return row if row and row.digest == digest and row.has_not_ended() else None


def touch(using: str, row: SessionRecord, now: datetime) -> None:
    """Note when a session was last seen; that this fails does not matter.

    Nor does it wait for a view in another transaction that has changed the row.
    """
    due = SessionRecord.objects.using(using).filter(
        pk=row.pk, last_seen__lte=now - INTERVAL
    )
    may_skip = connections[using].features.has_select_for_update_skip_locked
    try:
        with transaction.atomic(using=using):  # or a failure would end the view's own
            if not may_skip or due.select_for_update(skip_locked=True):
                due.update(last_seen=now)
    except DatabaseError as error:
        logger.warning("When a session was last seen could not be noted: %r", error)


def told_by(log_in: LogIn) -> dict[str, Any]:
    """Return what a row says of a log-in."""
    until = log_in.expires + int(INTERVAL.total_seconds())
    return {
        "alias": log_in.alias,
        "created": moment(log_in.created),
        "expires": moment(until),
    }


def moment(seconds: int) -> datetime:
    """Return Unix seconds as the site stores dates: naive with USE_TZ = False."""
    zone = None if timezone.is_naive(timezone.now()) else UTC
    return datetime.fromtimestamp(seconds, zone)
