"""The demo site's pages on sessions that end: the list of one's own, and the thief."""

from __future__ import annotations

import re
import secrets

import pytest

from django_secure_session.backends.encrypted_cookies import SessionStore
from testproject.log_ins.user_agents import in_words
from testproject.thief.theft import ENGINES, SHOWN
from tests.demo import Browser, facts_of, rows_of, served, set_up, text_of

TABLE = "secure_session_registry_sessionrecord"

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
APPLE = "AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)"
USER_AGENTS = {
    f"{WINDOWS} {APPLE} Chrome/140.0.0.0 Safari/537.36": "Chrome on Windows",
    f"{WINDOWS} {APPLE} Chrome/140.0.0.0 Safari/537.36 Edg/140.0": "Edge on Windows",
    f"{MAC} {APPLE} Chrome/140.0.0.0 Safari/537.36 OPR/120.0": "Opera on Mac",
    f"{MAC} AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15": "Safari on Mac",
    f"{IPHONE} AppleWebKit/605.1.15 Mobile Safari/604.1": "Safari on iPhone",
    f"{IPHONE} AppleWebKit/605.1.15 CriOS/140.0 Safari/604.1": "Chrome on iPhone",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Firefox/143.0": "Firefox on Linux",
    "Mozilla/5.0 (Android 16; Mobile; rv:143.0) Firefox/143.0": "Firefox on Android",
    f"Mozilla/5.0 (X11; CrOS x86_64 1) {APPLE} Chrome/140.0": "Chrome on ChromeOS",
    "curl/8.14.1": "curl",
    "Python-urllib/3.13": "A Python program",
    "Mozilla/5.0 (Windows NT 10.0)": "Unknown browser on Windows",
    "<script>": "Unknown browser",
    "": "Unknown browser",
}


@pytest.fixture(scope="module")
def var(tmp_path_factory):
    return set_up(tmp_path_factory)


@pytest.fixture(scope="module")
def site(var):
    with served(var) as address:
        yield address


@pytest.fixture
def log_in(site):
    """Return a function that logs a user in from a device of its own."""

    def make(username):
        browser = Browser(site)
        browser.agent = f"Firefox/143.0 {secrets.token_hex(8)}"
        browser.opener.addheaders = [("User-Agent", browser.agent)]
        browser.log_in(username)
        return browser

    return make


@pytest.fixture
def ada(log_in):
    return log_in("ada")


@pytest.fixture
def other(log_in):
    """Return another browser of ada's."""
    return log_in("ada")


def card_of(page, device):
    """Return what a page shows of a device: other tests have log-ins as well."""
    [card] = [card for card in cards_on(page) if f'title="{device.agent}"' in card]
    return card


def cards_on(page):
    return re.findall(r'<li class="card log-in.*?</li>', page.html, re.S)


def handle_of(var, device):
    query = f"SELECT handle FROM {TABLE} WHERE user_agent = '{device.agent}'"
    [(handle,)] = rows_of(var, query)
    return handle


def end(browser, handle):
    return browser.post(f"/sessions/{handle}/end/", form_on="/sessions/")


def is_logged_in(browser):
    return browser.open("/sessions/").path == "/sessions/"


# The list


def test_a_device_is_told_in_words():
    assert {agent: in_words(agent) for agent in USER_AGENTS} == USER_AGENTS


def test_the_list_tells_of_each_device_and_marks_this_one(ada, other):
    page = ada.open("/sessions/")
    here, there = card_of(page, ada), card_of(page, other)
    facts = facts_of(there)

    assert cards_on(page)[0] == here
    assert [text_of(part).count("this browser") for part in (here, there)] == [1, 0]
    assert text_of(there).startswith("Firefox ")
    assert (facts["IP address"], facts["Last seen"]) == ("127.0.0.1", "just now")
    assert facts_of(here)["Last seen"] == "now"
    assert ("/end/" in here, "/end/" in there) == (False, True)


def test_the_list_tells_how_long_ago_one_was_seen(ada, other, var):
    ago = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-190 seconds')"
    where = f"handle = '{handle_of(var, other)}'"
    rows_of(var, f"UPDATE {TABLE} SET last_seen = {ago} WHERE {where}")
    page = ada.open("/sessions/")

    assert facts_of(card_of(page, other))["Last seen"] == "3 minutes ago"


def test_the_list_shows_neither_sid_nor_token_nor_digest(ada, other, var):
    secret = [ada.token, other.token]
    for browser in (ada, other):
        secret.append(facts_of(browser.open("/cookies/").html)["sid"].split()[0])
        handle = handle_of(var, browser)
        [row] = rows_of(var, f"SELECT digest FROM {TABLE} WHERE handle = '{handle}'")
        secret += row
    page = ada.open("/sessions/").html

    assert len(secret) == len(set(secret)) == 6
    assert not [each for each in secret if each in page]


def test_a_log_in_to_the_admin_is_in_the_list_too(log_in):
    grace = log_in("grace")
    grace.log_in_to_admin("grace")
    cards = [card for card in cards_on(grace.open("/sessions/")) if grace.agent in card]

    assert [text_of(card).count("this browser") for card in cards] == [1, 1]
    assert ["to the admin" in card for card in cards] == [False, True]


# Ending


