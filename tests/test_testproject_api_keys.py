"""The demo site's page on API keys, and the API that they open."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from testproject.users import DEMO_PASSWORD
from tests.demo import Browser, key_on, rows_of, served, set_up

TABLE = "secure_session_api_keys_apikey"
SCOPES = ["invoices:read", "invoices:write", "team:read"]
JSON = "application/json"
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def var(tmp_path_factory):
    return set_up(tmp_path_factory)


@pytest.fixture(scope="module")
def site(var):
    with served(var) as address:
        yield address


@pytest.fixture
def browser_of(site):
    def make(username):
        browser = Browser(site)
        browser.log_in(username)
        return browser

    return make


@pytest.fixture
def ada(browser_of):
    return browser_of("ada")


@pytest.fixture
def grace(browser_of):
    return browser_of("grace")


class Program:
    """Something with a key and no cookies."""

    def __init__(self, site, key):
        self.browser = Browser(site)
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path):
        return self.browser.open(path, accept="*/*", **self.headers)

    def post(self, path, content):
        url = self.browser.site + path
        headers = self.headers | {"Content-Type": JSON}
        request = urllib.request.Request(url, content.encode(), headers)
        return self.browser.send(request)

    def status(self, path="/api/me/"):
        return self.get(path).status

    def refusal(self, path):
        """Return why the program may not do this."""
        page = self.get(path)
        assert page.headers["Content-Type"] == PROBLEM
        return page.status, json.loads(page.html)["code"]


@pytest.fixture
def program(site):
    """Return a function that gives a program the key on a page."""
    return lambda page: Program(site, key_on(page))


def id_of(key):
    return key.split("_")[2]


def row_of(var, key, column):
    query = f"SELECT {column} FROM {TABLE} WHERE id = '{id_of(key)}'"
    [(value,)] = rows_of(var, query)
    return value


def time_of(var, key, column):
    value = row_of(var, key, column)
    return value and datetime.fromisoformat(value).replace(tzinfo=UTC)


def listed(browser):
    """Return the cards of the keys that the page lists, by id."""
    cards = browser.open("/api-keys/").html.split('<section class="card key')[1:]
    return {re.search(r'id="(\w{12})"', card)[1]: card for card in cards}


def press(browser, verb, key):
    return browser.post(f"/api-keys/{id_of(key)}/{verb}/", form_on="/api-keys/")


# Making keys


def test_a_new_key_is_shown_in_the_answer_and_nowhere_after(ada):
    page = ada.make_key("invoices:read", name="nightly report")
    key = key_on(page)
    after = ada.open("/api-keys/")

    assert (page.status, page.path) == (200, "/api-keys/new/")
    assert "no-store" in page.headers["Cache-Control"]
    assert "nightly report" in after.text
    assert id_of(key) in after.html
    assert key[-49:] not in after.html
    assert key[-49:] not in json.dumps(ada.session())


def test_the_files_of_the_site_have_no_key(ada, var, program):
    page = ada.make_key()
    program(page).get("/api/me/")
    files = [path.read_bytes() for path in var.rglob("*") if path.is_file()]
    key = key_on(page)

    assert any(id_of(key).encode() in content for content in files)
    assert not any(key[-49:].encode() in content for content in files)


def test_a_key_acts_for_its_owner_and_the_organisation(ada, program):
    page = program(ada.make_key()).get("/api/me/")

    assert json.loads(page.html) == {
        "account": {"id": "1", "role": "owner", "verified": True},
        "org": "seal-and-sons",
        "auth_via": "api_key",
    }
    assert "Set-Cookie" not in page.headers


def test_a_key_can_be_for_no_organisation(ada, program):
    ada.switch("")
    key = program(ada.make_key(*SCOPES))

    assert json.loads(key.get("/api/me/").html)["org"] is None
    for path in ("/api/invoices/", "/api/invoices/1/", "/api/invoices/total/"):
        assert key.refusal(path) == (403, "no_org")
    assert json.loads(key.post("/api/invoices/", "{}").html)["code"] == "no_org"
    assert key.refusal("/api/team/") == (403, "no_org")


@pytest.mark.parametrize(("days", "lives"), [("1", timedelta(days=1)), ("0", None)])
def test_a_key_lives_as_long_as_was_chosen(ada, var, days, lives):
    key = key_on(ada.make_key(lifetime=days))
    expires, created = (time_of(var, key, name) for name in ("expires", "created"))

    assert expires == (created + lives if lives else None)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "a\tb"}, "Use characters that can be seen."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"scopes": ["invoices:*"]}, "Select a valid choice."),
        ({"lifetime": "7"}, "Select a valid choice."),
    ],
)
def test_a_wrong_choice_makes_no_key(ada, var, wrong, told):
    before = rows_of(var, f"SELECT id FROM {TABLE}")
    fields = {"name": "a key", "lifetime": "30", **wrong}
    page = ada.post("/api-keys/new/", form_on="/api-keys/new/", **fields)

    assert told in page.text
    assert rows_of(var, f"SELECT id FROM {TABLE}") == before


# Listing, changing over and ending


def test_the_list_has_ones_own_keys_for_the_organisation(ada, grace):
    own, of_grace = key_on(ada.make_key()), key_on(grace.make_key())
    here = listed(ada).keys()
    ada.switch("post-office")
    there = listed(ada).keys()

    assert id_of(own) in here
    assert id_of(own) not in there
    assert id_of(of_grace) not in here | there
    assert id_of(of_grace) in listed(grace)


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_key_of_somebody_else_is_not_there(ada, grace, program, verb):
    """Ada acts for the organisation of the key, so only the owner differs."""
    ada.switch("post-office")
    page = grace.make_key()

    assert press(ada, verb, key_on(page)).status == 404
    assert program(page).status() == 200


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_an_own_key_for_another_organisation_is_not_there(ada, program, verb):
    page = ada.make_key()
    ada.switch("post-office")

    assert press(ada, verb, key_on(page)).status == 404
    assert program(page).status() == 200


def test_a_revoked_key_opens_nothing(ada, program):
    key = ada.make_key()
    before = program(key).status()
    page = press(ada, "revoke", key_on(key))

    assert page.path == "/api-keys/"
    assert "a key is revoked." in page.text
    assert (before, program(key).refusal("/api/me/")) == (200, (401, "invalid_key"))
    assert "curl" not in listed(ada)[id_of(key_on(key))]


def test_a_rotated_key_goes_on_for_a_week(ada, var, program):
    old = ada.make_key("invoices:read")
    asked = ada.open(f"/api-keys/{id_of(key_on(old))}/rotate/")
    new = press(ada, "rotate", key_on(old))
    expires, made = time_of(var, key_on(old), "expires"), datetime.now(UTC)

    assert "You get a new key" in asked.text
    assert "no-store" in new.headers["Cache-Control"]
    assert key_on(new) != key_on(old)
    for page in (old, new):
        assert program(page).status("/api/invoices/") == 200
    assert abs(expires - made - timedelta(days=7)) < timedelta(minutes=5)
    assert f'href="#{id_of(key_on(new))}"' in listed(ada)[id_of(key_on(old))]


def test_a_key_is_rotated_once(ada):
    key = key_on(ada.make_key())
    press(ada, "rotate", key)
    page = press(ada, "rotate", key)

    assert page.path == "/api-keys/"
    assert "has the successor" in page.text
    assert "/rotate/" not in listed(ada)[id_of(key)]


# Who may


@pytest.mark.parametrize("path", ["/api-keys/", "/api-keys/new/"])
def test_nobody_is_led_to_the_log_in(site, path):
    assert Browser(site).open(path).path == f"/login/?next={path}"


def test_an_old_log_in_makes_no_key_before_the_password(ada):
    key = key_on(ada.make_key())
    ada.make_old("log-in")
    for path in ("/api-keys/new/", f"/api-keys/{id_of(key)}/rotate/"):
        assert ada.open(path).path == f"/reauthenticate/?next={path}"
    asked = "/reauthenticate/?next=/api-keys/new/"
    page = ada.post(asked, form_on=asked, password=DEMO_PASSWORD)

    assert page.path == "/api-keys/new/"
    assert key_on(ada.make_key())


def test_a_form_sent_with_an_old_log_in_makes_no_key(ada, var):
    token = ada.open("/api-keys/new/").csrf_token
    ada.make_old("log-in")
    before = rows_of(var, f"SELECT id FROM {TABLE}")
    fields = {"csrfmiddlewaretoken": token, "name": "a key", "lifetime": "30"}
    page = ada.open("/api-keys/new/", fields)

    assert page.path == "/reauthenticate/?next=/api-keys/new/"
    assert rows_of(var, f"SELECT id FROM {TABLE}") == before


def test_an_old_log_in_revokes_a_key(ada, program):
    key = ada.make_key()
    ada.make_old("log-in")
    press(ada, "revoke", key_on(key))

    assert program(key).status() == 401


def test_a_forged_form_does_nothing(ada, program):
    page = ada.make_key()
    path = f"/api-keys/{id_of(key_on(page))}"

    for forged in (f"{path}/revoke/", f"{path}/rotate/", "/api-keys/new/"):
        assert ada.open(forged, {"name": "a key", "lifetime": "30"}).status == 403
    assert program(page).status() == 200


def test_a_key_makes_no_keys(ada, program):
    """The pages are for people: there the header is ignored."""
    page = program(ada.make_key(*SCOPES)).get("/api-keys/")

    assert page.status == 401
    assert page.headers["WWW-Authenticate"] == 'Cookie realm="session"'


# The API


def test_a_program_makes_an_invoice_and_reads_it(ada, program):
    key = program(ada.make_key(*SCOPES))
    made = key.post("/api/invoices/", '{"customer": "Ada", "total": 27.3}')
    invoice = json.loads(made.html)
    listed = json.loads(key.get("/api/invoices/").html)["invoices"]
    sums = json.loads(key.get("/api/invoices/total/").html)

    assert made.status == 201
    assert (invoice["customer"], invoice["total"]) == ("Ada", "27.30")
    assert json.loads(key.get(made.headers["Location"]).html) == invoice
    assert listed[-1] == invoice
    assert sums["count"] == len(listed)
    assert float(sums["total"]) == pytest.approx(
        sum(float(each["total"]) for each in listed)
    )


def test_the_invoices_of_others_are_not_there(ada, grace, program):
    made = program(ada.make_key(*SCOPES)).post(
        "/api/invoices/", '{"customer": "Ada", "total": "1.00"}'
    )
    invoice, other = json.loads(made.html), program(grace.make_key(*SCOPES))

    assert other.refusal(f"/api/invoices/{invoice['number']}/") == (404, "not_found")
    assert invoice not in json.loads(other.get("/api/invoices/").html)["invoices"]


NO_INVOICES = [
    *("", "null", "[]", '"{}"', "{", "{}", '{"customer": "Ada"}', "\0"),
    '{"customer": "Ada", "total": "-1"}',
    '{"customer": "Ada", "total": NaN}',
    '{"customer": "Ada", "total": [1]}',
    '{"customer": "\\ud800", "total": "1"}',
    '{"customer": "A\\u0000", "total": "1"}',
    "[" * 100_000,
]


def test_what_makes_no_invoice_gets_a_problem(ada, program):
    key = program(ada.make_key("invoices:write"))
    for content in NO_INVOICES:
        page = key.post("/api/invoices/", content)
        assert (page.status, page.headers["Content-Type"]) == (400, PROBLEM), content
        assert json.loads(page.html)["errors"].keys() <= {"customer", "total"}


def test_an_invoice_that_nobody_has_is_not_there(ada, program):
    key = program(ada.make_key("invoices:read"))

    for number in (0, 10**30):
        assert key.refusal(f"/api/invoices/{number}/") == (404, "not_found")


def test_a_scope_is_for_its_method_alone(ada, program):
    writes = program(ada.make_key("invoices:write"))
    reads = program(ada.make_key("invoices:read"))
    invoice = '{"customer": "Ada", "total": "1.00"}'

    assert writes.refusal("/api/invoices/") == (403, "insufficient_scope")
    assert writes.post("/api/invoices/", invoice).status == 201
    assert reads.status("/api/invoices/") == 200
    assert reads.post("/api/invoices/", invoice).status == 403


def test_a_scope_is_not_its_owners_role(ada, program):
    ada.switch("post-office")
    key = program(ada.make_key("team:read"))

    assert key.refusal("/api/team/") == (403, "wrong_role")


def test_a_key_loses_what_its_owners_role_allowed(ada, program, var):
    key = program(ada.make_key("team:read"))
    before = key.status("/api/team/")
    is_adas = "WHERE user_id = 1 AND role = 'owner'"
    [(row,)] = rows_of(var, f"SELECT id FROM organisations_membership {is_adas}")
    update = "UPDATE organisations_membership SET role = '{}' WHERE id = {}"
    rows_of(var, update.format("member", row))
    after = key.refusal("/api/team/")
    rows_of(var, update.format("owner", row))

    assert (before, after) == (200, (403, "wrong_role"))


def test_a_wrong_key_is_not_made_good_by_a_cookie(ada):
    key = key_on(ada.make_key())
    wrong = f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}"

    assert ada.open("/api/me/").status == 200
    assert ada.open("/api/me/", Authorization=wrong).status == 401


def test_pages_that_take_a_key_show_whom_it_speaks_for(ada, program):
    key = program(ada.make_key("invoices:read"))

    for path in ("/guards/", "/guards/any-of/"):
        page = key.get(path)
        assert page.status == 200
        assert "Set-Cookie" not in page.headers
    assert "Said by the api_key" in page.text


@pytest.mark.parametrize("org_id", ["", "seal-and-sons"])
def test_whatever_is_typed_for_an_account_in_the_admin_makes_no_error(site, org_id):
    browser = Browser(site)
    browser.log_in_to_admin("grace")
    add = "/admin/secure_session_api_keys/apikey/add/"
    form = {"name": "n", "org_id": org_id, "scopes": "", "lifetime": "30", "env": "a"}
    for typed in ("abc", "1.5", "\xb2", "9" * 30, "-1"):
        page = browser.post(add, form_on=add, account_id=typed, **form)
        assert (page.status, "knows no account" in page.text) == (200, True)
