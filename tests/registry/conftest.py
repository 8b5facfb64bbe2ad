"""Tests of a site that has the registry."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from django.core.cache import cache

from django_secure_session.registry import cached, shared_cache


@pytest.fixture(scope="module", autouse=True)
def _registry_is_on(registry_switch) -> Iterator[None]:
    registry_switch.is_on = True
    yield
    registry_switch.is_on = False


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch) -> Iterator[None]:
    """Leave nothing in the cache, and no note that it has failed."""
    monkeypatch.setattr(cached, "shared", shared_cache.SharedCache())
    # A machine that is busy with other things is not a slow cache.
    monkeypatch.setattr(shared_cache, "SLOW", math.inf)
    cache.clear()
    yield
    cache.clear()
