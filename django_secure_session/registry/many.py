"""End many sessions, in batches: nobody waits for a lock, and no memory fills up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_secure_session.registry import cached, ending, records
from django_secure_session.registry.models import Adoption, SessionRecord

BATCH = 1000

Rows = QuerySet[SessionRecord]


def end_many(
    rows: Rows, note: Callable[[list[SessionRecord]], None] = lambda rows: None
) -> int:
    """End the sessions of a query; return how many had not ended before.

    *note* is told of each batch in its transaction. Raise StoreUnavailable; then those
    of other batches may live on.
    """
    count = 0
    with records.reaching() as using:
        # Also those that have expired: the site may allow longer lives tomorrow.
        for handles in _batches(records.living(rows.using(using))):
            with transaction.atomic(using=using):
                ended = _end(using, handles)
                note(ended)
            count += len(ended)
    return count


def end_everything() -> int:
    """End all sessions there are, also those without a row; return how many had one.

    Who logs in meanwhile may have to do so again. Raise StoreUnavailable.
    """
    with records.reaching() as using:
        # First, or sessions older than the registry would be adopted behind its back.
        Adoption.objects.using(using).all().delete()
    return end_many(SessionRecord.objects.all())


def _batches(rows: Rows) -> Iterator[list[str]]:
    """Yield handles: each once, so that this ends however many people log in."""
    last = ""
    handles = rows.order_by("pk").values_list("pk", flat=True)
    while batch := list(handles.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1]


def _end(using: str, handles: list[str]) -> list[SessionRecord]:
    """End sessions in the transaction around, and tell the cache and the receivers."""
    now = timezone.now()
    rows = SessionRecord.objects.using(using).filter(pk__in=handles)
    rows.filter(revoked_at=None).update(revoked_at=now)
    # Read after that: from now on nothing gives the rows other sids. What somebody else
    # has ended a moment before bears another time.
    columns = ("account_id", "digest", "previous_digest")
    ended = list(rows.filter(revoked_at=now).only(*columns))
    digests = [digest for row in ended for digest in row.digests()]
    ending.tell(using, partial(cached.end, digests), digests)
    for row in ended:
        ending.announce_end(using, row.account_id, row.pk)
    return ended
