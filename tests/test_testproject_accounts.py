"""The demo site's accounts, organisations and guards."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testproject.guards.examples import EXAMPLES
from testproject.users import DEMO_PASSWORD
from tests.demo import (
    ROOT,
    Browser,
    call,
    facts_of,
    rows_of,
    run,
    served,
    set_up,
)

JSON = "application/json"

# Each kind of visitor, and what is open to it of the pages on the list.
EVERYTHING = EXAMPLES.keys() - {"key"}
OPEN = {
    "nobody": {"public"},
    "ada": EVERYTHING,
    "ada at the post office": {"log-in", "verified", "org", "fresh", "public"},
    "ada for no organisation": {"log-in", "verified", "fresh", "public"},
    "grace": {"log-in", "roles", "org", "fresh", "async", "public", "json"},
}
SWITCHES = {"ada at the post office": "post-office", "ada for no organisation": ""}


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return set_up(tmp_path_factory)


@pytest.fixture(scope="module")
def site(var: Path) -> Iterator[str]:
    with served(var) as address:
        yield address


@pytest.fixture
def browser_of(site: str) -> Callable[[str], Browser]:
    """Return a function that gives a browser to one of the visitors."""

    def make(who: str) -> Browser:
        browser = Browser(site)
        if who != "nobody":
            browser.log_in(who.split()[0])
        if who in SWITCHES:
            browser.switch(SWITCHES[who])
        return browser

    return make


@pytest.fixture
def browser(browser_of) -> Browser:
    return browser_of("nobody")


@pytest.fixture
def ada(browser_of) -> Browser:
    return browser_of("ada")


@pytest.fixture
def grace(browser_of) -> Browser:
    return browser_of("grace")


def identity_of(browser: Browser) -> dict[str, str]:
    """Return what the page on guards says of the visitor."""
    return facts_of(browser.open("/guards/").html)


def sid_of(browser: Browser) -> str:
    return facts_of(browser.open("/cookies/").html)["sid"].split()[0]


def paths() -> dict[str, str]:
    """Return where each example is."""
    return {
        name: f"/guards/{name}/{example.query}" for name, example in EXAMPLES.items()
    } | {"json": "/api/team/", "key": "/api/invoices/total/"}


# The pages behind guards


def said_to_be_open(browser: Browser) -> set[str]:
    """Return what the list says the visitor may open."""
    cards = browser.open("/guards/").html.split('<li class="card guard">')[1:]
    assert len(cards) == len(EXAMPLES)
    verdicts = zip(EXAMPLES, cards, strict=True)
    return {name for name, card in verdicts if "You may enter." in card}


def found_open(browser: Browser) -> set[str]:
    pages = {name: browser.open(path) for name, path in paths().items()}
    return {
        name
        for name, path in paths().items()
        if (pages[name].status, pages[name].path) == (200, path)
    }


@pytest.mark.parametrize("who", OPEN)
def test_the_list_tells_what_is_open_to_a_visitor(browser_of, who: str):
    assert said_to_be_open(browser_of(who)) == OPEN[who]


@pytest.mark.parametrize("who", OPEN)
def test_what_is_open_to_a_visitor_opens_and_nothing_else(browser_of, who: str):
    assert found_open(browser_of(who)) == OPEN[who]


def test_the_list_links_to_each_page(browser: Browser):
    page = browser.open("/guards/").html

    assert all(f'href="{path}"' in page for path in paths().values())


def test_the_list_and_the_code_of_the_site_agree():
    files = ("api/views.py", "guards/urls.py", "guards/views.py")
    code = "".join((ROOT / "testproject" / file).read_text() for file in files)
    for hidden in (": HttpRequest", " -> HttpResponse", " -> JsonResponse"):
        code = code.replace(hidden, "")
    written = "".join(code.replace("@require_safe", "").split()).replace(",)", ")")

    for example in EXAMPLES.values():
        assert "".join(example.code.split()).replace(",)", ")") in written


@pytest.mark.parametrize("who", ["ada", "grace", "ada for no organisation"])
def test_a_guarded_page_makes_no_query(browser_of, who: str):
    browser = browser_of(who)
    browser.open("/guards/log-in/")  # asks anew if the claims are old by now
    pages = [browser.open(paths()[name]) for name in OPEN[who] - {"json"}]

    assert [page.queries for page in pages] == [0] * len(pages)
    assert all("no query" in page.text for page in pages)


def test_other_pages_tell_their_queries(ada: Browser):
    ada.open("/shop/")
    page = ada.open("/shop/")

    assert page.queries > 1
    assert f"Database queries of this request: {page.queries}." in page.text


def test_a_guarded_page_says_why_it_opened(ada: Browser):
    page = ada.open("/guards/roles/")

    assert "You are in: the role is owner." in page.text
    assert "account 1, owner of seal-and-sons" in page.text


def test_the_page_tells_who_the_visitor_is_to_the_guards(grace: Browser):
    facts = identity_of(grace)

    assert facts["Account"].startswith("2 ")
    assert facts["Role"].startswith("admin ")
    assert facts["Verified"].startswith("no ")
    assert facts["Organisation"].startswith("post-office ")
    assert facts["Said by"].startswith("the session ")
    assert "again after 60 CLAIMS_MAX_AGE" in facts["Read"]


def test_nobody_is_led_to_the_log_in_and_back(browser: Browser):
    asked = browser.open("/guards/tree/deeper/")
    page = browser.post(
        asked.path, form_on=asked.path, username="ada", password=DEMO_PASSWORD
    )

    assert asked.path == "/login/?next=/guards/tree/deeper/"
    assert page.path == "/guards/tree/deeper/"


def test_the_page_for_403_tells_what_is_wanted_and_what_there_is(grace: Browser):
    page = grace.open("/guards/class/")

    assert page.status == 403
    assert "Your role does not allow this." in page.text
    assert "What this page wants: A verified owner." in page.text
    assert "not verified, and act for post-office as admin" in page.text
    assert "/static/demo.css" in page.html


def test_a_page_for_403_without_an_example_is_shown_too(grace: Browser):
    page = grace.open("/guards/tree/deeper/")

    assert page.status == 403
    assert "What this page wants" not in page.text


def test_no_browser_stores_a_guarded_page(ada: Browser):
    assert "no-store" in ada.open("/guards/log-in/").headers["Cache-Control"]


def test_log_in_to_the_admin_opens_no_guard_of_the_site(browser: Browser):
    browser.log_in_to_admin("grace")

    assert "Site administration" in browser.open("/admin/").text
    assert browser.open("/guards/log-in/").path.startswith("/login/")


def test_the_admin_session_has_claims_of_its_own(ada: Browser):
    ada.log_in_to_admin("grace")
    page = ada.open("/cookies/admin/")

    assert json.loads(facts_of(page.html)["Claims"].split("}")[0] + "}")["sub"] == "2"
    assert identity_of(ada)["Account"].startswith("1 ")


# Organisations


def test_log_in_acts_for_the_first_organisation(ada: Browser, grace: Browser):
    assert identity_of(ada)["Organisation"].startswith("seal-and-sons ")
    assert identity_of(grace)["Organisation"].startswith("post-office ")


def test_a_switch_changes_organisation_and_role(ada: Browser):
    page = ada.switch("post-office")

    assert page.path == "/organisations/"
    assert "You act for post-office now, as member." in page.text
    assert identity_of(ada)["Role"].startswith("member ")


def test_a_switch_to_none_leaves_the_role_that_everybody_has(ada: Browser):
    page = ada.switch("")

    assert "You act for no organisation now, as user." in page.text


def test_a_switch_gives_the_session_another_sid_and_keeps_its_data(ada: Browser):
    ada.add("ink")
    before = sid_of(ada)
    ada.switch("post-office")

    assert sid_of(ada) != before
    assert ada.session()["cart"] == {"ink": 1}


@pytest.mark.parametrize("slug", ["seal-and-sons", "nothing", "x\0", "1 OR 1"])
def test_nobody_acts_for_an_organisation_of_others(grace: Browser, slug: str):
    page = grace.switch(slug)

    assert page.status == 403
    assert identity_of(grace)["Organisation"].startswith("post-office ")


def test_a_switch_comes_back_to_its_page(ada: Browser):
    assert ada.switch("post-office", back_to="/cart/").path == "/cart/"


@pytest.mark.parametrize("url", ["//example.org/", "https://example.org/", "x:y"])
def test_a_switch_leads_nowhere_else(ada: Browser, url: str):
    assert ada.switch("post-office", back_to=url).path == "/organisations/"


def test_a_switch_without_the_csrf_token_is_refused(ada: Browser):
    page = ada.open("/organisations/switch/", {"organisation": "post-office"})

    assert page.status == 403
    assert identity_of(ada)["Organisation"].startswith("seal-and-sons ")


def test_the_switch_offers_the_own_organisations_only(ada: Browser, grace: Browser):
    def options(browser: Browser) -> list[str]:
        return re.findall(r"<option[^>]*>(.*?)</option>", browser.open("/").html)

    none = "No organisation"
    assert options(ada) == [none, "Seal and Sons, owner", "Post Office, member"]
    assert options(grace) == [none, "Post Office, admin"]


# What changes in the database


@pytest.fixture
def memberships_put_back(var: Path) -> Iterator[None]:
    """Put back what the test changed."""
    table = "organisations_membership"
    rows = rows_of(var, f"SELECT * FROM {table} ORDER BY id")
    yield
    rows_of(var, f"DELETE FROM {table}")
    for row in rows:
        rows_of(var, f"INSERT INTO {table} VALUES {row}")
    assert rows_of(var, f"SELECT * FROM {table} ORDER BY id") == rows


OF_ADA = "WHERE user_id = 1 AND role = 'owner'"


@pytest.mark.usefixtures("memberships_put_back")
def test_a_changed_role_counts_when_the_claims_are_old(ada: Browser, var: Path):
    ada.make_old("claims")
    rows_of(var, f"UPDATE organisations_membership SET role = 'member' {OF_ADA}")
    page = ada.open("/guards/roles/")
    ada.make_old("claims")

    assert page.status == 200  # the page before had just read them
    assert ada.open("/guards/roles/").status == 403


@pytest.mark.usefixtures("memberships_put_back")
def test_a_lost_membership_leaves_no_organisation(ada: Browser, var: Path):
    rows_of(var, f"DELETE FROM organisations_membership {OF_ADA}")
    ada.make_old("claims")

    assert identity_of(ada)["Organisation"].startswith("none ")
    assert identity_of(ada)["Role"].startswith("user ")


def test_old_claims_are_read_again_once(ada: Browser):
    page = ada.make_old("claims")

    assert page.path == "/guards/log-in/"
    assert page.queries > 0
    assert f"This request made {page.queries} queries" in page.text
    assert ada.open("/guards/log-in/").queries == 0


# A recent log-in


@pytest.fixture
def asked_again(ada: Browser) -> str:
    """Return where ada is led who logged in an hour ago."""
    return ada.make_old("log-in").path


def test_an_old_log_in_leads_to_the_password(ada: Browser, asked_again: str):
    assert asked_again == "/reauthenticate/?next=/guards/fresh/"
    assert "Password of ada" in ada.open(asked_again).text


def test_an_old_log_in_opens_the_other_pages(ada: Browser, asked_again: str):
    assert found_open(ada) == EVERYTHING - {"fresh"}


def test_the_password_leads_back_under_another_sid(ada: Browser, asked_again: str):
    before = sid_of(ada)
    page = ada.post(asked_again, form_on=asked_again, password=DEMO_PASSWORD)

    assert page.path == "/guards/fresh/"
    assert sid_of(ada) != before


def test_a_wrong_password_leads_nowhere(ada: Browser, asked_again: str):
    page = ada.post(asked_again, form_on=asked_again, password="wrong")

    assert "That is not your password" in page.text
    assert ada.open("/guards/fresh/").path == asked_again


def test_nothing_else_can_be_made_old(ada: Browser):
    assert ada.make_old("sub").status == 400


# Programs


def problem_of(browser: Browser, path: str) -> tuple[int, str, str]:
    page = browser.open(path, accept="*/*")
    assert page.headers["Content-Type"] == "application/problem+json"
    code = json.loads(page.html)["code"]
    return page.status, code, page.headers.get("WWW-Authenticate", "")


def test_a_program_without_a_log_in_hears_401(browser: Browser):
    answer = problem_of(browser, "/api/team/")
    challenges = 'Cookie realm="session", Bearer realm="api"'

    assert answer == (401, "not_authenticated", challenges)


def test_a_program_that_may_not_hears_403(browser_of):
    ada = browser_of("ada at the post office")

    assert problem_of(ada, "/api/team/") == (403, "wrong_role", "")


def test_a_program_with_an_old_log_in_hears_401(ada: Browser, asked_again: str):
    status, code, challenge = problem_of(ada, "/guards/fresh/")

    assert (status, code) == (401, "not_fresh")
    assert 'max_age="600"' in challenge


def test_a_program_that_may_gets_json(grace: Browser):
    page = grace.open("/api/team/", accept="*/*")

    assert json.loads(page.html)["members"] == [
        {"user__username": "ada", "role": "member"},
        {"user__username": "grace", "role": "admin"},
    ]


def test_the_api_tells_who_is_asking_without_a_query(grace: Browser):
    grace.open("/api/me/")
    page = grace.open("/api/me/", accept=JSON)

    assert json.loads(page.html) == {
        "account": {"id": "2", "role": "admin", "verified": False},
        "org": "post-office",
        "auth_via": "session",
    }
    assert page.queries == 0


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_no_cookie_opens_what_is_for_keys(ada: Browser, accept: str):
    page = ada.open("/api/invoices/", accept=accept)

    assert page.status == 401
    assert page.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_commands_for_a_terminal_are_those_of_this_site(browser: Browser):
    assert f"curl -i {browser.site}/api/team/ " in browser.open("/guards/").text


# Under ASGI


ASGI_REQUEST = """
import asyncio
from asgiref.testing import ApplicationCommunicator
from testproject.asgi import application

