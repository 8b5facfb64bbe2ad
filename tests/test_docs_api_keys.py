"""What the pages on API keys say is so: their site is built, and its keys are used."""

from __future__ import annotations

import json
import logging
import re
import shlex
import sys
import unittest
from threading import Thread
from typing import get_args
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.servers.basehttp import WSGIServer
from django.core.signals import got_request_exception
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.dispatch import receiver
from django.http import HttpResponse
from django.test import Client
from django.test.testcases import QuietWSGIRequestHandler
from django.urls import clear_url_caches, path
from django.views.debug import get_exception_reporter_class
from django.views.decorators.cache import cache_page

from django_secure_session import (
    DjangoUserProvider,
    Org,
    SessionReadOnly,
    any_of,
    authenticated,
    authorized,
    decode_session,
    encode_session,
)
from django_secure_session.accounts.claims import parse
from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.managers import ApiKeyManager, ApiKeyQuerySet
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.states import STATES
from django_secure_session.exceptions import KeyRejection
from django_secure_session.signals import api_key_rejected, api_key_used
from tests.pages import PAGES, blocks_of
from tests.test_docs_accounts import GUARDS, files_of, logged_in, site_with, told

HOWTO = "docs/howto/api-keys.md"
REFERENCE = "docs/reference/api-keys.md"
FILES = ["views", "keys", "urls", "rotating", "receivers"]


class Members(DjangoUserProvider):
    """Django's users, of whom those named after an organisation belong to it."""

    def get_org(self, account_id, org_id):
        is_member = User.objects.filter(pk=account_id, last_name=org_id).exists()
        return Org(id=org_id) if is_member else None


@pytest.fixture
def site(settings, monkeypatch, db):
    """Build the site of the page."""
    namespace: dict = {}
    exec(files_of(GUARDS)["mysite/settings.py"], namespace)
    settings.MIDDLEWARE = namespace["MIDDLEWARE"]
    provider = {"ACCOUNT_PROVIDER": f"{__name__}.Members"}
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, **provider}
    for signal in (api_key_used, api_key_rejected):  # only for this test
        monkeypatch.setattr(signal, "receivers", [*signal.receivers])
    settings.ROOT_URLCONF = "mysite.urls"
    return site_with(monkeypatch, dict.fromkeys(FILES, HOWTO))


def route(site, url: str, view) -> None:
    site.urls.urlpatterns.insert(0, path(url, view))
    clear_url_caches()


@pytest.fixture
def owner(db) -> User:
    return User.objects.create(username="ada", last_name="acme")


def key_of(owner: User, *scopes: str, **fields):
    return ApiKey.objects.create_key(
        name="a key", account_id=str(owner.pk), scopes=scopes, **fields
    )


def header(created) -> dict[str, str]:
    return {"authorization": f"Bearer {created.text}"}


def test_the_settings_on_the_page_are_those_of_the_tests(site, settings):
    namespace: dict = {"INSTALLED_APPS": []}
    exec(files_of(HOWTO)["mysite/settings.py"], namespace)

    assert set(namespace["INSTALLED_APPS"]) <= set(settings.INSTALLED_APPS)
    shown = [name for name in namespace["MIDDLEWARE"] if name is not ...]
    there = [name for name in settings.MIDDLEWARE if name in shown]
    assert there == shown


# Calls


