"""createapikey, revokeapikey and listapikeys."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.models import ApiKey
from tests.accounts_site import People, provider_path

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _people(settings):
    People.reset()
    own = {"ACCOUNT_PROVIDER": provider_path(People)}
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, **own}


def run(*arguments: str) -> tuple[str, str]:
    """Return what a command prints, and what it notes."""
    out, notes = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=notes)
    return out.getvalue(), notes.getvalue()


def create(*more: str, name: str = "Export", account: str = "ada") -> tuple[str, str]:
    return run("createapikey", f"--name={name}", f"--account={account}", *more)


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


def refused(*more: str, **options: str) -> str:
    with pytest.raises(CommandError) as caught:
        create(*more, **options)
    assert not ApiKey.objects.exists()
    return str(caught.value)


def made(**options) -> ApiKey:
    return ApiKey.objects.create_key(
        **{"name": "Export", "account_id": "ada", **options}
    ).api_key


# createapikey


def test_the_key_and_nothing_else_is_printed():
    out, notes = create()
    key = ApiKey.objects.get()

    assert tokens.parse(out.removesuffix("\n"), "dss") == (key.pk, key.digest)
    assert out.endswith("\n")
    assert key.pk in notes
    assert out.strip()[-49:] not in notes
    assert key.digest not in notes


@pytest.mark.parametrize(
    ("given", "told"),
    [([], "with no scopes"), (["a,b"], "the scopes a,b "), (["b", "a"], "scopes b a ")],
)
def test_the_note_tells_the_scopes_since_a_comma_makes_no_two(given, told):
    _, notes = create(*(["--scope", *given] if given else []))
    assert told in notes


def test_the_key_is_as_the_options_have_it():
    scopes = ("--scope", "a", "b", "--scope", "c")
    create("--org=acme", *scopes, "--days=30", "--env=test")
    key = ApiKey.objects.get()

    assert (key.name, key.account_id, key.org_id) == ("Export", "ada", "acme")
    assert (key.scopes, key.env) == (["a", "b", "c"], "test")
    assert key.expires - key.created == timedelta(days=30)


def test_without_options_a_key_is_good_for_a_year_and_may_do_nothing():
    _, notes = create()
    key = ApiKey.objects.get()

    assert key.expires - key.created == timedelta(days=365)
    assert (key.org_id, key.scopes, key.env) == ("", [], "live")
    assert f"until {key.expires:%Y-%m-%d}" in notes


def test_a_key_may_never_expire():
    _, notes = create("--never")

    assert ApiKey.objects.get().expires is None
    assert "until it is revoked" in notes


def test_an_account_that_the_provider_does_not_know_is_refused():
    assert "knows no account 'eve'" in refused(account="eve")
    assert "knows no account 'eve'" in refused("--org=acme", account="eve")


def test_an_organisation_that_the_account_is_no_member_of_is_refused():
    assert "no member of 'evil'" in refused("--org=evil")


def test_no_provider_is_asked_for_a_role_where_there_is_no_membership():
    refused("--org=evil")

    assert People.asked[-1] == ("get_account", "ada", None)


def test_a_django_user_is_known_by_the_primary_key(settings):
    keys = {"KEY": settings.SECURE_SESSION["KEY"]}
    settings.SECURE_SESSION = keys
    user = User.objects.create_user("ada")
    create(account=str(user.pk))

    assert ApiKey.objects.get().account_id == str(user.pk)


def test_another_spelling_of_an_id_is_refused_with_the_right_one(settings):
    """A key would be compared with the provider's own, and be good for nobody."""
    settings.SECURE_SESSION = {"KEY": settings.SECURE_SESSION["KEY"]}
    user = User.objects.create_user("ada")

    assert f"has '{user.pk}' for the id" in refused(account=f"0{user.pk}")


def test_another_spelling_of_an_organisation_is_refused(monkeypatch):
    get_org = People.get_org
    monkeypatch.setattr(People, "get_org", lambda s, a, o: get_org(s, a, o.lower()))

    assert "has 'acme' for the id" in refused("--org=ACME")


@pytest.mark.parametrize(
    "error", [OperationalError("down"), NotImplementedError("no get_account()")]
)
def test_a_provider_that_can_not_answer_makes_no_key(error):
    People.error = error

    assert refused().startswith("No key was made. ")


def test_a_provider_that_fails_is_heard():
    People.error = RuntimeError("its own fault")
    with pytest.raises(RuntimeError, match="its own fault"):
        create()

    assert not ApiKey.objects.exists()


def test_a_provider_that_does_not_exist_makes_no_key(settings):
    own = {"ACCOUNT_PROVIDER": "nowhere.Provider"}
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, **own}

    assert "nowhere.Provider" in refused()


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--scope=a b", "scope"),
        ("--scope=", "scope"),
        ("--org=", "--org"),
        ("--org=acme\udcff", "--org"),
        ("--account=", "--account"),
        ("--name= ", "--name"),
        ("--name=a\x1b[2K", "--name"),
        ("--env=Live", "env"),
        ("--days=0", "--days"),
        ("--days=-1", "--days"),
        ("--days=36526", "--days"),
        ("--days=²", "--days"),
        ("--days=x", "--days"),
        ("--days=1_0", "--days"),
    ],
)
def test_what_no_key_can_be_of_is_refused(option, word):
    assert word in refused(option)


