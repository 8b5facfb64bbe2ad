"""The demo site, served as ``make demo`` serves it and used as a browser would."""

from __future__ import annotations

import base64
import html
import json
import pickle
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from django.core import signing

from django_secure_session import codec, create_session
from testproject import keyfiles
from testproject.pages.parts import cut
from testproject.users import DEMO_PASSWORD
from tests.demo import (
    COOKIE,
    Browser,
    facts_of,
    rows_of,
    run,
    served,
    set_up,
    text_of,
)

COOKIE_LIMIT = 4096  # bytes of name and value
PATHS = [
    *("/", "/shop/", "/cart/", "/visits/"),
    *("/preferences/", "/sizes/", "/cookies/", "/cookies/prefs/"),
    *("/organisations/", "/guards/", "/guards/log-in/", "/reauthenticate/"),
    *("/api-keys/", "/api-keys/new/", "/sessions/", "/thief/"),
]

# What a session of the site holds; in a cookie that one can read, these can be found.
SESSION_WORDS = [b"_auth_user", b"_csrftoken", b"envelopes", b"ModelBackend"]


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return set_up(tmp_path_factory)


@pytest.fixture(scope="module")
def site(var: Path) -> Iterator[str]:
    with served(var) as address:
        yield address


@pytest.fixture
def browser(site: str) -> Browser:
    return Browser(site)


@pytest.fixture
def customer(browser: Browser) -> Browser:
    """Return the browser of somebody with one thing in the cart who then logged in."""
    browser.add("envelopes")
    browser.log_in("ada")
    return browser


def decoded_anywhere(value: str) -> Iterator[bytes]:
    """Decode a text as base64 or base64url from wherever one might begin.

    Four characters are three bytes, so four beginnings are as good as all of them.
    """
    for stretch in re.findall(r"[\w+/-]+", value, re.ASCII):
        standard = stretch.replace("-", "+").replace("_", "/")
        for start in range(4):
            piece = standard[start:]
            piece = piece[:-1] if len(piece) % 4 == 1 else piece
            yield base64.b64decode(piece + "=" * (-len(piece) % 4), validate=True)


def holds_a_json_object(content: bytes) -> bool:
    """Tell whether a JSON object with something in it begins anywhere.

    ``{"`` alone would be found in one of fifty random cookies.
    """
    text = content.decode("latin-1")
    decoder = json.JSONDecoder()
    for found in re.finditer(r"\{", text):
        try:
            if decoder.raw_decode(text, found.start())[0]:
                return True
        except ValueError:
            continue
    return False


def is_readable(value: str) -> bool:
    contents = [value.encode(), *decoded_anywhere(value)]
    return any(
        holds_a_json_object(content) or any(word in content for word in SESSION_WORDS)
        for content in contents
    )


# Set-up


def test_the_site_has_no_problems_and_no_missing_migrations(var: Path) -> None:
    assert "no issues" in run(var, "check")
    assert "No changes" in run(var, "makemigrations", "--check", "--dry-run")


def test_a_second_seed_puts_all_back_and_tells_how_to_log_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # On a site of its own: a saved user's claims are read again, and sealed anew.
    var = set_up(tmp_path_factory)

    def users() -> list[tuple[object, ...]]:
        columns = "id, username, password, is_staff"
        return rows_of(var, f"SELECT {columns} FROM auth_user")

    def roles() -> list[tuple[object, ...]]:
        return rows_of(var, "SELECT * FROM organisations_membership ORDER BY id")

    def invoices() -> list[tuple[object, ...]]:
        return rows_of(var, "SELECT * FROM invoices_invoice")

    before = users(), roles(), invoices()
    rows_of(var, "UPDATE organisations_membership SET role = 'admin'")
    output = run(var, "seed")

    assert (users(), roles(), invoices()) == before
    assert [len(rows) for rows in before] == [3, 3, 3]
    for word in ("http://127.0.0.1:8000/", "ada", "grace", DEMO_PASSWORD):
        assert word in output


def test_genkey_runs_in_a_fresh_clone(tmp_path: Path) -> None:
    key = run(tmp_path / "var", "genkey")

    assert len(base64.b64decode(key)) == 32


