"""API keys in Django's admin: shown once, listed, rotated, revoked, never changed."""

from __future__ import annotations

import io
import logging
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.http import HttpResponse
from django.template import TemplateDoesNotExist
from django.test import Client, RequestFactory
from django.utils import timezone

from django_secure_session.api_keys import admin as key_admin
from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.authentication import Verifier
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.states import SOON, STATES, is_in, state_of
from django_secure_session.identity import Identity
from tests.accounts_site import People, provider_path

pytestmark = pytest.mark.django_db

LIST = "/admin/secure_session_api_keys/apikey/"
ADD = f"{LIST}add/"
KEY = re.compile(r"dss_[a-z0-9]+_\w{12}_\w{49}")
FORM = {
    "name": "Nightly export",
    "account_id": "ada",
    "org_id": "acme",
    "scopes": " invoices:read  invoices:write invoices:read",
    "lifetime": "365",
    "env": "live",
}


@pytest.fixture(autouse=True)
def _people(settings):
    People.reset()
    own = {"ACCOUNT_PROVIDER": provider_path(People)}
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, **own}


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def staff():
    """Return a function that logs one in who may only do this with keys."""

    def who_may(*actions: str) -> Client:
        user = User.objects.create_user("staff", is_staff=True)
        names = [f"{action}_apikey" for action in actions]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        return client

    return who_may


@pytest.fixture
def key() -> ApiKey:
    made = {"name": "Old", "account_id": "ada", "org_id": "acme", "scopes": ["a", "b"]}
    return ApiKey.objects.create_key(**made).api_key


def text_of(response: HttpResponse) -> str:
    """Return the key that a page shows."""
    assert response.status_code == 200, response
    found = set(KEY.findall(response.content.decode()))
    assert len(found) == 1, response.content.decode()
    return found.pop()


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response
    return response.content.decode()


def errors(client: Client, **changes: str) -> dict[str, list[str]]:
    """Return what the form says of a key that is not made."""
    response = client.post(ADD, {**FORM, **changes})
    assert not ApiKey.objects.exists()
    return dict(response.context["adminform"].form.errors)


# The new key


def test_a_new_key_is_shown_by_the_answer_itself(root):
    response = root.post(ADD, FORM)
    text = text_of(response)
    key = ApiKey.objects.get()

    assert tokens.parse(text, "dss") == (key.pk, key.digest)
    assert f'"Authorization: Bearer {text}" \\\n  http://testserver/<' in (
        response.content.decode()
    )


def test_a_key_from_the_form_speaks_for_its_owner(root):
    text = text_of(root.post(ADD, FORM))
    request = RequestFactory().get("/", headers={"Authorization": f"Bearer {text}"})
    found = Verifier().verify(request)

    assert isinstance(found, Identity)
    assert (found.account.id, found.org.id) == ("ada", "acme")
    assert found.scopes == {"invoices:read", "invoices:write"}


def test_a_key_is_as_the_form_has_it(root):
    root.post(ADD, {**FORM, "env": "test", "lifetime": "30"})
    key = ApiKey.objects.get()

    assert (key.name, key.env) == ("Nightly export", "test")
    assert key.scopes == ["invoices:read", "invoices:write"]
    assert key.expires - key.created == timedelta(days=30)


def test_a_key_may_be_for_ever_and_for_no_organisation(root):
    root.post(ADD, {**FORM, "lifetime": "never", "org_id": "", "scopes": ""})
    key = ApiKey.objects.get()

    assert (key.expires, key.org_id, key.scopes) == (None, "", [])


def test_a_key_is_good_for_a_year_unless_something_else_is_chosen(root):
    assert '<option value="365" selected>' in page(root, ADD)


def test_nothing_keeps_the_page_with_the_key(root):
    response = root.post(ADD, FORM)

    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


def test_the_key_is_on_no_page_but_the_one(root):
    text = text_of(root.post(ADD, FORM))
    key = ApiKey.objects.get()
    own = f"{LIST}{key.pk}/"
    paths = ["/admin/", LIST, ADD, f"{LIST}?q={key.pk}", *(own + p for p in PAGES)]
    shown = "".join(page(root, path) for path in paths)

    assert key.pk in shown
    assert text[-49:] not in shown
    assert key.digest not in shown