def test_either_days_or_never():
    assert "not allowed with" in refused("--days=1", "--never")


def test_a_key_that_can_not_be_printed_is_not_made():
    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    arguments = ["createapikey", "--name=Export", "--account=ada"]
    with pytest.raises(CommandError, match="No space left"):
        call_command(*arguments, stdout=Full())

    assert not ApiKey.objects.exists()


# revokeapikey


def test_keys_are_revoked_by_their_ids():
    first, second, left = made(), made(), made()
    out, _ = run("revokeapikey", first.pk, second.pk)

    assert list(ApiKey.objects.usable()) == [left]
    assert sorted(out.splitlines()) == sorted(
        f"Revoked: Export ({key.pk})" for key in (first, second)
    )


def test_with_an_unknown_id_nothing_is_revoked():
    key = made()

    assert "'nobody'" in refusal("revokeapikey", key.pk, "nobody")
    assert key.pk in {key.pk for key in ApiKey.objects.usable()}


def test_a_key_that_was_revoked_stays_so():
    key = made()
    key.revoke()
    out, _ = run("revokeapikey", key.pk)

    assert out == f"Revoked already: Export ({key.pk})\n"
    assert ApiKey.objects.get().revoked_at == key.revoked_at


def test_a_whole_key_revokes_itself_and_is_not_printed():
    created = ApiKey.objects.create_key(name="Found", account_id="ada")
    out, notes = run("revokeapikey", created.text)

    assert not ApiKey.objects.get().is_usable
    assert created.text[-49:] not in out + notes


def test_a_key_with_a_slip_in_it_is_not_printed():
    text = ApiKey.objects.create_key(name="Found", account_id="ada").text

    for slip in (text[:-1], text[20:], f"{text[:-1]}!"):
        assert slip[-20:] not in refusal("revokeapikey", slip)


def test_all_the_keys_of_an_account_are_revoked():
    made()
    made().revoke()
    left = made(account_id="bob")
    out, _ = run("revokeapikey", "--account=ada")

    assert list(ApiKey.objects.usable()) == [left]
    assert len(out.splitlines()) == 2


def test_an_account_without_keys_may_be_a_slip():
    assert "'eve' has no API keys" in refusal("revokeapikey", "--account=eve")


def test_either_ids_or_an_account():
    key = made()

    assert "or --account" in refusal("revokeapikey")
    assert "or --account" in refusal("revokeapikey", key.pk, "--account=ada")
    assert ApiKey.objects.get().is_usable


# listapikeys


def table(*arguments: str) -> list[list[str]]:
    """Return the cells of what is printed, without the header."""
    out, _ = run("listapikeys", *arguments)
    return [re.split("  +", line) for line in out.splitlines()[1:]]


def test_a_key_has_a_line(settings):
    settings.USE_TZ = True
    key = made(org_id="acme", scopes=["b", "a"])
    ApiKey.objects.note_use(key.pk, timezone.now())
    key.refresh_from_db()
    times = [
        when.isoformat(" ", "minutes")
        for when in (key.created, key.expires, key.last_used_at)
    ]

    assert table() == [[key.pk, "Export", "ada", "acme", "a b", "active", *times]]


def test_what_a_key_has_not_is_a_dash():
    key = made(lifetime=None)
    row = table()[0]

    assert row[:6] == [key.pk, "Export", "ada", "-", "-", "active"]
    assert row[7:] == ["-", "-"]


def test_the_table_has_a_header_where_there_are_no_keys():
    assert run("listapikeys")[0].split()[:3] == ["ID", "NAME", "ACCOUNT"]


def test_keys_that_have_ended_are_listed_on_demand():
    good, revoked = made(), made()
    revoked.revoke()
    expired = made()
    ApiKey.objects.filter(pk=expired.pk).update(expires=timezone.now())
    states = {row[0]: row[5] for row in table("--all")}

    assert [row[0] for row in table()] == [good.pk]
    assert states == {good.pk: "active", revoked.pk: "revoked", expired.pk: "expired"}


def test_keys_are_listed_by_account_and_organisation():
    first = made(org_id="acme")
    second = made(org_id="post")
    made(account_id="bob", org_id="post")

    assert {row[0] for row in table("--account=ada")} == {first.pk, second.pk}
    assert [row[0] for row in table("--account=ada", "--org=post")] == [second.pk]
    assert table("--org=evil") == []


def test_neither_a_key_nor_a_digest_is_listed():
    created = ApiKey.objects.create_key(name="Export", account_id="ada")
    out = "".join(run("listapikeys", "--all"))

    assert created.api_key.pk in out
    assert created.text[-49:] not in out
    assert created.api_key.digest not in out


def test_no_name_moves_the_cursor_of_a_terminal():
    key = made()
    ApiKey.objects.update(name="a\x1b[2K\nb", account_id="ada\r")
    out = run("listapikeys")[0] + run("revokeapikey", key.pk)[0]

    assert r"'a\x1b[2K\nb'" in out
    assert re.search(r"[\x1b\r]", out) is None
