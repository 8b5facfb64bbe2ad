"""What chromium stores of a session, and sends back."""

from __future__ import annotations

import pytest

from tests.browser.views import text
from tests.conftest import oversized

SMALL = 100


def test_the_cookie_is_stored_and_sent_back(visitor):
    visitor.get(f"/write/?size={SMALL}")

    assert visitor.sent() == visitor.names() == ["sessionid"]
    assert visitor.get("/read/") == text(SMALL)


def test_a_script_does_not_see_the_cookie(visitor):
    visitor.get(f"/write/?size={SMALL}")

    assert visitor.page.evaluate("document.cookie") == ""
    assert visitor.cookie("sessionid")["httpOnly"]


def test_a_script_sees_a_cookie_that_is_not_httponly(visitor, settings):
    settings.SESSION_COOKIE_HTTPONLY = False
    visitor.get(f"/write/?size={SMALL}")

    value = visitor.cookie("sessionid")["value"]
    assert visitor.page.evaluate("document.cookie") == f"sessionid={value}"


def test_reading_stores_nothing(visitor):
    visitor.get("/read/")

    assert visitor.names() == []


def test_a_cookie_that_ends_with_the_browser_has_no_date(visitor, settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    visitor.get(f"/write/?size={SMALL}")

    assert visitor.cookie("sessionid")["expires"] == -1


# Sizes


@pytest.fixture
def knowingly_oversized():
    """Let a response have a cookie that is too large, and see that it had."""
    yield
    assert oversized
    oversized.clear()


@pytest.mark.usefixtures("knowingly_oversized")
def test_the_browser_drops_a_plain_cookie_of_5_kb(visitor):
    """Without this the next tests would show nothing."""
    visitor.get("/set-plain/?size=5000")

    assert visitor.names() == []


@pytest.mark.usefixtures("knowingly_oversized")
def test_the_browser_keeps_a_plain_cookie_of_4096_bytes_and_no_longer_one(visitor):
    visitor.get(f"/set-plain/?size={4096 - len('plain')}")
    kept = visitor.cookie("plain")["value"]
    visitor.get(f"/set-plain/?size={4097 - len('plain')}")

    assert len(kept) == 4091
    assert visitor.cookie("plain")["value"] == kept


def test_a_chunked_session_of_5_kb_survives_a_reload(visitor, configure):
    configure(PLACEMENT="chunked")
    visitor.get("/write/?size=5000")
    visitor.get("/read/")

    assert visitor.reload() == text(5000)
    assert visitor.names() == ["sessionid", "sessionid.1"]


def test_the_browser_keeps_a_chunk_that_fills_its_cookie(visitor, configure):
    configure(PLACEMENT="chunked")
    visitor.get("/write/?size=5000")

    assert len("sessionid" + visitor.cookie("sessionid")["value"]) == 4096


def test_a_spilled_session_of_10_kb_survives_a_reload(visitor, configure):
    configure(PLACEMENT="spill")
    visitor.get("/write/?size=10000")
    visitor.get("/read/")

    assert visitor.reload() == text(10000)
    assert len(visitor.cookie("sessionid")["value"]) < 500


def test_a_chunked_session_that_shrinks_leaves_no_chunk_behind(visitor, configure):
    configure(PLACEMENT="chunked")
    visitor.get("/write/?size=5000")
    visitor.get(f"/write/?size={SMALL}")

    assert visitor.names() == ["sessionid"]
    assert visitor.get("/read/") == text(SMALL)


@pytest.mark.parametrize("placement", ["cookie", "spill"])
def test_a_chunked_session_lives_on_where_the_site_stops_chunking(
    visitor, configure, placement
):
    configure(PLACEMENT="chunked")
    visitor.get("/write/?size=5000")
    configure(PLACEMENT=placement)

    assert visitor.get("/read/") == text(5000)


def test_a_chunked_session_that_moves_to_the_cache_leaves_no_chunk_behind(
    visitor, configure
):
    configure(PLACEMENT="chunked")
    visitor.get("/write/?size=5000")
    configure(PLACEMENT="spill")
    visitor.get("/write/?size=10000")

    assert visitor.names() == ["sessionid"]
    assert visitor.get("/read/") == text(10000)
