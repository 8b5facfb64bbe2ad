"""revokesessions and prunesessions."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.registry import many, revoke, revoke_account
from django_secure_session.registry.models import AccountState, Adoption, SessionRecord
from tests.registry.site import no_database
from tests.registry.test_admin import made, states

pytestmark = pytest.mark.django_db

DUMMY = "django.core.cache.backends.dummy.DummyCache"


def run(*arguments: str) -> tuple[str, str]:
    """Return what a command prints, and what it notes."""
    out, notes = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=notes)
    return out.getvalue(), notes.getvalue()


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


def ended() -> set[str]:
    return {pk for pk, state in states().items() if state == "ended"}


@pytest.fixture
def visitor() -> Client:
    """Return somebody who is logged in, whose next request makes no query."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/admin/").status_code == 200
    return client


def answers(monkeypatch, *answers: str) -> list[str]:
    """Have a person at the terminal, or nobody; return what is asked."""
    asked, left = [], list(answers)

    def answer(question):
        asked.append(question)
        if not left:
            raise EOFError
        return left.pop()

    monkeypatch.setattr("builtins.input", answer)
    return asked


# revokesessions HANDLE


def test_named_sessions_are_ended():
    first, second, left = made(), made("bob"), made()
    out, _ = run("revokesessions", first.pk, second.pk, first.pk)

    assert ended() == {first.pk, second.pk}
    assert states()[left.pk] == "active"
    assert set(out.splitlines()) == {
        f"Ended: {first.pk} of the account 'ada'",
        f"Ended: {second.pk} of the account 'bob'",
    }


def test_the_cookie_of_an_ended_session_is_refused_at_once(visitor):
    run("revokesessions", SessionRecord.objects.get().pk)

    assert visitor.get("/admin/").status_code == 302


def test_what_has_ended_before_is_named_as_such():
    one, other = made(), made("bob")
    revoke(one.pk)
    revoke_account("bob")
    out, _ = run("revokesessions", one.pk, other.pk)

    assert out.count("Ended already: ") == 2


def test_with_an_unknown_handle_nothing_is_ended():
    row = made()
    told = refusal("revokesessions", row.pk, "0" * 20, "A" * 20, "nobody")

    assert f"with the handle '{'0' * 20}', '{'A' * 20}', 'nobody'. The admin" in told
    assert ended() == set()


def test_a_cookie_in_the_place_of_a_handle_is_not_printed(visitor):
    cookie = visitor.cookies["sessionid"].value

    assert cookie[:30] not in refusal("revokesessions", cookie)


def test_no_account_moves_the_cursor_of_a_terminal():
    row = made("a\x1b[2K\nb")

    assert r"'a\x1b[2K\nb'" in run("revokesessions", row.pk)[0]


def test_handles_or_an_account_or_all():
    row = made()
    for arguments in (
        [],
        ["--yes"],
        [row.pk, "--account=ada"],
        [row.pk, "--all"],
        ["--account=ada", "--all", "--yes"],
    ):
        assert "or --all" in refusal("revokesessions", *arguments)

    assert ended() == set()


# revokesessions --account


def test_all_sessions_of_an_account_are_ended():
    rows, left = {made().pk, made().pk}, made("bob")
    out, _ = run("revokesessions", "--account=ada")

    assert ended() == rows
    assert states()[left.pk] == "active"
    assert out == "Ended: 2 sessions of the account 'ada'\n"


def test_only_sessions_that_went_on_are_counted():
    made()
    made(expires=timezone.now() - timedelta(days=1))
    made(revoked_at=timezone.now())

    assert "Ended: 1 session of" in run("revokesessions", "--account=ada")[0]


def test_an_account_without_rows_is_ended_too_and_told_to_have_none():
    """It may have sessions from before the registry, which would be adopted."""
    out, _ = run("revokesessions", "--account=eve")

    assert "None was known to go on" in out
    assert AccountState.objects.get(account_id="eve").revoked_epoch == 2


@pytest.mark.parametrize("account", ["", "a" * 256, "a\0", "a\udcff"])
def test_what_can_be_no_account_is_refused(account):
    assert "no id of an account" in refusal("revokesessions", f"--account={account}")
    assert not AccountState.objects.exists()


# revokesessions --all


def test_all_sessions_of_the_site_are_ended(visitor):
    rows = {SessionRecord.objects.get().pk, made().pk, made("bob").pk}
    out, _ = run("revokesessions", "--all", "--yes")

    assert ended() == rows
    assert out == "Ended: 3 sessions, all there were\n"
    assert visitor.get("/admin/").status_code == 302


