"""Sessions in Django's admin: found and ended, and that is all."""

from __future__ import annotations

import io
import re
import secrets
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_secure_session.registry import many, revoke_account
from django_secure_session.registry.admin import SessionRecordAdmin
from django_secure_session.registry.models import AccountState, Adoption, SessionRecord
from django_secure_session.registry.records import with_state
from django_secure_session.registry.states import STATES, is_in, state_of
from django_secure_session.signals import session_revoked
from tests.accounts_site import MIDDLEWARE

pytestmark = pytest.mark.django_db

LIST = "/admin/secure_session_registry/sessionrecord/"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def made(account_id: str = "ada", **changes) -> SessionRecord:
    """Make the row of a session, which goes on if nothing else is said."""
    now = timezone.now()
    columns = {
        "account_id": account_id,
        "digest": secrets.token_hex(32),
        "previous_digest": secrets.token_hex(32),
        "adopted_digest": secrets.token_hex(32),
        "alias": "default",
        "created": now,
        "last_seen": now,
        "expires": now + timedelta(days=1),
        "ip": "192.0.2.7",
        "user_agent": BROWSER,
    }
    return SessionRecord.objects.create(**columns | changes)


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def staff():
    """Return a function that logs one in who may only do this with sessions."""

    def who_may(*actions: str) -> Client:
        user = User.objects.create_user("staff", is_staff=True)
        names = [f"{action}_sessionrecord" for action in actions]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        return client

    return who_may


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response
    return response.content.decode()


def listed(client: Client, query: str = "") -> set[str]:
    """Return the handles of the sessions that a list has, but for root's own."""
    names = set(
        re.findall(r"sessionrecord/([0-9a-f]{20})/", page(client, LIST + query))
    )
    return names - set(of_root().values_list("pk", flat=True))


def of_root():
    return SessionRecord.objects.exclude(account_id__in=("ada", "bob", "17"))


def end(client: Client, *rows: SessionRecord, **more: str) -> HttpResponse:
    selected = [row.pk for row in rows]
    return client.post(LIST, {"action": "end", "_selected_action": selected} | more)


def states() -> dict[str, str]:
    rows = with_state(SessionRecord.objects.all())
    return {row.pk: state_of(row, timezone.now()) for row in rows}


# Looking


def test_the_list_tells_whose_a_session_is_from_where_and_its_state(root):
    row = made()
    shown = re.sub(r"<[^>]+>", " ", page(root, LIST))

    for text in (row.pk, "ada", "default", "192.0.2.7", "Mozilla/5.0 (X11", "active"):
        assert text in shown


def test_a_long_name_of_a_browser_is_cut_in_the_list_and_whole_on_the_page(root):
    row = made()

    assert "Firefox/140.0" not in page(root, LIST)
    assert BROWSER in page(root, f"{LIST}{row.pk}/change/")


def test_what_a_browser_calls_itself_is_no_markup(root):
    row = made(user_agent="<script>alert(1)</script>")

    for path in (LIST, f"{LIST}{row.pk}/change/"):
        assert "<script>alert(1)" not in page(root, path)


def test_sessions_are_found_by_account_handle_and_address(root):
    row = made()
    made("bob", ip="192.0.2.77")

    for term in ("ada", row.pk, "192.0.2.7"):
        assert listed(root, f"?q={term}") == {row.pk}, term


def test_a_search_finds_no_other_account_that_contains_the_term(root):
    """Or whoever ends all that is found for account 7 would end those of 17."""
    made("17", ip="7.7.7.7")

    assert listed(root, "?q=7") == set()


def test_the_list_takes_the_same_number_of_queries_for_many_accounts(root):
    counts = set()
    page(root, LIST)  # from here on the cache knows who asks
    for number in range(3):
        made(f"account-{number}")
        with CaptureQueriesContext(connection) as captured:
            page(root, LIST)
        counts.add(len(captured))

    assert len(counts) == 1


# States


def in_every_state(now) -> None:
    """Make rows of every end and every epoch, revoked or not."""
    AccountState.objects.create(account_id="ada", epoch=3, revoked_epoch=2)
    for account_id in ("ada", "bob"):
        for epoch in (1, 2, 3):
            for seconds in (-1, 0, 1):
                for revoked_at in (None, now):
                    made(
                        account_id,
                        epoch=epoch,
                        expires=now + timedelta(seconds=seconds),
                        revoked_at=revoked_at,
                    )


def test_a_query_and_a_row_agree_about_the_state(clock):
    now = timezone.now()
    in_every_state(now)
    queries = {s: with_state(SessionRecord.objects.all()) for s in STATES}
    found = {s: set(rows.filter(is_in(s, now))) for s, rows in queries.items()}

    assert set.union(*found.values()) == set(SessionRecord.objects.all())
    for state, rows in found.items():
        assert rows
        assert {state_of(row, now) for row in rows} == {state}


