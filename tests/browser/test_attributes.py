"""Attributes and prefixes: chromium takes the cookie, and stores what it says."""

from __future__ import annotations

import pytest

from tests.browser.views import text

PREFIXES = ["__Host-", "__Secure-", "__Http-", "__Host-Http-"]


def frame_of(visitor, top, path):
    """Return the text of the app's page in a frame of another site."""
    visitor.get(f"/frame/?src={visitor.site.app}{path}", top)
    return visitor.page.frames[1].inner_text("body")


@pytest.fixture
def partitioned(settings):
    """Set what a site in another site's frame needs."""
    settings.SESSION_COOKIE_SAMESITE = "None"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_PARTITIONED = True


def test_the_attributes_are_stored(visitor, settings):
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_PATH = "/echo/"
    visitor.get("/write/?size=10")
    cookie = visitor.cookie("sessionid")

    assert cookie["sameSite"] == "Strict"
    assert cookie["secure"]
    assert cookie["path"] == "/echo/"
    assert cookie["domain"] == "app.example.test"  # without a dot: to this host only


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_name_with_a_prefix_is_accepted(visitor, settings, prefix):
    settings.SESSION_COOKIE_NAME = name = f"{prefix}sessionid"
    settings.SESSION_COOKIE_SECURE = True
    visitor.get("/write/?size=10")

    assert visitor.cookie(name)["secure"]
    assert visitor.sent() == [name]
    assert visitor.get("/read/") == text(10)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_browser_keeps_the_promise_of_a_prefix(visitor, prefix):
    """Without this the test before would show nothing."""
    path = f"/set-cookie/?cookie={prefix}sessionid=x; Path=/; HttpOnly"
    visitor.get(path)

    assert visitor.cookies() == []


def test_chunks_with_a_prefix_are_accepted(visitor, settings, configure):
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    settings.SESSION_COOKIE_SECURE = True
    configure(PLACEMENT="chunked")
    visitor.get("/write/?size=5000")

    assert visitor.sent() == ["__Host-sessionid", "__Host-sessionid.1"]
    assert visitor.get("/read/") == text(5000)


def test_a_host_cookie_is_accepted_from_localhost_without_tls(visitor, settings):
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    settings.SESSION_COOKIE_SECURE = True
    visitor.get("/write/?size=10", visitor.site.localhost)

    assert visitor.get("/read/", visitor.site.localhost) == text(10)


# Secure


def test_a_secure_cookie_is_lost_over_http(visitor, settings):
    settings.SESSION_COOKIE_SECURE = True
    visitor.get("/write/?size=10", visitor.site.app_over_http)

    assert visitor.cookies() == []


def test_a_cookie_that_is_secure_by_auto_is_kept_over_http(visitor, settings):
    settings.SESSION_COOKIE_SECURE = "auto"
    visitor.get("/write/?size=10", visitor.site.app_over_http)

    assert not visitor.cookie("sessionid")["secure"]
    assert visitor.get("/read/", visitor.site.app_over_http) == text(10)


def test_a_cookie_that_is_secure_by_auto_is_so_over_https(visitor, settings):
    settings.SESSION_COOKIE_SECURE = "auto"
    visitor.get("/write/?size=10")

    assert visitor.cookie("sessionid")["secure"]
    assert visitor.get("/read/") == text(10)


# Partitioned


@pytest.mark.usefixtures("partitioned")
def test_a_partitioned_cookie_is_stored_for_its_partition(visitor):
    visitor.get("/write/?size=10")
    devtools = visitor.context.new_cdp_session(visitor.page)
    (cookie,) = devtools.send("Network.getAllCookies")["cookies"]

    assert cookie["partitionKey"]["topLevelSite"] == "https://example.test"
    assert visitor.sent() == ["sessionid"]


@pytest.mark.usefixtures("partitioned")
def test_a_partitioned_host_cookie_is_accepted(visitor, settings):
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    visitor.get("/write/?size=10")

    assert visitor.cookie("__Host-sessionid")["partitionKey"] == "https://example.test"
    assert visitor.get("/read/") == text(10)


@pytest.mark.usefixtures("partitioned")
def test_a_partitioned_session_is_kept_in_a_frame_of_another_site(visitor):
    frame_of(visitor, visitor.site.stranger, "/write/?size=10")

    assert frame_of(visitor, visitor.site.stranger, "/read/") == text(10)


@pytest.mark.usefixtures("partitioned")
def test_a_partitioned_session_is_another_in_each_site_that_has_its_frame(visitor):
    frame_of(visitor, visitor.site.stranger, "/write/?size=10")

    assert frame_of(visitor, visitor.site.other_stranger, "/read/") == ""
    assert visitor.get("/read/") == ""


@pytest.mark.usefixtures("partitioned")
def test_a_session_that_ends_in_a_frame_leaves_no_partitioned_cookie(visitor):
    frame_of(visitor, visitor.site.stranger, "/write/?size=10")
    before = visitor.cookie("sessionid")
    frame_of(visitor, visitor.site.stranger, "/flush/")

    assert before["partitionKey"] == "https://stranger.test"
    assert visitor.cookies() == []