PAGES = ["change/", "history/", "delete/"]


def test_the_key_is_in_no_table_session_message_or_log(root, caplog):
    with caplog.at_level(logging.DEBUG):
        secret = text_of(root.post(ADD, FORM))[-49:]
    fixture = io.StringIO()
    call_command("dumpdata", stdout=fixture)

    assert ApiKey.objects.get().pk in fixture.getvalue()
    assert LogEntry.objects.get().object_id == ApiKey.objects.get().pk
    assert secret not in fixture.getvalue()
    assert secret not in str(dict(root.session.items()))
    assert secret not in str(root.cookies)
    assert secret not in caplog.text


def test_a_key_that_can_not_be_shown_is_not_made(root, monkeypatch):
    monkeypatch.setattr(key_admin, "TEMPLATE", "no/such/page.html")
    with pytest.raises(TemplateDoesNotExist):
        root.post(ADD, FORM)

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("method", ["has_view_permission", "log_addition"])
def test_an_error_page_shows_no_key(root, settings, monkeypatch, method):
    minted = []
    mint = tokens.mint

    def noted(*args):
        minted.append(mint(*args))
        return minted[-1]

    def fail(*args):
        if minted:
            raise RuntimeError("it failed late")
        return True

    settings.DEBUG = True
    root.raise_request_exception = False
    monkeypatch.setattr(tokens, "mint", noted)
    monkeypatch.setattr(key_admin.ApiKeyAdmin, method, fail)
    response = root.post(ADD, FORM)
    text = response.content.decode()

    assert response.status_code == 500
    assert "it failed late" in text
    assert minted[0].key_id in text
    assert minted[0].text[-49:] not in text


def test_a_provider_that_fails_makes_no_key(root, settings):
    settings.DEBUG = True
    root.raise_request_exception = False
    People.error = RuntimeError("the provider failed")
    response = root.post(ADD, FORM)

    assert response.status_code == 500
    assert "the provider failed" in response.content.decode()
    assert not ApiKey.objects.exists()


# What the form refuses


def test_an_account_that_the_provider_does_not_know_is_refused(root):
    assert "knows no account" in errors(root, account_id="eve")["account_id"][0]


def test_an_organisation_that_the_account_is_no_member_of_is_refused(root):
    assert "no member" in errors(root, org_id="evil")["org_id"][0]


WRONG = {
    "account_id": ["", "ada\u202e", "a" * 256],
    "env": ["", "Live", "live_x", "9"],
    "lifetime": ["", "5", "-1"],
    "name": ["", " ", "a\x1b[31m", "n" * 101],
    "org_id": ["acme\u200b", "a" * 256],
    "scopes": ['invoices"', "invoices:\u0440ead", "a\\b"],
}


def test_what_no_key_can_be_of_is_refused_before_the_provider_is_asked(root):
    People.asked.clear()
    for field, values in WRONG.items():
        for value in values:
            assert list(errors(root, **{field: value})) == [field], value

    assert People.asked == []


# Old keys


def test_the_list_tells_owner_scopes_and_state(root, key):
    shown = re.sub(r"<[^>]+>", " ", page(root, LIST))

    for text in (key.pk, "Old", "ada", "acme", "a b", "active"):
        assert text in shown