def test_all_are_ended_in_batches(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(many, "BATCH", 10)
    for _ in range(45):
        made()
    with django_assert_max_num_queries(45):
        run("revokesessions", "--all", "--yes")

    assert set(states().values()) == {"ended"}


def test_all_are_those_older_than_the_registry_too():
    visitor, user = Client(), User.objects.create_superuser("root")
    visitor.force_login(user)
    Adoption.objects.update(sealed_before=timezone.now() + timedelta(seconds=5))
    SessionRecord.objects.all().delete()
    run("revokesessions", "--all", "--yes")

    assert visitor.get("/admin/").status_code == 302
    assert not SessionRecord.objects.exists()


def test_such_a_session_would_be_adopted_without_that():
    visitor, user = Client(), User.objects.create_superuser("root")
    visitor.force_login(user)
    Adoption.objects.update(sealed_before=timezone.now() + timedelta(seconds=5))
    SessionRecord.objects.all().delete()

    assert visitor.get("/admin/").status_code == 200


def test_somebody_who_logs_in_afterwards_stays(visitor):
    run("revokesessions", "--all", "--yes")
    visitor.force_login(User.objects.get())

    assert visitor.get("/admin/").status_code == 200


def test_all_are_ended_after_a_yes(monkeypatch):
    row = made()
    asked = answers(monkeypatch, "yes")
    run("revokesessions", "--all")

    assert "logs out everybody" in asked[0]
    assert ended() == {row.pk}


@pytest.mark.parametrize("said", [["no"], ["y"], [""], []])
def test_without_a_yes_nobody_is_logged_out(monkeypatch, said):
    made()
    answers(monkeypatch, *said)

    assert refusal("revokesessions", "--all").startswith("Nothing was ended.")
    assert ended() == set()


# Who learns of it when


@pytest.mark.parametrize("which", ["handle", "--account=ada", "--all"])
def test_that_each_process_has_its_own_cache_is_told(which):
    row = made()
    arguments = [row.pk] if which == "handle" else [which, "--yes"]
    _, notes = run("revokesessions", *arguments)

    assert "its own cache 'default', so it may take 30 seconds" in notes


def test_nothing_is_told_where_no_process_believes_a_cache_of_its_own(settings):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "REVOCATION_MAX_STALENESS": 0}
    assert run("revokesessions", made().pk)[1] == ""

    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "REVOCATION_MAX_STALENESS": 30,
    }
    settings.CACHES = {"default": {"BACKEND": DUMMY}}
    assert run("revokesessions", made().pk)[1] == ""


# A database that is down


@pytest.mark.parametrize("statements", [(), ("UPDATE",)], ids=["all", "update"])
@pytest.mark.parametrize("which", ["handle", "--account=ada", "--all"])
def test_a_database_that_is_down_is_no_success(which, statements):
    row = made()
    arguments = [row.pk] if which == "handle" else [which, "--yes"]
    with no_database(*statements):
        told = refusal("revokesessions", *arguments)
    # The test's own transaction goes on: what failed has not reached the database.
    transaction.set_rollback(False)

    assert told.startswith("Not all were ended. The database")
    assert ended() == set()


def test_pruning_with_a_database_that_is_down_is_no_success():
    with no_database():
        told = refusal("prunesessions")

    assert told.startswith("Not all could be deleted. The database")


# prunesessions


def old(**ago: float) -> SessionRecord:
    then = timezone.now() - timedelta(**ago)
    return made(expires=then, adopted_digest=None)


def test_sessions_too_old_to_be_opened_are_deleted_and_counted():
    for _ in range(3):
        old(days=1)
    left = made()

    assert run("prunesessions")[0] == "Deleted: 3 sessions\n"
    assert list(SessionRecord.objects.all()) == [left]
    assert run("prunesessions")[0] == "Deleted: 0 sessions\n"


def test_one_is_one():
    old(days=1)

    assert run("prunesessions")[0] == "Deleted: 1 session\n"


def test_pruning_goes_in_batches():
    for _ in range(5):
        old(days=1)
    with CaptureQueriesContext(connection) as captured:
        run("prunesessions", "--batch=2")
    deletes = [q["sql"] for q in captured if "DELETE" in q["sql"]]
    deleted = [len(re.findall("'[0-9a-f]{20}'", sql)) for sql in deletes]

    assert deleted == [2, 2, 1]


@pytest.mark.parametrize("batch", ["0", "-1", "10001", "x", "²", "1_0"])
def test_a_batch_is_a_number(batch):
    assert "--batch" in refusal("prunesessions", f"--batch={batch}")


def test_it_deletes_what_djangos_clearsessions_does():
    rows = [old(minutes=minutes) for minutes in (0, 5, 15, 1500)]
    rows += [made(expires=timezone.now() - timedelta(days=1)), made()]
    kept = SessionRecord.objects.all()
    SessionStore.clear_expired()
    after = set(kept.values_list("pk", flat=True))
    SessionRecord.objects.all().delete()
    SessionRecord.objects.bulk_create(rows)
    run("prunesessions")

    assert set(kept.values_list("pk", flat=True)) == after
    assert 0 < len(after) < len(rows)


def test_accounts_stay_or_their_sessions_would_live_again():
    revoke_account("ada")
    old(days=1)
    run("prunesessions")

    assert AccountState.objects.get().revoked_epoch == 2
