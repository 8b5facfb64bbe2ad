"""Several sessions side by side in one browser."""

from __future__ import annotations

import pytest

from tests.browser.views import text

pytestmark = pytest.mark.usefixtures("users")


@pytest.fixture(autouse=True)
def sessions(configure):
    configure(
        SESSIONS={
            "admin": {"URL_PREFIX": "/admin/"},
            "prefs": {"COOKIE_AGE": 31536000, "ABSOLUTE_TIMEOUT": None},
        }
    )


class Admin:
    """Django's admin, used by its forms."""

    def __init__(self, visitor):
        self.page = visitor.page
        self.address = f"{visitor.site.app}/admin/"

    def log_in(self):
        self.page.goto(self.address)
        self.page.fill("[name=username]", "root")
        self.page.fill("[name=password]", "root")
        self.page.click("[type=submit]")
        assert self.is_open()

    def log_out(self):
        self.page.goto(self.address)
        self.page.click("#logout-form [type=submit]")

    def is_open(self):
        self.page.goto(self.address)
        return self.page.locator("#logout-form").count() == 1


@pytest.fixture
def admin(visitor):
    return Admin(visitor)


@pytest.fixture
def in_both(visitor, admin):
    """Be ann to the site and root to the admin."""
    visitor.log_in("ann")
    admin.log_in()


def test_the_admin_and_the_site_are_signed_in_at_once(visitor, admin, in_both):
    assert visitor.who() == "ann"
    assert admin.is_open()
    assert visitor.names() == ["admin_session", "sessionid"]


def test_signing_in_to_the_admin_does_not_sign_in_to_the_site(visitor, admin):
    admin.log_in()

    assert visitor.who() == ""


def test_signing_in_to_the_site_does_not_open_the_admin(visitor, admin):
    visitor.log_in("root")

    assert not admin.is_open()


def test_log_out_of_the_admin_leaves_the_site(visitor, admin, in_both):
    admin.log_out()

    assert not admin.is_open()
    assert visitor.who() == "ann"
    assert visitor.names() == ["sessionid"]


def test_log_out_of_the_site_leaves_the_admin(visitor, admin, in_both):
    visitor.log_out()

    assert visitor.who() == ""
    assert admin.is_open()
    assert visitor.names() == ["admin_session"]


def test_the_prefs_outlive_log_out(visitor):
    visitor.log_in("ann")
    visitor.get("/write/?session=prefs_session&size=10")
    visitor.log_out()

    assert visitor.who() == ""
    assert visitor.get("/read/?session=prefs_session") == text(10)
    assert visitor.names() == ["prefs_session"]


def test_a_named_session_that_ends_leaves_only_the_others(visitor):
    visitor.log_in("ann")
    visitor.get("/write/?session=prefs_session&size=10")
    visitor.get("/flush/?session=prefs_session")

    assert visitor.names() == ["sessionid"]


def test_the_prefs_are_kept_for_a_year(visitor):
    visitor.log_in("ann")
    visitor.get("/write/?session=prefs_session&size=10")
    prefs, own = visitor.cookie("prefs_session"), visitor.cookie("sessionid")

    weeks = (prefs["expires"] - own["expires"]) / 604800
    assert round(weeks) == 50  # 365 days less Django's two weeks