def test_an_ended_session_is_logged_out_at_once_and_for_good(ada, other, var):
    handle = handle_of(var, other)
    before = is_logged_in(other)
    page = end(ada, handle)

    assert before
    assert page.path == "/sessions/"
    assert "Firefox is logged out." in page.text
    assert handle not in page.html
    assert other.facts()["rejection"].startswith("revoked The session has ended")
    assert not is_logged_in(other)
    assert is_logged_in(ada)


def test_the_page_on_cookies_says_that_a_revoked_cookie_stays(ada, other):
    before = other.token
    ada.post("/sessions/end-others/", form_on="/sessions/")
    page = other.open("/cookies/")

    assert "Refused: revoked" in page.text
    assert "The cookie stays: a slow answer must not delete" in page.text
    assert other.token == before


def test_a_handle_that_is_not_another_session_of_ones_own_is_404(ada, log_in, var):
    grace = log_in("grace")
    handles = [handle_of(var, grace), handle_of(var, ada), "0" * 20, "x"]

    assert [end(ada, handle).status for handle in handles] == [404] * 4
    assert is_logged_in(grace)
    assert is_logged_in(ada)


def test_all_others_end_and_this_one_goes_on(ada, other, log_in):
    grace = log_in("grace")
    page = ada.post("/sessions/end-others/", form_on="/sessions/")

    assert "You are logged in here only." in page.text
    assert len(cards_on(page)) == 1
    assert "End all others" not in page.html
    assert [is_logged_in(each) for each in (ada, other, grace)] == [True, False, True]


def test_a_forged_form_ends_nothing(ada, other, var):
    for path in (f"/sessions/{handle_of(var, other)}/end/", "/sessions/end-others/"):
        assert ada.open(path, {}).status == 403
    assert is_logged_in(other)


def test_an_old_log_in_ends_others_without_a_password(ada, other, var):
    ada.make_old("log-in")
    page = end(ada, handle_of(var, other))

    assert page.path == "/sessions/"
    assert not is_logged_in(other)


def test_nobody_is_led_to_the_log_in(site):
    page = Browser(site).open("/sessions/")

    assert page.path == "/login/?next=/sessions/"


def test_a_copy_of_a_cookie_ends_with_log_out(ada, site):
    thief = Browser(site)
    thief.jar.set_cookie(ada.cookie)
    before = is_logged_in(thief)
    ada.log_out()

    assert (before, is_logged_in(thief)) == (True, False)


# The thief


def columns_on(page):
    """Return what each step of the page says of our engine and of signed_cookies."""
    parts = page.html.split('<div class="card">')[1:]
    shown = [text_of(part.partition("</section>")[0]) for part in parts]
    return shown[0::2], shown[1::2]


def test_a_stolen_cookie_is_refused_after_log_out_but_a_signed_one_is_not(site):
    ours, signed = columns_on(Browser(site).open("/thief/"))

    assert [text.split()[0] for text in ours] == ["encrypted_cookies"] * 3
    assert [text.split()[0] for text in signed] == ["signed_cookies"] * 3
    for before in (ours[0], signed[0]):
        assert before.endswith("Logged in as bob")
    assert ours[2].endswith("no query Refused: revoked")
    assert signed[2].endswith("1 query Still logged in as bob")


def test_the_theft_really_happens_in_each_visit(site, var):
    bobs = "account_id = (SELECT id FROM auth_user WHERE username = 'bob')"
    count = f"SELECT COUNT(*), COUNT(revoked_at) FROM {TABLE} WHERE {bobs}"
    [(before, _)] = rows_of(var, count)
    pages = [Browser(site).open("/thief/") for _ in range(2)]
    copies = {re.findall(r'"copy"><code>(.*?)…', page.html)[0] for page in pages}

    assert len(copies) == 2
    assert rows_of(var, count) == [(before + 2, before + 2)]


def test_the_page_shows_the_beginning_of_a_copy_only(site):
    page = Browser(site).open("/thief/")
    copies = re.findall(r'"copy"><code>(.*?)…</code>', page.html)

    assert [len(copy) for copy in copies] == [SHOWN, SHOWN]
    assert not re.findall(r"[\w.:-]{60,}", page.text)
    assert "no-store" in page.headers["Cache-Control"]


def test_no_cookie_of_the_thief_is_one_of_the_site():
    cookies = []
    for engine in ENGINES:
        session = engine.session()
        session["log"] = "in"
        session.save()
        cookies.append(session.session_key)

    assert [SessionStore(cookie).rejection for cookie in cookies] == [
        "unknown_key",
        "unknown_version",
    ]


def test_nobody_can_log_in_as_bob(site, var):
    [(password,)] = rows_of(
        var, "SELECT password FROM auth_user WHERE username = 'bob'"
    )

    assert password.startswith("!")


def test_the_theft_leaves_the_visitor_alone(ada, site):
    page = ada.open("/thief/")

    assert "Set-Cookie" not in page.headers
    assert "Set-Cookie" not in Browser(site).open("/thief/").headers
    assert is_logged_in(ada)


# Counting


def test_a_page_counts_the_queries_that_come_after_it(ada):
    """Saving the session asks the registry, when the page is made already."""
    ada.open("/visits/")
    page = ada.open("/visits/")

    assert page.queries > 1
    assert f"Database queries of this request: {page.queries}." in page.text
    assert int(page.headers["Content-Length"]) == len(page.html.encode())
