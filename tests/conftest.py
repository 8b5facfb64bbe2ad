from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

START = 1_800_000_000


@pytest.fixture
def anyio_backend() -> str:
    """Run the async tests as Django runs: on asyncio."""
    return "asyncio"


class Clock:
    """The time that the package and Django see; it moves only by hand."""

    def __init__(self) -> None:
        self.now: float = START

    def tick(self, seconds: float = 0, **units: float) -> None:
        self.now += seconds + timedelta(**units).total_seconds()

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", lambda: clock.now)
    monkeypatch.setattr(timezone, "now", clock.datetime)
    return clock