async def main():
    headers = [(b"host", b"127.0.0.1"), (b"cookie", {cookies})]
    scope = dict(type="http", method="GET", query_string=b"", headers=headers)
    for path in {paths}:
        site = ApplicationCommunicator(application, scope | dict(path=path))
        await site.send_input(dict(type="http.request", body=b""))
        start = await site.receive_output(30)
        print(start["status"], dict(start["headers"])[b"X-Queries"].decode())
        await site.wait()

asyncio.run(main())
"""


def under_asgi(var: Path, browser: Browser, *paths: str) -> list[str]:
    """Return status and queries of each path as the ASGI application answers."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    code = ASGI_REQUEST.format(paths=paths, cookies=cookies.encode())
    return run(var, "shell", "--no-imports", "--command", code).splitlines()


def test_guarded_pages_make_no_query_under_asgi(ada: Browser, var: Path):
    ada.fill("default", 10_000)  # a session in the cache
    ada.open("/guards/log-in/")
    pages = ("/guards/log-in/", "/guards/async/", "/guards/class/", "/guards/tree/")

    # A new process asks the registry once.
    assert under_asgi(var, ada, *pages) == ["200 1", "200 0", "200 0", "200 0"]


def test_a_page_that_refuses_is_shown_under_asgi(grace: Browser, var: Path):
    grace.open("/guards/log-in/")
    answers = under_asgi(var, grace, "/guards/class/", "/guards/inside/")

    assert [answer.split()[0] for answer in answers] == ["403", "200"]