def test_a_session_that_ended_with_all_of_its_account_is_shown_as_ended(root):
    row = made()
    left = made("bob")
    revoke_account("ada")

    assert states() | {row.pk: "ended", left.pk: "active"} == states()
    assert listed(root, "?state=ended") == {row.pk}
    assert listed(root, "?state=active") == {left.pk}
    assert 'class="field-state">ended' in page(root, f"{LIST}?q=ada")


def test_the_state_is_a_filter(clock, root):
    active, expired = made(), made(expires=timezone.now())
    ended = made(revoked_at=timezone.now(), expires=timezone.now())

    assert listed(root, "?state=active") == {active.pk}
    assert listed(root, "?state=expired") == {expired.pk}
    assert listed(root, "?state=ended") == {ended.pk}
    assert listed(root, "?state=nonsense") == {active.pk, expired.pk, ended.pk}


def test_the_name_of_the_session_is_a_filter(root, settings):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "SESSIONS": {"staff": {}}}
    row = made(alias="staff")
    other = made()

    assert listed(root, "?alias=staff") == {row.pk}
    assert listed(root) == {row.pk, other.pk}


# No digest


def test_no_digest_is_on_a_page_or_read_for_one(root):
    row = made()
    page(root, LIST)  # from here on the cache knows who asks
    paths = [LIST, f"{LIST}?q=ada", *(f"{LIST}{row.pk}/{p}/" for p in PAGES)]
    with CaptureQueriesContext(connection) as captured:
        shown = "".join(page(root, path) for path in paths)
    asked = [query["sql"] for query in captured]

    assert row.pk in shown
    assert not any(digest in shown for digest in [*row.digests(), row.adopted_digest])
    assert any("user_agent" in sql for sql in asked)
    assert not any("digest" in sql for sql in asked)


PAGES = ["change", "history"]


@pytest.mark.parametrize("column", ["digest", "previous_digest", "adopted_digest"])
def test_no_list_tells_a_digest(root, column):
    row = made()
    start = getattr(row, column)[:1]

    for lookup in (column, f"{column}__startswith", f"{column}__isnull"):
        assert root.get(LIST, {lookup: start}).status_code == 400, lookup
    assert root.get(LIST, {"_to_field": column}).status_code == 400
    assert listed(root, f"?q={getattr(row, column)}") == set()


def test_what_is_shown_can_be_looked_up(root):
    row = made()
    made("bob")

    assert listed(root, "?account_id__exact=ada") == {row.pk}


# Nothing else can be done


def test_a_session_can_neither_be_made_nor_deleted(root):
    """Without its row one that was adopted, and has ended, could be adopted again."""
    row = made()

    assert root.get(f"{LIST}add/").status_code == 403
    assert root.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    root.post(LIST, {"action": "delete_selected", "_selected_action": [row.pk]})
    assert SessionRecord.objects.filter(pk=row.pk).exists()


def test_a_session_can_not_be_changed(root):
    row = made()
    url = f"{LIST}{row.pk}/change/"
    root.post(url, {"account_id": "bob", "epoch": "9", "_save": "1"})

    assert 'name="_save"' not in page(root, url)
    assert vars(SessionRecord.objects.get(pk=row.pk)).items() >= {
        (name, value) for name, value in vars(row).items() if name != "_state"
    }


def test_a_stale_page_does_not_bring_an_ended_session_back(root, monkeypatch):
    """Saving writes nothing, or a row that was read before would undo the end."""
    row = made()
    read = SessionRecordAdmin.get_object

    def then_ended(self, *args):
        found = read(self, *args)
        SessionRecord.objects.filter(pk=row.pk).update(revoked_at=timezone.now())
        return found

    monkeypatch.setattr(SessionRecordAdmin, "get_object", then_ended)
    root.post(f"{LIST}{row.pk}/change/", {"_save": "1"})

    assert states()[row.pk] == "ended"


def test_neither_epochs_nor_the_adoption_are_in_the_admin():
    assert not admin.site.is_registered(AccountState)
    assert not admin.site.is_registered(Adoption)


# Ending


def test_selected_sessions_are_ended(root):
    rows, left = [made(), made("bob")], made()
    response = end(root, *rows)

    assert "2 sessions were ended." in page(root, response.url)
    assert {pk for pk, state in states().items() if state == "ended"} == {
        row.pk for row in rows
    }
    assert states()[left.pk] == "active"


def test_the_cookie_of_an_ended_session_is_refused_at_once(root):
    other, user = Client(), User.objects.create_superuser("other")
    other.force_login(user)
    assert other.get(LIST).status_code == 200
    end(root, SessionRecord.objects.get(account_id=user.pk))

    assert other.get(LIST).status_code == 302


