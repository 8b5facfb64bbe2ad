"""The stored cookie's date moves with the idle timeout; only the server's clock moves.

The browser counts Max-Age from its own clock, so it is harmless that the two disagree,
here by months or years.
"""

from __future__ import annotations

import pytest

IDLE = 600  # seconds


@pytest.fixture(autouse=True)
def idle_timeout(clock, configure):
    configure(IDLE_TIMEOUT=IDLE, ABSOLUTE_TIMEOUT=3 * IDLE)


@pytest.fixture
def used(visitor):
    """Return a visitor with a session that was used just now."""
    visitor.get("/write/?size=10")
    return visitor


def test_a_refresh_moves_the_expiry_of_the_stored_cookie(used, clock):
    before = used.cookie("sessionid")
    clock.tick(IDLE / 10 + 1)
    used.get("/read/")
    after = used.cookie("sessionid")

    assert after["expires"] > before["expires"]
    assert after["value"] != before["value"]


def test_the_stored_cookie_is_left_alone_before_a_refresh_is_due(used, clock):
    before = used.cookies()
    clock.tick(IDLE / 10)
    used.get("/read/")

    assert used.cookies() == before


def test_a_request_that_does_not_use_the_session_does_not_refresh_it(used, clock):
    before = used.cookies()
    clock.tick(IDLE / 2)
    used.get("/echo/")

    assert used.cookies() == before


def test_a_session_in_use_outlives_the_idle_timeout(used, clock):
    for _ in range(3):
        clock.tick(IDLE / 2)
        assert used.get("/read/")


def test_a_session_that_was_idle_is_gone_and_its_cookie_too(used, clock):
    clock.tick(IDLE)

    assert used.get("/read/") == ""
    assert used.cookies() == []


def test_near_its_absolute_end_a_refreshed_cookie_expires_earlier(used, clock):
    before = used.cookie("sessionid")
    for _ in range(5):
        clock.tick(IDLE / 2)
        used.get("/read/")
    after = used.cookie("sessionid")

    assert after["expires"] < before["expires"]
