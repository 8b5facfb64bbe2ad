"""Databases and clocks that are unlike those of most sites."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_secure_session.registry import records
from django_secure_session.registry.models import SessionRecord
from tests.registry.site import row

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_limit_for_locks(monkeypatch):
    """Be as Oracle: there is SKIP LOCKED, but not together with a limit."""
    features = {
        "has_select_for_update": True,
        "has_select_for_update_skip_locked": True,
        "supports_select_for_update_with_limit": False,
    }
    for name, value in features.items():
        monkeypatch.setattr(connection.features, name, value)
    monkeypatch.setattr(connection.ops, "for_update_sql", lambda **_: "")


def test_last_seen_is_noted_where_locks_take_no_limit(no_limit_for_locks, caplog):
    now = timezone.now()
    dates = {"created": now, "expires": now, "last_seen": now - timedelta(hours=1)}
    made = SessionRecord.objects.create(digest="d", account_id="ada", **dates)
    records.touch("default", made, now)

    assert not caplog.records
    assert row().last_seen == now


@pytest.mark.parametrize(
    ("change", "is_good"),
    [
        (timedelta(seconds=5), True),
        (timedelta(seconds=-5), True),  # of a host whose clock is a little late
        (timedelta(minutes=-30), False),  # local time is put back by an hour
        (timedelta(minutes=30), False),
    ],
)
def test_a_sid_that_was_given_up_has_no_hour_when_clocks_are_put_back(change, is_good):
    """Dates are in local time, and naive, where ``USE_TZ`` is off."""
    cycled = datetime.fromisoformat("2026-10-25T02:59:55")
    given_up = SessionRecord(previous_digest="old", account_id="a", cycled_at=cycled)

    assert given_up.opens("old", "a", cycled + change) == is_good