def test_whoever_has_ended_before_is_not_counted_and_keeps_the_time(root):
    before = timezone.now() - timedelta(hours=1)
    row, other = made(revoked_at=before), made("bob")
    revoke_account("bob")
    response = end(root, row, other)

    assert "0 sessions were ended." in page(root, response.url)
    assert SessionRecord.objects.get(pk=row.pk).revoked_at == before


def test_whoever_ends_meanwhile_is_not_counted_and_keeps_the_time(monkeypatch):
    before = timezone.now() - timedelta(seconds=1)
    row = made(revoked_at=before)
    monkeypatch.setattr(many, "_batches", lambda rows: [[row.pk]])  # read before that

    assert many.end_many(SessionRecord.objects.all()) == 0
    assert SessionRecord.objects.get(pk=row.pk).revoked_at == before


def test_a_session_that_has_expired_can_be_ended(root):
    """The site may allow longer lives tomorrow."""
    row = made(expires=timezone.now())
    end(root, row)

    assert states()[row.pk] == "ended"


def test_an_end_is_in_the_history_of_the_session_once(root):
    row = made()
    end(root, row)
    end(root, row)

    assert [e.get_change_message() for e in LogEntry.objects.all()] == ["Ended."]
    assert "Ended." in page(root, f"{LIST}{row.pk}/history/")


def test_each_end_is_announced(root, django_capture_on_commit_callbacks):
    rows, heard = [made(), made("bob")], []

    def receive(account_id, handle, **_):
        heard.append((account_id, handle))

    session_revoked.connect(receive)
    with django_capture_on_commit_callbacks(execute=True):
        end(root, *rows)
    session_revoked.disconnect(receive)

    assert sorted(heard) == sorted((row.account_id, row.pk) for row in rows)


def test_all_that_a_search_finds_are_ended_in_batches(root, monkeypatch):
    monkeypatch.setattr(many, "BATCH", 2)
    rows, left = [made() for _ in range(5)], made("bob")
    more = {"select_across": "1"}
    root.post(
        f"{LIST}?q=ada", {"action": "end", "_selected_action": [rows[0].pk], **more}
    )

    assert {states()[row.pk] for row in rows} == {"ended"}
    assert states()[left.pk] == "active"


def test_to_end_many_takes_no_query_for_each(root):
    def queries(*rows: SessionRecord) -> int:
        with CaptureQueriesContext(connection) as captured:
            end(root, *rows)
        return len(captured)

    end(root, made(), made())  # what is only asked once
    two = queries(made(), made())

    assert queries(*[made() for _ in range(60)]) == two


def test_ones_own_session_may_be_among_them(root, settings):
    settings.MIDDLEWARE = [*MIDDLEWARE, *settings.MIDDLEWARE[-1:]]
    assert root.get(LIST).status_code == 200
    end(root, *of_root())

    assert root.get(LIST).status_code == 302


def test_the_page_of_a_session_has_a_button_that_ends_it(root):
    row = made()
    before = page(root, f"{LIST}{row.pk}/change/")
    end(root, row)

    for text in (f'action="{LIST}"', 'value="end"', f'value="{row.pk}"'):
        assert text in before
    assert 'value="end"' not in page(root, f"{LIST}{row.pk}/change/")


def test_ending_needs_a_token_against_forgery(root):
    row = made()
    root.handler.enforce_csrf_checks = True

    assert end(root, row).status_code == 403
    assert states()[row.pk] == "active"


# Permissions


def test_who_may_only_view_sessions_can_not_end_them(staff):
    row, client = made(), staff("view")
    shown = page(client, f"{LIST}{row.pk}/change/")
    end(client, row)

    assert 'value="end"' not in shown
    assert states()[row.pk] == "active"


def test_who_may_change_sessions_can_end_them(staff):
    row = made()
    end(staff("change"), row)

    assert states()[row.pk] == "ended"


@pytest.mark.parametrize("action", ["add", "delete"])
def test_the_right_to_add_or_delete_is_worth_nothing(staff, action):
    assert staff(action).get(LIST).status_code == 403


def test_whoever_is_no_staff_gets_no_page(client):
    row = made()
    for path in (LIST, f"{LIST}{row.pk}/change/"):
        assert client.get(path).status_code == 302
    end(client, row)

    assert states()[row.pk] == "active"


def test_the_history_has_no_digest(root):
    row = made()
    end(root, row)
    out = io.StringIO()
    call_command("dumpdata", "admin.logentry", stdout=out)

    assert row.pk in out.getvalue()
    assert not any(digest in out.getvalue() for digest in row.digests())
