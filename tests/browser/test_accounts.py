"""The demo site's accounts in chromium: the forms, the redirects, the back button."""

from __future__ import annotations

import shutil
from urllib.parse import unquote

import pytest

from testproject.users import DEMO_PASSWORD
from tests.browser.conftest import FLAGS
from tests.demo import served, set_up

SMALL = {"width": 360, "height": 740}  # the screen of a telephone
PAGES = [
    *("/", "/guards/", "/guards/log-in/", "/guards/any-of/", "/guards/tree/deeper/"),
    *("/organisations/", "/reauthenticate/", "/cookies/"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with served(set_up(tmp_path_factory)) as address:
        yield address


def log_in(page, username):
    page.fill("[name=username]", username)
    page.fill("[name=password]", DEMO_PASSWORD)
    page.click("main button")


@pytest.fixture
def open_tab(browser, demo):
    """Return a function that gives a tab to a user, or to nobody."""
    contexts = []

    def open_tab(username="", **options):
        contexts.append(browser.new_context(base_url=demo, **options))
        page = contexts[-1].new_page()
        if username:
            page.goto("/login/")
            log_in(page, username)
        return page

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture
def tab(open_tab):
    return open_tab()


@pytest.fixture
def ada(open_tab):
    return open_tab("ada")


def where(page):
    """Return the path of a page and its query."""
    return unquote(page.url.split("/", 3)[3])


def status_of(page, path):
    return page.goto(path).status


def switch_to(page, label):
    page.select_option(".top [name=organisation]", label=label)
    page.click(".top .switch button")


def fetch(page, path):
    """Return what a script of the site gets."""
    return page.evaluate(
        """async path => {
            const response = await fetch(path)
            return [response.status, response.headers.get("Content-Type")]
        }""",
        path,
    )


def test_a_guarded_page_leads_to_the_log_in_and_back(tab):
    tab.goto("/guards/roles/")
    asked = where(tab)
    log_in(tab, "grace")

    assert asked == "login/?next=/guards/roles/"
    assert where(tab) == "guards/roles/"
    assert "the role is admin" in tab.inner_text("main")


def test_who_lacks_the_role_sees_the_site_s_page_for_403(open_tab):
    grace = open_tab("grace")

    assert status_of(grace, "/guards/tree/") == 403
    assert "You may not enter" in grace.inner_text("h1")
    assert grace.inner_text(".top .user") == "grace"


def test_a_switch_closes_a_page_and_another_opens_it(ada):
    before = status_of(ada, "/guards/roles/")
    ada.goto("/guards/")
    switch_to(ada, "Post Office, member")
    between = status_of(ada, "/guards/roles/")
    switch_to(ada, "Seal and Sons, owner")

    assert (before, between) == (200, 403)
    assert where(ada) == "guards/roles/"
    assert "the role is owner" in ada.inner_text("main")


def test_the_switch_shows_for_whom_one_acts(ada):
    ada.goto("/guards/")
    switch_to(ada, "Post Office, member")

    assert ada.input_value(".top [name=organisation]") == "post-office"
    assert "You act for post-office now, as member." in ada.inner_text(".message")


def test_a_switch_shows_in_another_tab(ada):
    other = ada.context.new_page()
    ada.goto("/organisations/")
    ada.click("text=Act for none")

    assert status_of(other, "/guards/org/") == 403


def test_an_old_log_in_asks_for_the_password_and_leads_back(ada):
    ada.goto("/guards/")
    ada.click("text=Make the log-in an hour old")
    asked = where(ada)
    ada.fill("[name=password]", "wrong")
    ada.click("main button")
    refused = ada.inner_text("[role=alert]")
    ada.fill("[name=password]", DEMO_PASSWORD)
    ada.click("main button")

    assert asked == "reauthenticate/?next=/guards/fresh/"
    assert "That is not your password" in refused
    assert where(ada) == "guards/fresh/"
    assert "You are in" in ada.inner_text("main")


def test_after_log_out_every_guarded_page_is_closed(ada):
    ada.goto("/guards/roles/")
    ada.click("text=Log out")
    ada.goto("/guards/roles/")

    assert where(ada) == "login/?next=/guards/roles/"


@pytest.fixture
def remembering(browser, demo):
    """Return ada's tab in a browser that keeps pages for the back button.

    Playwright has it switched off.
    """
    with browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    ) as other:
        page = other.new_page(base_url=demo)
        page.goto("/login/")
        log_in(page, "ada")
        yield page


def log_out_and_go_back(page, path):
    page.goto(path)
    page.evaluate("window.isKept = true")
    page.click("text=Log out")
    page.wait_for_url("**/logout/")
    page.evaluate("history.back()")


def test_after_log_out_the_back_button_shows_no_guarded_page(remembering):
    log_out_and_go_back(remembering, "/guards/log-in/")
    remembering.wait_for_url("**/login/?next=/guards/log-in/")

    assert "account 1" not in remembering.inner_text("body")


def test_after_log_out_the_back_button_shows_other_pages_as_they_were(remembering):
    """Without this the test before would show nothing."""
    log_out_and_go_back(remembering, "/shop/")
    remembering.wait_for_function("window.isKept")

    assert remembering.inner_text(".top .user") == "ada"


def test_a_script_hears_what_a_page_would_be_redirected_for(tab):
    tab.goto("/guards/")

    assert fetch(tab, "/guards/roles/") == [401, "application/problem+json"]


def test_a_script_hears_403(open_tab):
    grace = open_tab("grace")
    grace.goto("/guards/")

    assert fetch(grace, "/guards/tree/") == [403, "application/problem+json"]
    assert fetch(grace, "/api/team/") == [200, "application/json"]


@pytest.mark.parametrize("username", ["", "ada", "grace"])
def test_no_page_is_wider_than_a_small_screen(open_tab, username):
    page = open_tab(username, viewport=SMALL)
    widths = {}
    for path in PAGES:
        page.goto(path)
        widths[path] = page.evaluate("document.documentElement.scrollWidth")

    assert widths == dict.fromkeys(PAGES, SMALL["width"])
