"""The demo site's list of sessions and its thief, in chromium."""

from __future__ import annotations

import pytest

from testproject.users import DEMO_PASSWORD
from tests.demo import served, set_up

SMALL = {"width": 360, "height": 740}  # the screen of a telephone


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with served(set_up(tmp_path_factory)) as address:
        yield address


@pytest.fixture
def open_window(browser, demo):
    """Return a function that gives a window with cookies of its own, logged in."""
    contexts = []

    def open_window(username, **options):
        contexts.append(browser.new_context(base_url=demo, **options))
        page = contexts[-1].new_page()
        page.goto("/login/")
        page.fill("[name=username]", username)
        page.fill("[name=password]", DEMO_PASSWORD)
        page.click("main button")
        return page

    yield open_window
    for context in contexts:
        context.close()


def test_ending_a_session_logs_its_window_out(open_window):
    here = open_window("ada")
    there = open_window("ada", user_agent="Firefox/143.0 on another computer")
    here.goto("/sessions/")
    card = here.locator(".log-in", has=here.get_by_title("on another computer"))
    card.get_by_role("button", name="End").click()
    there.goto("/sessions/")

    assert "Firefox is logged out." in here.inner_text(".message")
    assert there.url.endswith("/login/?next=/sessions/")
    here.reload()
    assert here.locator(".chosen").inner_text().startswith("Chrome on Linux")


def test_the_thief_is_refused_by_one_engine_only(open_window):
    page = open_window("grace")
    page.goto("/thief/")
    verdicts = page.locator(".message.verdict")
    colours = verdicts.evaluate_all(
        "all => all.map(each => getComputedStyle(each).borderLeftColor)"
    )

    assert verdicts.all_inner_texts() == ["Refused: revoked", "Still logged in as bob"]
    assert colours[0] != colours[1]


def test_no_page_is_wider_than_a_small_screen(open_window):
    open_window("ada", user_agent="x" * 255)
    page, widths = open_window("ada", viewport=SMALL), []
    for path in ("/sessions/", "/thief/", "/"):
        page.goto(path)
        widths.append(page.evaluate("document.documentElement.scrollWidth"))

    assert widths == [SMALL["width"]] * 3