def test_each_clone_makes_its_own_keys_readable_for_the_owner_only(var: Path) -> None:
    for name in ("secret.key", "session.key"):
        assert (var / name).stat().st_mode & 0o777 == 0o600
        assert (var / name).read_text().strip()


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    together = Barrier(8)

    def start(_: int) -> str:
        together.wait(30)
        return keyfiles.secret_key(tmp_path / "new" / "secret.key")

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(start, range(8)))

    assert len(keys) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret.key"]


def test_the_database_has_no_table_with_sessions_in_it(var: Path) -> None:
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    names = {name for (name,) in rows_of(var, tables)}

    assert "auth_user" in names
    assert {name for name in names if "session" in name} == {
        "secure_session_api_keys_apikey",
        "secure_session_registry_accountstate",
        "secure_session_registry_adoption",
        "secure_session_registry_sessionrecord",
    }


# Pages


@pytest.mark.parametrize(
    "path",
    ["/", "/cookies/", "/cookies/admin/", "/cart/", "/guards/", "/guards/public/"],
)
def test_reading_a_page_sets_no_cookie(browser: Browser, path: str) -> None:
    page = browser.open(path)

    assert page.status == 200
    assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("path", ["/static/demo.css", "/static/favicon.svg"])
def test_what_the_pages_load_is_there(browser: Browser, path: str) -> None:
    assert path in browser.open("/").html
    assert browser.open(path).status == 200


def test_no_page_loads_anything_from_elsewhere(customer: Browser) -> None:
    for path in PATHS:
        page = customer.open(path).html
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
        assert "<script" not in page


def test_log_in_without_the_csrf_token_is_refused(browser: Browser) -> None:
    fields = {"username": "ada", "password": DEMO_PASSWORD}
    browser.open("/login/")

    assert browser.open("/login/", fields).status == 403


def test_log_in_with_a_wrong_password_is_refused(browser: Browser) -> None:
    page = browser.log_in("ada", "wrong")

    assert "correct username and password" in page.text
    assert "_auth_user_id" not in browser.session()


def test_log_in_keeps_the_cart_and_greets_by_name(customer: Browser) -> None:
    assert "ada" in customer.open("/").text
    assert customer.session()["cart"] == {"envelopes": 1}
    assert "_auth_user_id" in customer.session()


def test_log_out_deletes_the_cookie(customer: Browser) -> None:
    page = customer.log_out()

    assert page.status == 200
    assert f'{COOKIE}=""' in page.headers["Set-Cookie"]
    assert customer.cookie is None


def test_the_cart_survives_requests_and_its_quantities_change(browser: Browser) -> None:
    browser.add("envelopes")
    browser.add("envelopes")
    browser.add("ink")
    browser.change("envelopes", 7)
    page = browser.change("ink", 0)

    assert "Blue-black ink is out of your cart." in page.text
    assert 'value="7"' in page.html
    assert browser.session()["cart"] == {"envelopes": 7}


@pytest.mark.parametrize("quantity", [-1, 100])
def test_an_impossible_quantity_leaves_the_cart_alone(
    browser: Browser, quantity: int
) -> None:
    browser.add("ink")
    page = browser.change("ink", quantity)

    assert "Choose between 0 and 99" in page.text
    assert browser.session()["cart"] == {"ink": 1}


def test_a_message_is_shown_once(browser: Browser) -> None:
    message = "Sealing wax is in your cart."

    assert message in browser.add("sealing-wax").text
    assert message not in browser.open("/shop/").text


def test_the_async_view_counts_visits(customer: Browser) -> None:
    customer.open("/visits/")

    assert "You were here 2 times" in customer.open("/visits/").text
    assert customer.session()["visits"] == 2


# Several sessions


def test_preferences_show_on_every_page(customer: Browser) -> None:
    customer.prefer("dark")

    for path in PATHS:
        assert '<html lang="en" data-theme="dark">' in customer.open(path).html


def test_preferences_outlive_log_out(customer: Browser) -> None:
    customer.prefer("dark", per_page=2)
    customer.log_out()

    assert customer.session() == {}
    assert customer.session("prefs") == {"theme": "dark", "per_page": 2}
    assert 'data-theme="dark"' in customer.open("/").html


def test_log_out_beside_the_preferences_comes_back_to_them(customer: Browser) -> None:
    form = customer.open("/preferences/").html
    page = customer.post("/logout/", form_on="/preferences/", next="/preferences/")

    assert '<input type="hidden" name="next" value="/preferences/">' in form
    assert "Nobody is logged in" in page.text