# The command


@pytest.fixture(scope="module")
def listed(var: Path) -> subprocess.CompletedProcess[str]:
    return call(var, "guards", "--fail-unguarded", "/api/")


def test_the_command_passes_where_every_view_has_a_guard(listed):
    assert listed.returncode == 0
    assert listed.stderr == ""


def test_the_command_lists_the_guards_of_the_site(listed):
    rows = [re.split("  +", line) for line in listed.stdout.splitlines()]
    guards = {path: guard for path, guard, _ in rows}

    assert guards["/guards/roles/"] == "authenticated(roles=['admin', 'owner'])"
    assert guards["/guards/tree/deeper/"] == "authenticated(roles=['owner'])"
    assert guards["/guards/fresh/"] == "authenticated(fresh=0:10:00)"
    assert guards["/guards/public/"] == "public"
    assert guards["/shop/"] == "-"


def test_the_command_fails_for_a_view_without_a_guard(var: Path, tmp_path: Path):
    (tmp_path / "forgetful_settings.py").write_text(FORGETFUL_SETTINGS)
    (tmp_path / "forgetful_urls.py").write_text(FORGETFUL_URLS)
    done = call(
        var,
        *("guards", "--settings", "forgetful_settings", "--fail-unguarded", "/api/"),
        PYTHONPATH=str(tmp_path),
    )

    assert done.returncode == 1
    assert done.stderr == "CommandError: Without a guard: /api/forgotten/\n"


FORGETFUL_SETTINGS = """
from testproject.settings import *

ROOT_URLCONF = "forgetful_urls"
"""
FORGETFUL_URLS = """
from django.http import JsonResponse
from django.urls import include, path

urlpatterns = [
    path("", include("testproject.urls")),
    path("api/forgotten/", lambda request: JsonResponse({})),
]
"""