def test_no_digest_is_read_for_a_page(root, key, django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as seen:
        page(root, LIST)
        page(root, f"{LIST}{key.pk}/change/")

    asked = [query["sql"] for query in seen.captured_queries]
    assert any("last_used_at" in sql for sql in asked)
    assert not any("digest" in sql for sql in asked)


@pytest.mark.parametrize("term", ["Old", "ada", "acme"])
def test_keys_are_found_by_name_account_and_organisation(root, key, term):
    assert key.pk in page(root, f"{LIST}?q={term}")
    assert key.pk not in page(root, f"{LIST}?q=no{term}")


def test_organisations_are_a_filter_while_they_are_few(root, key):
    few = page(root, LIST)
    for number in range(key_admin.FEW):
        ApiKey.objects.create_key(name="n", account_id="ada", org_id=f"org{number}")

    assert "?org_id=acme" in few
    assert "?org_id=acme" not in page(root, LIST)


def keys_in_every_state(now) -> dict[str, set[str]]:
    """Make keys of every end, revoked or not, with a successor or not; by state."""
    heir = ApiKey.objects.create_key(name="heir", account_id="ada", lifetime=None)
    ends = [None, -1, 0, 1, SOON.total_seconds() - 1, SOON.total_seconds()]
    found: dict[str, set[str]] = {"active": {heir.api_key.pk}}
    for end in ends:
        for revoked_at in (None, now):
            for has_heir in (False, True):
                key = ApiKey.objects.create_key(name="k", account_id="ada").api_key
                key.expires = None if end is None else now + timedelta(seconds=end)
                key.revoked_at = revoked_at
                if has_heir:
                    key.successor = ApiKey.objects.create_key(
                        name="s", account_id="ada", lifetime=None
                    ).api_key
                    found["active"].add(key.successor_id)
                key.save()
                found.setdefault(state_of(key, now), set()).add(key.pk)
    return found


def test_a_query_and_a_row_agree_about_the_state(clock):
    now = timezone.now()
    by_row = keys_in_every_state(now)
    queries = {s: ApiKey.objects.filter(is_in(s, now)) for s in STATES}

    assert {s: {k.pk for k in found} for s, found in queries.items()} == by_row


def test_the_states_are_told_apart(clock, key):
    seen = [state_of(key, timezone.now())]
    clock.tick(days=365 - 13)
    seen.append(state_of(key, timezone.now()))
    key.rotate()
    seen.append(state_of(key, timezone.now()))
    clock.tick(days=7)
    seen.append(state_of(key, timezone.now()))
    key.revoke()
    seen.append(state_of(key, timezone.now()))

    assert seen == ["active", "expiring", "rotated", "expired", "revoked"]


def test_the_state_is_a_filter(root, key):
    other = ApiKey.objects.create_key(name="Gone", account_id="ada").api_key
    other.revoke()

    assert key.pk not in page(root, f"{LIST}?state=revoked")
    assert other.pk in page(root, f"{LIST}?state=revoked")
    assert other.pk in page(root, f"{LIST}?state=nonsense")


def test_an_old_key_can_not_be_changed(root, key):
    key.revoke()
    root.post(f"{LIST}{key.pk}/change/", {**FORM, "revoked_at_0": "", "_save": "1"})
    fields = [field.attname for field in ApiKey._meta.fields]
    now = ApiKey.objects.get()

    assert [getattr(now, name) for name in fields] == [
        getattr(key, name) for name in fields
    ]
    assert 'name="_save"' not in page(root, f"{LIST}{key.pk}/change/")


def test_a_stale_page_does_not_bring_a_revoked_key_back(root, key, monkeypatch):
    """Saving writes nothing, or a row that was read before would undo a revocation."""
    read = key_admin.ApiKeyAdmin.get_object

    def then_revoked(self, *args):
        found = read(self, *args)
        ApiKey.objects.all().revoke()
        return found

    monkeypatch.setattr(key_admin.ApiKeyAdmin, "get_object", then_revoked)
    root.post(f"{LIST}{key.pk}/change/", {"_save": "1"})

    assert not ApiKey.objects.get().is_usable


# Revoking


def revoke(client: Client, *keys: ApiKey) -> HttpResponse:
    selected = [key.pk for key in keys]
    return client.post(LIST, {"action": "revoke", "_selected_action": selected})


def test_selected_keys_are_revoked(root, key):
    other = ApiKey.objects.create_key(name="Other", account_id="ada").api_key
    left = ApiKey.objects.create_key(name="Left", account_id="ada").api_key
    response = revoke(root, key, other)

    assert "2 API keys were revoked." in page(root, response.url)
    assert list(ApiKey.objects.usable()) == [left]


def test_a_revocation_is_in_the_history_of_the_key_once(root, key):
    revoke(root, key)
    revoke(root, key)

    assert [e.get_change_message() for e in LogEntry.objects.all()] == ["Revoked."]
    assert "Revoked." in page(root, f"{LIST}{key.pk}/history/")


def test_the_page_of_a_key_has_a_button_that_revokes_it(root, key):
    before = page(root, f"{LIST}{key.pk}/change/")
    revoke(root, key)

    for text in (f'action="{LIST}"', 'value="revoke"', f'value="{key.pk}"'):
        assert text in before
    assert 'value="revoke"' not in page(root, f"{LIST}{key.pk}/change/")


# Rotating


def rotate(client: Client, key: ApiKey, days: str = "7") -> HttpResponse:
    return client.post(f"{LIST}{key.pk}/rotate/", {"days": days})


def test_a_rotation_shows_the_successor_once(root, key):
    response = rotate(root, key, "3")
    text = text_of(response)
    key.refresh_from_db()

    assert tokens.parse(text, "dss") == (key.successor.pk, key.successor.digest)
    assert timedelta(days=2) < key.expires - timezone.now() <= timedelta(days=3)
    assert "no-store" in response["Cache-Control"]


def test_a_rotation_is_in_the_history_of_both_keys(root, key):
    secret = text_of(rotate(root, key))[-49:]
    key.refresh_from_db()
    history = {e.object_id: e.get_change_message() for e in LogEntry.objects.all()}

    assert key.successor_id in history[key.pk]
    assert key.pk in history[key.successor_id]
    assert secret not in str(history)


def test_a_key_is_rotated_once(root, key):
    rotate(root, key)
    response = rotate(root, key)

    assert "has the successor" in page(root, response.url)
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("days", ["", "-1", "366", "x"])
def test_the_days_of_a_rotation_are_a_number(root, key, days):
    response = rotate(root, key, days)

    assert "a number from 0 to 365" in page(root, response.url)
    assert ApiKey.objects.count() == 1


def test_only_a_post_rotates(root, key):
    assert root.get(f"{LIST}{key.pk}/rotate/").status_code == 405
    assert root.post(f"{LIST}nothing/rotate/").status_code == 404


def test_a_successor_that_can_not_be_shown_is_not_made(root, key, monkeypatch):
    monkeypatch.setattr(key_admin, "TEMPLATE", "no/such/page.html")
    with pytest.raises(TemplateDoesNotExist):
        rotate(root, key)

    assert ApiKey.objects.get().expires == key.expires


def test_a_rotated_key_is_offered_no_rotation(root, key):
    url = f"{LIST}{key.pk}/rotate/"
    before = page(root, f"{LIST}{key.pk}/change/")
    key.rotate()

    assert url in before
    assert url not in page(root, f"{LIST}{key.pk}/change/")


def test_rotating_needs_a_token_against_forgery(root, key):
    root.handler.enforce_csrf_checks = True

    assert rotate(root, key).status_code == 403
    assert ApiKey.objects.count() == 1


# Permissions


def test_who_may_only_view_keys_can_do_nothing_with_them(staff, key):
    client = staff("view")
    shown = page(client, f"{LIST}{key.pk}/change/")

    assert "rotate/" not in shown
    assert 'value="revoke"' not in shown
    assert rotate(client, key).status_code == 403
    assert client.post(ADD, FORM).status_code == 403
    revoke(client, key)
    assert list(ApiKey.objects.usable()) == [key]


def test_who_may_only_add_keys_sees_the_new_one(staff):
    response = staff("add").post(ADD, FORM)

    assert text_of(response)
    assert f"{ApiKey.objects.get().pk}/change/" not in response.content.decode()


@pytest.mark.parametrize("action", ["add", "change"])
def test_rotating_takes_the_right_to_add_and_to_change(staff, key, action):
    assert rotate(staff(action), key).status_code == 403


def test_who_may_change_keys_can_revoke_them(staff, key):
    client = staff("change")
    revoke(client, key)

    assert not ApiKey.objects.usable().exists()


def test_whoever_is_no_staff_gets_no_page(client, key):
    for path in (LIST, ADD, f"{LIST}{key.pk}/change/"):
        assert client.get(path).status_code == 302
    assert rotate(client, key).status_code == 302
    assert ApiKey.objects.count() == 1


def test_deleting_is_as_djangos(root, key):
    root.post(f"{LIST}{key.pk}/delete/", {"post": "yes"})

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("lookup", ["digest", "digest__startswith"])
def test_no_list_tells_a_digest(root, key, lookup):
    response = root.get(LIST, {lookup: key.digest[:1]})
    assert response.status_code == 400