def test_forgotten_preferences_log_nobody_out(customer: Browser) -> None:
    customer.prefer("dark")
    page = customer.post("/preferences/forget/", form_on="/preferences/")

    assert "prefs" not in customer.cookies
    assert 'data-theme="auto"' in page.html
    assert "_auth_user_id" in customer.session()


def test_an_unknown_theme_is_refused(browser: Browser) -> None:
    page = browser.prefer("pink")

    assert "pink is not one of the available choices" in page.text
    assert "prefs" not in browser.cookies


def test_the_shop_has_as_many_products_on_a_page_as_preferred(
    browser: Browser,
) -> None:
    browser.prefer("auto", per_page=4)
    first, second = browser.open("/shop/"), browser.open("/shop/?page=2")

    assert first.html.count("Add to cart") == 4
    assert second.html.count("Add to cart") == 2


def test_the_preferences_live_for_a_year(browser: Browser) -> None:
    browser.prefer("light")
    facts = browser.facts("prefs")
    begun, ends = moment(facts["issued_at"]), moment(facts["expires_at"])

    assert ends - begun == timedelta(days=365)
    assert facts["Sent again"] == "when it changes"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:19])


def test_ada_at_the_site_and_grace_in_the_admin_at_once(customer: Browser) -> None:
    customer.log_in_to_admin("grace")
    who = facts_of(customer.open("/").html)

    assert "grace" in customer.open("/admin/").text
    assert who["At the site"] == "ada in request.session"
    assert who["In the admin"] == "grace in request.admin_session"


def test_log_in_at_the_site_is_none_to_the_admin(browser: Browser) -> None:
    browser.log_in("grace")

    assert "Site administration" not in browser.open("/admin/").text


def test_the_admin_is_for_staff_only(browser: Browser) -> None:
    assert "for a staff account" in browser.log_in_to_admin("ada").text
    assert "Site administration" in browser.log_in_to_admin("grace").text


def test_log_out_at_the_site_leaves_the_admin(customer: Browser) -> None:
    customer.log_in_to_admin("grace")
    customer.log_out()

    assert "Site administration" in customer.open("/admin/").text


def test_log_out_of_the_admin_leaves_the_site(customer: Browser) -> None:
    customer.log_in_to_admin("grace")
    customer.post("/admin/logout/", form_on="/admin/")

    assert "admin_session" not in customer.cookies
    assert "_auth_user_id" in customer.session()
    assert "Site administration" not in customer.open("/admin/").text


def test_the_cookie_page_shows_every_session(customer: Browser) -> None:
    customer.prefer("dark")
    customer.log_in_to_admin("grace")
    facts = {name: customer.facts(name) for name in ("default", "prefs", "admin")}

    assert facts["default"]["Attribute"] == "request.session"
    assert facts["prefs"]["Attribute"] == "request.prefs_session"
    assert facts["admin"]["Attribute"].startswith("request.admin_session")
    assert [f["Logged in"] for f in facts.values()] == ["ada", "nobody", "grace"]
    assert all(f["Kept"] == "in the cookie" for f in facts.values())
    assert customer.facts("chunked")["Cookie"] == "chunked_session not sent"


def test_the_cookie_page_tells_when_the_cookie_is_sent_again(browser: Browser) -> None:
    browser.add("ink")
    facts = browser.facts()
    issued = moment(facts["issued_at"])

    assert moment(facts["expires_at"]) - issued == timedelta(minutes=20)
    again = issued + timedelta(minutes=2)
    assert facts["Sent again"] == f"when used after {again:%H:%M:%S}"


def test_there_is_no_page_of_a_session_that_does_not_exist(browser: Browser) -> None:
    assert browser.open("/cookies/nothing/").status == 404
    assert browser.fill("nothing", 1000).status == 404


def test_a_cookie_tampered_with_ends_one_session_only(customer: Browser) -> None:
    customer.prefer("dark")
    customer.log_in_to_admin("grace")
    customer.tamper("admin_session")

    assert customer.facts("admin")["rejection"].startswith("tampered")
    assert "admin_session" not in customer.cookies
    assert customer.facts()["Logged in"] == "ada"
    assert customer.session("prefs")["theme"] == "dark"


# Sizes


