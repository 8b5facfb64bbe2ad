"""Forget sessions that are too old to be opened."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from django_secure_session.registry import adoption
from django_secure_session.registry.models import SessionRecord
from django_secure_session.registry.records import INTERVAL


def prune(using: str, batch: int = 1000) -> int:
    """Delete rows of sessions that are too old to be opened; return how many.

    In batches, so that nobody waits for a lock. Those adopted stay as long as any may
    be: another token of theirs could be older, and would be adopted again.
    """
    rows = _prunable(using)
    pruned = 0
    while handles := list(rows.values_list("pk", flat=True)[:batch]):
        pruned += rows.filter(pk__in=handles).delete()[0]
    return pruned


def _prunable(using: str) -> QuerySet[SessionRecord]:
    # INTERVAL more, for the clocks of hosts that differ.
    old = SessionRecord.objects.using(using).filter(
        expires__lt=timezone.now() - INTERVAL
    )
    if adoption.current(using):
        # Put so that no database looks for these by the index of what was adopted:
        # most rows are not, and then all of them would have to be sorted.
        old = old.exclude(adopted_digest__gt="")
    return old.order_by("expires")
