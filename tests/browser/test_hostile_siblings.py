"""Another subdomain sets cookies of the session's name, as it may for the domain."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("users")

HOST = "__Host-sessionid"
SPACE = "\u2000"  # which Django's request.COOKIES strips from a name


@pytest.fixture
def victim(visitor):
    return visitor


@pytest.fixture
def mallorys_token(new_visitor):
    """Return a function that logs mallory in elsewhere and gives her cookie's value."""

    def steal(name="sessionid"):
        mallory = new_visitor()
        mallory.log_in("mallory")
        return mallory.cookie(name)["value"]

    return steal


@pytest.fixture
def host_cookie(settings):
    settings.SESSION_COOKIE_NAME = HOST
    settings.SESSION_COOKIE_SECURE = True


# A name that begins with __Host-


@pytest.mark.usefixtures("host_cookie")
@pytest.mark.parametrize("header", [f"{HOST}=", f"{HOST.upper()}=", f"={HOST}="])
def test_the_browser_takes_no_host_cookie_for_a_domain(victim, mallorys_token, header):
    token = mallorys_token(HOST)
    victim.log_in("ann")
    victim.visit_sibling(
        that_sets=f"{header}{token}; Domain=example.test; Path=/; Secure"
    )

    assert victim.names() == [HOST]
    assert victim.who() == "ann"


@pytest.mark.usefixtures("host_cookie")
@pytest.mark.parametrize("path", ["/", "/who/"])
def test_a_host_cookie_is_not_displaced_by_one_with_a_space_before_its_name(
    victim, mallorys_token, path
):
    token = mallorys_token(HOST)
    victim.log_in("ann")
    victim.visit_sibling(
        that_sets=f"{SPACE}{HOST}={token}; Domain=example.test; Path={path}"
    )

    assert f"{SPACE}{HOST}" in victim.names()
    assert victim.who() == "ann"


@pytest.mark.usefixtures("host_cookie")
def test_a_host_cookie_with_a_space_before_its_name_logs_nobody_in(
    victim, mallorys_token
):
    token = mallorys_token(HOST)
    victim.visit_sibling(that_sets=f"{SPACE}{HOST}={token}; Domain=example.test")

    assert victim.who() == ""


# Any other name


@pytest.mark.parametrize("path", ["/", "/who/"])
def test_junk_for_the_domain_logs_nobody_out(victim, path):
    victim.log_in("ann")
    victim.visit_sibling(that_sets=f"sessionid=junk; Domain=example.test; Path={path}")

    assert victim.names() == ["sessionid", "sessionid"]
    assert victim.who() == "ann"


@pytest.fixture
def with_two_sessions(victim, mallorys_token):
    """Return a victim who has ann's session and got mallory's."""
    victim.log_in("ann")
    token = mallorys_token()
    victim.visit_sibling(that_sets=f"sessionid={token}; Domain=example.test; Path=/")
    assert victim.names() == ["sessionid", "sessionid"]
    return victim


def test_two_sessions_make_the_visitor_nobody(with_two_sessions):
    assert with_two_sessions.who() == ""


def test_two_sessions_are_both_removed(with_two_sessions):
    with_two_sessions.who()

    assert with_two_sessions.cookies() == []


@pytest.mark.parametrize("seen_before", [True, False])
def test_log_in_works_after_two_sessions(with_two_sessions, seen_before):
    if seen_before:
        with_two_sessions.who()
    with_two_sessions.log_in("ann")

    assert with_two_sessions.cookie("sessionid")["domain"] == "app.example.test"
    assert with_two_sessions.who() == "ann"