def test_a_small_session_is_in_the_cookie(customer: Browser) -> None:
    customer.fill("default", 1000)

    assert customer.facts()["Kept"] == "in the cookie"


@pytest.mark.parametrize("size", [3000, 5000, 10_000, 100_000])
def test_a_large_session_is_in_the_cache_and_lasts(
    customer: Browser, size: int
) -> None:
    page = customer.fill("default", size)
    shown = facts_of(page.html.partition('id="chunked"')[0])

    assert page.status == 200
    assert shown["Text"].startswith(f"{size} bytes: ")
    assert shown["Kept"] == "in the cache"
    assert len(customer.token) < 400
    assert customer.open("/sizes/").text == page.text
    assert customer.facts()["Kept"].startswith("in the cache")
    assert customer.facts()["Logged in"] == "ada"
    assert customer.session()["cart"] == {"envelopes": 1}


def test_the_page_shortens_long_values(browser: Browser) -> None:
    browser.fill("default", 10_000)

    assert str(browser.session()["filling"]).endswith("… (10000 characters)")


def test_the_cache_holds_nothing_readable(customer: Browser, var: Path) -> None:
    customer.fill("default", 5000)
    entries = [content(path) for path in cached(var)]

    assert entries
    for word in SESSION_WORDS:
        assert not any(word in entry for entry in entries)


def cached(var: Path) -> list[Path]:
    return list((var / "cache").glob("*.djcache"))


def content(path: Path) -> bytes:
    """Return what Django's file cache wrote, which is compressed, after a date."""
    with path.open("rb") as file:
        pickle.load(file)
        return zlib.decompress(file.read())


def test_a_session_that_the_cache_lost_is_refused(customer: Browser, var: Path) -> None:
    customer.fill("default", 5000)
    customer.prefer("dark")
    for entry in cached(var):
        entry.unlink()
    page = customer.open("/cookies/")

    assert "Refused: lost" in page.text
    assert COOKIE not in customer.cookies
    assert 'data-theme="dark"' in page.html


def test_a_session_in_two_cookies_lasts(browser: Browser) -> None:
    page = browser.fill("chunked", 5000)
    facts = browser.facts("chunked")

    assert facts["Kept"] == "in 2 cookies"
    for name in ("chunked_session", "chunked_session.1"):
        assert (
            f"{name} {len(name) + len(browser.cookies[name])} bytes" in facts["Cookies"]
        )
    assert browser.open("/sizes/").text == page.text


def test_an_emptied_session_leaves_no_second_cookie(browser: Browser) -> None:
    browser.fill("chunked", 5000)
    browser.post("/sizes/chunked/empty/", form_on="/sizes/")

    assert "chunked_session.1" not in browser.cookies
    assert browser.session("chunked") == {}


def test_what_no_cookies_hold_is_refused_with_a_page_that_says_so(
    browser: Browser,
) -> None:
    page = browser.fill("chunked", 10_000)

    assert page.status == 413
    assert "The session cookie 'chunked_session' would take" in page.text
    assert "'filling' (10014 bytes)" in page.text
    assert "chunked_session" not in browser.cookies


def test_a_refused_size_leaves_the_session_as_it_was(browser: Browser) -> None:
    browser.fill("chunked", 5000)
    before = browser.cookies["chunked_session"]
    browser.fill("chunked", 100_000)

    assert browser.cookies["chunked_session"] == before
    assert "5000 characters" in str(browser.session("chunked")["filling"])


def test_a_chunk_tampered_with_is_refused(browser: Browser) -> None:
    browser.fill("chunked", 5000)
    browser.tamper("chunked_session.1")

    assert browser.facts("chunked")["rejection"].startswith("tampered")
    assert not {"chunked_session", "chunked_session.1"} & browser.cookies.keys()


@pytest.mark.parametrize("alias", ["default", "chunked"])
@pytest.mark.parametrize("size", [3000, 5000, 100_000])
def test_no_cookie_is_larger_than_browsers_store(
    browser: Browser, alias: str, size: int
) -> None:
    browser.fill(alias, size)

    for name, value in browser.cookies.items():
        assert len(name) + len(value) <= COOKIE_LIMIT


@pytest.mark.parametrize("size", [0, 1001, 10**9])
def test_no_other_size_can_be_had(browser: Browser, size: int) -> None:
    assert browser.fill("default", size).status == 400


