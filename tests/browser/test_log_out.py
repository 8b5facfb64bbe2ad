"""After log-out the browser has no cookie of the session left, and sends none."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("users")


def assert_gone(visitor):
    assert visitor.cookies() == []
    assert visitor.who() == ""


def test_log_out_removes_the_cookie(visitor):
    visitor.log_in("ann")
    visitor.log_out()

    assert_gone(visitor)


def test_log_out_removes_every_chunk(visitor, configure):
    configure(PLACEMENT="chunked")
    visitor.log_in("ann")
    visitor.get("/write/?size=5000")
    before = visitor.names()
    visitor.log_out()

    assert before == ["sessionid", "sessionid.1"]
    assert_gone(visitor)


def test_log_out_removes_the_cookie_of_a_spilled_session(visitor, configure):
    configure(PLACEMENT="spill")
    visitor.log_in("ann")
    visitor.get("/write/?size=10000")
    visitor.log_out()

    assert_gone(visitor)


def test_a_spilled_session_does_not_come_back_with_its_cookie(visitor, configure):
    configure(PLACEMENT="spill")
    visitor.log_in("ann")
    visitor.get("/write/?size=10000")
    kept = visitor.cookies()
    visitor.log_out()
    visitor.context.add_cookies(kept)

    assert visitor.who() == ""


def test_log_out_removes_a_cookie_with_a_domain(visitor, settings):
    settings.SESSION_COOKIE_DOMAIN = "example.test"
    visitor.log_in("ann")
    before = visitor.cookie("sessionid")
    visitor.log_out()

    assert before["domain"] == ".example.test"
    assert_gone(visitor)


def test_log_out_removes_a_cookie_with_a_path(visitor, settings):
    settings.SESSION_COOKIE_PATH = "/log-out/"
    visitor.log_in("ann")
    before = visitor.cookie("sessionid")
    visitor.log_out()

    assert before["path"] == "/log-out/"
    assert_gone(visitor)


def test_log_out_removes_a_partitioned_cookie(visitor, settings):
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_PARTITIONED = True
    visitor.log_in("ann")
    before = visitor.cookie("sessionid")
    visitor.log_out()

    assert before["partitionKey"]
    assert_gone(visitor)


@pytest.mark.parametrize("name", ["__Host-sessionid", "__Secure-sessionid"])
def test_log_out_removes_a_cookie_with_a_prefix(visitor, settings, name):
    settings.SESSION_COOKIE_NAME = name
    settings.SESSION_COOKIE_SECURE = True
    visitor.log_in("ann")
    before = visitor.names()
    visitor.log_out()

    assert before == [name]
    assert_gone(visitor)


# A site that changes how its cookie is set has visitors who bring the old one, and soon
# the new one beside it. (An old one below a longer path can't be deleted: no request
# tells that path.)

CHANGES = [
    ("DOMAIN", None, "example.test"),
    ("DOMAIN", "example.test", None),
    ("PARTITIONED", False, True),
    ("PARTITIONED", True, False),
    ("PATH", "/", "/log-out/"),
]


@pytest.fixture
def changing(request, settings):
    """Set the cookie in the old way; return a function that makes it the new one."""
    name, old, new = request.param
    settings.SESSION_COOKIE_SECURE = True  # for PARTITIONED
    setattr(settings, f"SESSION_COOKIE_{name}", old)
    return lambda: setattr(settings, f"SESSION_COOKIE_{name}", new)


each_change = pytest.mark.parametrize("changing", CHANGES, indirect=True, ids=str)


@each_change
def test_log_out_removes_a_cookie_that_was_set_in_another_way(visitor, changing):
    visitor.log_in("ann")
    changing()
    visitor.log_out()

    assert_gone(visitor)


@each_change
def test_log_out_removes_cookies_that_were_set_in_both_ways(visitor, changing):
    visitor.log_in("ann")
    changing()
    visitor.get("/write/?size=10")
    before = visitor.names()
    visitor.log_out()

    assert before == ["sessionid", "sessionid"]
    assert_gone(visitor)


@each_change
def test_log_out_removes_chunks_that_were_set_in_both_ways(
    visitor, configure, changing
):
    configure(PLACEMENT="chunked")
    visitor.log_in("ann")
    visitor.get("/write/?size=5000")
    changing()
    visitor.get("/write/?size=5001")
    before = visitor.names()
    visitor.log_out()

    assert before == ["sessionid"] * 2 + ["sessionid.1"] * 2
    assert_gone(visitor)