def calls() -> list[tuple[str, int]]:
    """Return each line with curl on the page, and the status that it shall have."""
    lines = [
        line
        for block in blocks_of(HOWTO)
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    found = [re.fullmatch(r"(curl .+?) +# (\d{3})", line) for line in lines]
    assert all(found)
    return [(match[1], int(match[2])) for match in found]


def curl(line: str, variables: dict[str, str]) -> int:
    """Do what curl does with the few options that the page has; return the status."""
    words = shlex.split(line)[1:]
    method, headers, urls = "GET", {}, []
    expanded = iter([expand(word, variables) for word in words])
    for word in expanded:
        if word == "-X":
            method = next(expanded)
        elif word == "-H":
            name, _, value = next(expanded).partition(": ")
            headers[name] = value
        else:
            urls.append(word)
    [url] = urls
    try:
        opener = build_opener(ProxyHandler({}))
        with opener.open(Request(url, None, headers, method=method)) as response:
            return response.status
    except HTTPError as error:
        error.close()
        return error.code


def expand(word: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: variables[found[1]], word)


@pytest.fixture
def address(site):
    """Serve the site in another thread, from the database of the test."""
    database = connections[DEFAULT_DB_ALIAS]
    # Its requests have no threads of their own, which would outlive the test.
    server = WSGIServer(("127.0.0.1", 0), QuietWSGIRequestHandler)
    server.set_app(WSGIHandler())

    def serve():
        connections[DEFAULT_DB_ALIAS] = database
        server.serve_forever(0.01)

    thread = Thread(target=serve)
    database.inc_thread_sharing()
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    database.dec_thread_sharing()


def test_the_calls_on_the_page_give_what_it_says(address, owner):
    variables = {"SITE": address, "KEY": key_of(owner, "invoices:read").text}
    assert {status for _, status in calls()} == {200, 401, 403}

    assert [(line, curl(line, variables)) for line, _ in calls()] == calls()


def test_the_problem_on_the_page_is_what_is_sent(site, owner, client):
    [shown] = [b.text for b in blocks_of(HOWTO) if b.language == "json"]
    created = key_of(owner, "invoices:read")

    response = client.post("/api/invoices/add/", headers=header(created))

    assert response.json() == json.loads(shown)


def test_the_tests_of_the_page_pass(site):
    namespace: dict = {"__name__": "mysite.tests"}
    exec(files_of(HOWTO)["mysite/tests.py"], namespace)
    tests = unittest.TestLoader().loadTestsFromTestCase(namespace["InvoiceTests"])
    result = unittest.TestResult()

    tests.run(result)

    assert result.testsRun == 3
    assert not [*result.failures, *result.errors], result


def test_a_view_may_want_one_scope_more(site, owner):
    client = Client(enforce_csrf_checks=True)
    few = key_of(owner, "invoices:read")
    more = key_of(owner, "invoices:read", "invoices:delete")

    statuses = [
        client.generic(method, "/api/invoices/7/", headers=header(created)).status_code
        for created in (few, more)
        for method in ("GET", "DELETE")
    ]

    assert statuses == [200, 403, 200, 200]


def test_one_scope_does_not_stand_for_another(site, owner, client):
    for scope in ("invoices:*", "invoices:write", "invoices", "*"):
        created = key_of(owner, scope)
        answer = client.get("/api/invoices/", headers=header(created))
        assert answer.status_code == 403, scope


def test_a_key_acts_for_its_organisation_while_its_owner_is_a_member(
    site, owner, client
):
    ours = key_of(owner, "invoices:read", org_id="acme")
    mine = key_of(owner, "invoices:read")

    assert client.get("/api/summary/", headers=header(ours)).json() == {
        "summary for": "acme"
    }
    assert client.get("/api/summary/", headers=header(mine)).json()["code"] == "no_org"

    User.objects.update(last_name="")
    assert client.get("/api/summary/", headers=header(ours)).status_code == 401


def test_people_and_programs_use_one_view(site, owner):
    created = key_of(owner, "invoices:read")
    staff = logged_in("eve", is_staff=True)
    superuser = logged_in("root", is_staff=True, is_superuser=True)
    program = Client(enforce_csrf_checks=True)

    assert staff.get("/api/report/").json()["by"] == "session"
    assert superuser.get("/api/report/").json()["by"] == "session"
    assert program.post("/api/report/", headers=header(created)).json() == {
        "for": str(owner.pk),
        "by": "api_key",
    }
    wrong = {"authorization": f"Bearer {created.text}x"}
    assert staff.get("/api/report/", headers=wrong).status_code == 401


# Making, rotating and ending


def test_a_view_shows_a_new_key_once_in_the_answer_to_the_post(site, clock):
    client = logged_in()

    answer = client.post("/keys/new/")

    text = answer.content.decode()
    assert tokens.parse(text, "dss")
    assert "no-store" in answer["Cache-Control"]
    got = client.get(
        "/api/invoices/", headers={"authorization": f"Bearer {text}"}
    ).json()
    assert got == {"invoices of": ApiKey.objects.get().account_id}
    clock.tick(minutes=10)
    assert client.post("/keys/new/").status_code == 302


@pytest.mark.parametrize("page", [HOWTO, "docs/reference/commands.md"])
def test_the_commands_on_the_page_make_keys(page, site, capsys):
    User.objects.create(pk=7, username="ada", last_name="acme")
    lines = [
        line
        for block in blocks_of(page)
        if block.language == "shell"
        for line in block.text.splitlines()
        if " createapikey " in line
    ]
    assert len(lines) == 2

    for line in lines:
        call_command(*shlex.split(line)[2:])

    out = capsys.readouterr().out
    assert {tokens.parse(text, "dss").key_id for text in out.splitlines()} == set(
        ApiKey.objects.values_list("pk", flat=True)
    )
    assert ApiKey.objects.filter(org_id="acme").count() == 1


def test_an_old_key_is_good_until_its_users_have_changed_over(
    site, owner, client, clock
):
    created = key_of(owner, "invoices:read")
    old = header(created)
    new = {
        "authorization": f"Bearer {site.rotating.rotate(created.api_key.pk)}",
    }
    clock.tick(hours=1)

    def uses(key) -> int:
        return client.get("/api/invoices/", headers=key).status_code

    assert (uses(new), site.rotating.is_in_use(created.api_key.pk)) == (200, False)
    assert (uses(old), site.rotating.is_in_use(created.api_key.pk)) == (200, True)
    clock.tick(days=7)
    assert (uses(new), uses(old)) == (200, 401)


def test_a_key_that_was_never_rotated_may_be_in_use(site, owner, client, clock):
    created = key_of(owner, "invoices:read")
    before = site.rotating.is_in_use(created.api_key.pk)
    clock.tick(hours=1)

    client.get("/api/invoices/", headers=header(created))

    assert (before, site.rotating.is_in_use(created.api_key.pk)) == (False, True)


def test_the_last_use_is_noted_whatever_becomes_of_the_request(
    site, owner, settings, monkeypatch
):
    monkeypatch.setitem(
        connections[DEFAULT_DB_ALIAS].settings_dict, "ATOMIC_REQUESTS", True
    )
    route(site, "failing/", failing)
    client = Client(raise_request_exception=False)

    for url, status in {"/failing/": 500, "/api/invoices/": 403}.items():
        created = key_of(owner, "other")
        assert client.get(url, headers=header(created)).status_code == status
        created.api_key.refresh_from_db()
        assert created.api_key.last_used_at, url


def test_a_plain_save_of_what_was_read_before_brings_a_key_back(owner):
    key = key_of(owner).api_key
    for fields in (["name"], None):
        ApiKey.objects.all().revoke()
        key.save(update_fields=fields)
        assert ApiKey.objects.get().is_usable == (fields is None)


def test_all_keys_of_an_organisation_are_ended(site, owner):
    ours, mine = key_of(owner, org_id="acme"), key_of(owner)

    assert site.rotating.end_keys_of_org("acme") == 1

    assert list(ApiKey.objects.usable()) == [mine.api_key]
    assert ours.api_key != mine.api_key


def test_an_account_that_is_enabled_again_has_its_keys_again(site, owner, client):
    created = key_of(owner, "invoices:read")
    statuses = []

    for is_active in (False, True):
        User.objects.update(is_active=is_active)
        answer = client.get("/api/invoices/", headers=header(created))
        statuses.append(answer.status_code)

    assert statuses == [401, 200]


# Logs, errors and caches


def test_the_app_on_the_page_brings_the_receiver(site):
    namespace: dict = {}
    exec(files_of(HOWTO)["mysite/apps.py"], namespace)
    del site.receivers, sys.modules["mysite.receivers"]  # nobody has imported it yet

    with pytest.raises(ImportError, match="receivers"):
        namespace["MySiteConfig"].ready(None)


def test_the_receiver_on_the_page_writes_an_access_log(site, owner, client, caplog):
    created = key_of(owner, "invoices:read", org_id="acme")
    route(site, "api/<str:rest>/", echo)
    caplog.set_level(logging.INFO, "api.access")

    client.get("/api/a%0Ab/?secret=1", headers=header(created))

    [record] = caplog.records
    assert "\n" not in record.getMessage()
    assert json.loads(record.getMessage()) == {
        "key_id": created.api_key.pk,
        "view": f"{__name__}.echo",
        "method": "GET",
        "path": "/api/a\nb/",
        "account": str(owner.pk),
        "org": "acme",
    }
    lines = files_of(HOWTO)["mysite/receivers.py"].splitlines()
    assert len([line for line in lines if line and "import" not in line]) <= 10


@authorized
def echo(request, **arguments):
    return HttpResponse(request.account.id)


@authorized
def failing(request):
    raise LookupError


@authorized
def careless(request):
    headers = request.headers
    raise LookupError(len(headers))


@pytest.mark.parametrize("debug", [True, False])
def test_error_pages_show_stars_for_the_header_but_local_variables(
    site, owner, settings, debug
):
    settings.DEBUG = debug
    text = key_of(owner).text
    client = Client(raise_request_exception=False)
    shown = [
        page_of_error(site, client, view, {"authorization": f"Bearer {text}"})
        for view in (failing, careless)
    ]

    assert [text in page for page in shown] == [False, True]
    assert "HTTP_AUTHORIZATION" in shown[0]


def page_of_error(site, client, view, headers) -> str:
    """Return what Django would show or mail of a view that fails."""
    route(site, "failing/", view)
    pages: list[str] = []

    def report(sender, request, **kwargs):
        reporter = get_exception_reporter_class(request)(request, *sys.exc_info())
        pages.append(reporter.get_traceback_html())

    got_request_exception.connect(report)
    client.get("/failing/", headers=headers)
    got_request_exception.disconnect(report)
    [page] = pages
    return page


def test_a_cached_page_tells_keys_apart_and_outlives_them(site, owner, client):
    route(site, "cached/", cache_page(60)(echo))
    first, second = key_of(owner), key_of(User.objects.create(username="bob"))

    pages = [client.get("/cached/", headers=header(key)) for key in (first, second)]
    first.api_key.revoke()

    assert pages[0].content != pages[1].content
    assert client.get("/cached/", headers=header(first)).content == pages[0].content


# The format


def pattern(page: str) -> str:
    [found] = re.findall(r"^(\S+\[0-9A-Za-z\]\{49\})$", PAGES[page], re.MULTILINE)
    return found


@pytest.mark.parametrize("page", [HOWTO, REFERENCE])
def test_the_pattern_on_the_page_finds_keys(page):
    for env in ("live", "t", "a123456789012345"):
        text = tokens.mint("dss", env).text
        assert re.fullmatch(pattern(page), text)
        assert not re.fullmatch(pattern(page), text[:-1])


def test_the_scanner_on_the_page_finds_keys_and_nothing_else():
    namespace: dict = {}
    exec(files_of(HOWTO)["find_keys.py"], namespace)
    keys = [tokens.mint("dss", "live").text for _ in range(100)]
    others = [key[:-1] + ("B" if key[-1] == "A" else "A") for key in keys]

    assert namespace["keys_in"](f"x = '{keys} {others}'") == keys
    assert namespace["PATTERN"].pattern == pattern(HOWTO)


# The tables of the reference


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table that begins so."""
    table = PAGES[page].partition(heading)[2].partition("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in table.splitlines()[2:]
    ]


def names(page: str, heading: str) -> set[str]:
    cells = [cell for row in rows(page, heading) for cell in row[:2]]
    return set(re.findall(r"`(\w+)[`(]", " ".join(cells)))


def test_every_field_is_in_the_reference():
    fields = {field.name for field in ApiKey._meta.get_fields()}

    first = {cell for row in rows(REFERENCE, "| field |") for cell in row[:1]}
    assert set(re.findall(r"`(\w+)`", " ".join(first))) == fields - {"predecessor"}


@pytest.mark.parametrize(
    ("owner_of", "beyond", "heading"),
    [
        (ApiKey, models.Model, "| member | twin | |"),
        (ApiKeyManager, models.Manager, "| method | twin | |"),
        (ApiKeyQuerySet, models.QuerySet, "| method | twin | |"),
    ],
)
def test_every_member_is_in_the_reference(owner_of, beyond, heading):
    own = {
        name
        for name, value in vars(owner_of).items()
        if name[0] != "_"
        and not hasattr(beyond, name)
        and (callable(value) or isinstance(value, property))
    }
    own -= {"DoesNotExist", "MultipleObjectsReturned", "NotUpdated"}

    assert own
    assert own <= names(REFERENCE, heading)


def test_the_states_on_the_page_are_those_of_the_command():
    shown = names("docs/reference/commands.md", "| `STATE` | the key |")

    assert shown == set(STATES)


REASONS = rows(REFERENCE, "| `reason` | the key |")


def test_every_reason_has_a_row():
    assert {row[0].strip("`") for row in REASONS} == set(get_args(KeyRejection))


def changed(text: str, at: int) -> str:
    other = "A" if text[at] != "A" else "B"
    body = text[:at] + other + text[at + 1 : -tokens.CHECK_LENGTH]
    return body + tokens._check(body)


#: What is done so that a key is refused for a reason; it returns what is sent.
MISHAPS = {
    "malformed": lambda created: created.text[:-1],
    "unknown": lambda created: changed(created.text, -9),
    "revoked": lambda created: created.api_key.revoke() or created.text,
    "expired": lambda created: (
        ApiKey.objects.update(expires=created.api_key.created) and created.text
    ),
    "no_account": lambda created: User.objects.update(is_active=False) and created.text,
    "no_org": lambda created: User.objects.update(last_name="") and created.text,
    "insufficient_scope": lambda created: created.text,
}


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row[0])
def test_a_refused_key_is_reported_as_the_table_says(site, owner, client, caplog, row):
    reason, _, key_id, level = (cell.strip("`") for cell in row)
    caplog.set_level(logging.INFO, "django_secure_session")
    created = key_of(owner, "other", org_id="acme")
    text = MISHAPS[reason](created)
    told_of: list[dict] = []

    @receiver(api_key_rejected)
    def note(sender, signal, **arguments):
        told_of.append({"sender": sender, **arguments})

    client.get("/api/invoices/?a=b", headers={"authorization": f"Bearer {text}"})

    assert told_of == [
        {
            "sender": ApiKey,
            "reason": reason,
            "key_id": "" if reason == "malformed" else created.api_key.pk,
            "view": "mysite.views.invoices",
            "method": "GET",
            "path": "/api/invoices/",
        }
    ]
    assert (key_id == '""') == (reason == "malformed")
    ours = [r for r in caplog.records if r.name == "django_secure_session"]
    assert [record.levelname for record in ours] == [level]


def test_the_arguments_of_the_signals_are_those_of_the_table(site, owner, client):
    used: list[set[str]] = []

    @receiver(api_key_used)
    def note(sender, signal, **arguments):
        used.append(set(arguments))

    created = key_of(owner, "invoices:read")
    client.get("/api/invoices/", headers=header(created))

    for page in (REFERENCE, "docs/reference/errors-and-signals.md"):
        table = rows(page, "| signal | sent when | arguments |")
        [cells] = [row for row in table if row[0] == "`api_key_used`"]
        assert [set(re.findall(r"`(\w+)`", cells[2]))] == used


RESPONSES = rows(REFERENCE, "| request | status |")
SENT = {
    "without a key": None,
    "another scheme, such as `Basic`": "Basic YTpi",
    "`Bearer` alone, or with only a space": "Bearer ",
    "`Bearer` with what is no key, or none that is good": "Bearer none",
    "a good key without the scopes `a:read`, `a:write`": "",
}


@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row[0])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_the_response_is_that_of_the_table(site, owner, client, row, accept):
    request, status, code, challenge = row
    guarded = authorized(scopes=["a:read", "a:write"])(lambda request: None)
    route(site, "here/", guarded)
    sent = SENT[request]
    if sent == "":
        sent = header(key_of(owner, "a:read"))["authorization"]
    headers = {"accept": accept} | ({} if sent is None else {"authorization": sent})

    response = client.get("/here/", headers=headers)

    assert told(response) == f"{status} with {challenge.strip('`')}"
    assert response.json()["code"] == code.strip("`")


def test_all_rows_of_the_responses_are_tried():
    assert [row[0] for row in RESPONSES] == list(SENT)


def test_a_request_asks_what_the_table_says(
    site, owner, client, django_assert_num_queries
):
    mine, ours = key_of(owner), key_of(owner, org_id="acme")
    ended = key_of(owner)
    ended.api_key.revoke()
    route(site, "here/", echo)
    texts = [
        ("", 0),
        ("junk", 0),
        (mine.text[:-1], 0),
        (f"{mine.text[:-1]}{'A' if mine.text[-1] != 'A' else 'B'}", 0),
        (changed(mine.text, -9), 1),
        (changed(mine.text, 10), 1),
        (ended.text, 1),
        (mine.text, 3),  # and last_used_at
        (mine.text, 2),
        (ours.text, 4),
        (ours.text, 3),
    ]

    for text, number in texts:
        with django_assert_num_queries(number):
            client.get("/here/", headers={"authorization": f"Bearer {text}"})


def test_a_token_of_a_keys_session_has_its_account_and_no_scopes(site, owner, client):
    terms = {"purpose": "socket", "max_age": 60}

    @authorized
    def hand_out(request):
        return HttpResponse(encode_session(request.session, **terms))

    route(site, "here/", hand_out)
    token = client.get("/here/", headers=header(key_of(owner, "a"))).content.decode()

    claims = decode_session(token, purpose="socket").claims
    assert parse(claims).account.id == str(owner.pk)
    assert b"scope" not in claims


def test_no_cookie_is_made_of_a_keys_session(site, owner, client):
    @authorized
    def hand_out(request):
        with pytest.raises(SessionReadOnly):
            encode_session(request.session)
        return HttpResponse()

    route(site, "here/", hand_out)

    assert client.get("/here/", headers=header(key_of(owner))).status_code == 200


def test_the_detail_without_a_key_is_that_of_the_page(site, client):
    shown = " ".join(PAGES[REFERENCE].split())

    assert client.get("/api/invoices/").json()["detail"] in shown


def test_a_header_that_is_no_key_of_the_site_is_ignored_beside_sessions(site):
    route(site, "here/", any_of(authenticated, authorized)(lambda r: HttpResponse()))
    client = logged_in()

    statuses = [
        client.get("/here/", headers={"authorization": text}).status_code
        for text in ("Basic YTpi", "Bearer other", "Bearer dss_other", "bearer DSS_x")
    ]

    assert statuses == [200, 200, 401, 401]