def test_the_async_view_counts_in_a_session_in_the_cache(
    browser: Browser, var: Path
) -> None:
    browser.fill("default", 10_000)

    assert "You were here 1 time " in under_asgi(var, "/visits/", browser)


def test_the_site_runs_under_asgi(customer: Browser, var: Path) -> None:
    assert "Logged in ada" in under_asgi(var, "/cookies/", customer)


def under_asgi(var: Path, path: str, browser: Browser) -> str:
    """Return the text of a page as the ASGI application answers the browser."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    code = ASGI_REQUEST.format(path=path, cookies=cookies.encode())
    return text_of(run(var, "shell", "--no-imports", "--command", code))


ASGI_REQUEST = """
import asyncio
from asgiref.testing import ApplicationCommunicator
from testproject.asgi import application

async def main():
    headers = [(b"host", b"127.0.0.1"), (b"cookie", {cookies})]
    scope = dict(type="http", method="GET", path="{path}", headers=headers)
    site = ApplicationCommunicator(application, scope | dict(query_string=b""))
    await site.send_input(dict(type="http.request", body=b""))
    start = await site.receive_output(30)
    body = await site.receive_output(30)
    print(start["status"], body["body"].decode())

asyncio.run(main())
"""


# The cookie


def test_base64_shows_nothing_of_the_session(customer: Browser) -> None:
    assert not is_readable(customer.token)


@pytest.mark.parametrize("lead", ["", "1", "12", "123"])
def test_the_search_for_readable_json_finds_that_of_signed_cookies(lead: str) -> None:
    assert is_readable(lead + signing.dumps({"n": "anything at all"}))
    assert is_readable(lead + signing.dumps(["_auth_user_id", "1"]))


def test_the_cookie_page_says_when_there_is_no_cookie(browser: Browser) -> None:
    page = browser.open("/cookies/")

    assert "no cookie named sessionid" in page.text
    assert 'href="/shop/"' in page.html


def test_the_cookie_page_shows_the_parts_of_the_cookie(customer: Browser) -> None:
    version, key_id = codec.read_prefix(customer.token)
    size = len(COOKIE) + len(customer.token)
    page = customer.open("/cookies/")
    shown = dict(
        re.findall(r'<span class="part ([\w-]+)" title=[^>]*>(.*?)<', page.html)
    )

    assert list(shown) == ["version", "key-id", "nonce", "tag", "ciphertext"]
    assert "".join(shown.values()) == customer.token
    assert f"{version:02x}" in page.text
    assert key_id.hex() in page.text
    assert f"{size} of 4096 bytes" in page.text


def test_the_cookie_page_shows_what_the_server_reads(customer: Browser) -> None:
    page = customer.open("/cookies/")

    for name in ("sid", "created_at", "issued_at", "expires_at", "rejection", "data()"):
        assert f"<dt><code>{name}</code></dt>" in page.html
    assert "None it was accepted" in page.text


def test_the_cookie_page_says_why_a_cookie_was_refused(customer: Browser) -> None:
    customer.tamper(COOKIE)
    page = customer.open("/cookies/")

    assert "Refused: tampered" in page.text
    assert customer.cookie is None


@pytest.mark.parametrize("junk", ["A" * 64, "<script>", "AQ" + "!" * 62])
def test_the_cookie_page_shows_junk_as_it_is(browser: Browser, junk: str) -> None:
    browser.add("ink")
    assert browser.cookie is not None
    browser.cookie.value = junk
    page = browser.open("/cookies/")

    assert page.status == 200
    assert f"sessionid={html.escape(junk)}" in page.html.replace("</span>", "")
    assert "Refused:" in page.text


def test_the_cookie_page_takes_no_short_junk_for_a_session(browser: Browser) -> None:
    browser.add("ink")
    assert browser.cookie is not None
    browser.cookie.value = "junk"
    page = browser.open("/cookies/")

    assert "sessionid= junk" in page.text
    assert "it was accepted" not in page.text


def test_parts_are_together_the_whole_token() -> None:
    token = str(create_session({"cart": {"ink": 1}}).session_key)
    parts = cut(token)

    assert "".join(part.text for part in parts) == token
    assert b"".join(part.raw for part in parts) == base64.urlsafe_b64decode(token)
    assert [len(part.raw) for part in parts[:4]] == [1, 7, 24, 16]
    assert all(token[part.start :].startswith(part.text) for part in parts)
