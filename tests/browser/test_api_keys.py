"""The demo site's API keys in chromium: from the form to a program that uses one."""

from __future__ import annotations

import shutil
from urllib.parse import unquote

import pytest

from testproject.users import DEMO_PASSWORD
from tests.browser.conftest import FLAGS
from tests.demo import served, set_up

SMALL = {"width": 360, "height": 740}  # the screen of a telephone


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with served(set_up(tmp_path_factory)) as address:
        yield address


@pytest.fixture
def log_in(browser, demo):
    """Return ada's cookies: they are the whole session."""
    with browser.new_context(base_url=demo) as context:
        page = context.new_page()
        page.goto("/login/")
        page.fill("[name=username]", "ada")
        confirm(page)
        return context.storage_state()


@pytest.fixture
def ada(browser, demo, log_in):
    with browser.new_context(base_url=demo, storage_state=log_in) as context:
        yield context.new_page()


def confirm(page):
    page.fill("[name=password]", DEMO_PASSWORD)
    page.click("main button")


def where(page):
    """Return the path of a page and its query."""
    return unquote(page.url.split("/", 3)[3])


def make_key(page, name="nightly report"):
    """Fill the form in and return the key that comes."""
    page.goto("/api-keys/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Read invoices").check()
    page.get_by_role("button", name="Make the key").click()
    return page.locator(".secret").inner_text()


def card_of(page, key):
    """Return the part of the list that shows a key: other tests make some as well."""
    key_id = key.split("_")[2]
    return page.locator(".key").filter(has=page.locator(f'[id="{key_id}"]'))


def status_of(page, key, path):
    """Return what a program with the key and no cookies hears."""
    headers = {"Authorization": f"Bearer {key}"}
    with page.context.browser.new_context() as program:
        return program.request.get(
            page.url.split("/a")[0] + path, headers=headers
        ).status


def test_a_key_is_made_used_rotated_and_revoked(ada):
    key = make_key(ada)
    answers = [status_of(ada, key, f"/api/{path}/") for path in ("me", "team")]
    ada.click("text=To your keys")
    card_of(ada, key).get_by_text("Rotate").click()
    ada.click("text=Make the successor")
    successor = ada.locator(".secret").inner_text()
    ada.click("text=To your keys")
    card_of(ada, key).get_by_text("Revoke").click()

    assert answers == [200, 403]
    assert "nightly report is revoked." in ada.inner_text(".message")
    assert status_of(ada, key, "/api/me/") == 401
    assert status_of(ada, successor, "/api/me/") == 200


def test_an_old_log_in_asks_for_the_password_and_leads_to_the_form(ada):
    ada.goto("/guards/")
    ada.click("text=Make the log-in an hour old")
    ada.goto("/api-keys/")
    ada.click("text=Make a key")
    asked = where(ada)
    confirm(ada)

    assert asked == "reauthenticate/?next=/api-keys/new/"
    assert where(ada) == "api-keys/new/"


def test_one_click_selects_the_whole_key(ada):
    key = make_key(ada)
    ada.click(".secret code")

    assert ada.evaluate("getSelection().toString().trim()") == key


def test_the_lines_for_a_terminal_open_without_a_script(ada):
    make_key(ada)
    ada.goto("/api-keys/")
    card = ada.locator(".key").first
    before = card.locator(".tries").is_visible()
    card.get_by_text("Try it in a terminal").click()

    assert (before, card.locator(".tries").is_visible()) == (False, True)


@pytest.fixture
def remembering(browser, demo, log_in):
    """Return ada's tab in a browser that keeps pages for the back button.

    Playwright has it switched off.
    """
    with browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    ) as other:
        yield other.new_page(base_url=demo, storage_state=log_in)


def test_the_back_button_does_not_show_a_key_again(remembering):
    key = make_key(remembering)
    remembering.click("text=To your keys")
    remembering.wait_for_url("**/api-keys/")
    # Later: what leads away from the page while it runs may never return.
    remembering.evaluate("setTimeout(() => history.back())")
    remembering.wait_for_function("location.pathname != '/api-keys/'")

    assert key not in remembering.content()


def test_no_page_is_wider_than_a_small_screen(browser, demo, log_in):
    with browser.new_context(
        base_url=demo, storage_state=log_in, viewport=SMALL
    ) as context:
        page, widths = context.new_page(), []

        def measure():
            widths.append(page.evaluate("document.documentElement.scrollWidth"))

        make_key(page, name="x" * 100)
        measure()
        page.click("text=To your keys")
        page.locator("summary").first.click()
        measure()
        page.locator("text=Rotate").first.click()
        measure()
        page.goto("/api-keys/new/")
        measure()

    assert widths == [SMALL["width"]] * 4
