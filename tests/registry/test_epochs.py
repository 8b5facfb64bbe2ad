"""What changes about an account shows in its next request, and what ended it counts."""

from __future__ import annotations

import logging

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User, update_last_login
from django.core import serializers
from django.db import connection, connections, transaction
from django.db.models.deletion import Collector
from django.test.utils import isolate_apps

from django_secure_session import decode_session, registry
from django_secure_session.accounts.claims import parse
from django_secure_session.registry import ending, receivers
from django_secure_session.registry.models import AccountState, SessionRecord
from tests.accounts_site import ADA, MAX_AGE, NOBODY, Person
from tests.registry.site import ada as ada
from tests.registry.site import (
    ask_registry,
    handle_of,
    log_in,
    name_of,
    row,
    rows,
    signed_in,
    state,
    why,
)
from tests.registry.site import bob as bob
from tests.registry.site import people as people
from tests.registry.site import visitor as visitor
from tests.spilling import act as act
from tests.visits import cookie, site

pytestmark = pytest.mark.django_db


@isolate_apps("django.contrib.auth")
def staff_model() -> type[User]:
    """Return another view of the users, as admins have them."""

    class Staff(User):
        class Meta:
            proxy = True
            app_label = "auth"

    return Staff


def as_user(user):
    async def action(on):
        await on.log_in_django(user)

    return action


async def revoke_others(on):
    await ask_registry(on, "revoke_others", on.request)


async def change_password(on):
    await on.change_password("new")


def role_of(visitor) -> str:
    return visitor.who()["account"]["role"]


def epochs() -> dict[str, int]:
    return dict(AccountState.objects.values_list("account_id", "epoch"))


# Users that are saved


def test_a_saved_role_shows_in_the_next_request(visitor, ada, people):
    people.known["ada"] = Person("guest")
    visitor.do(as_user(ada))
    people.known["ada"] = Person("owner")
    assert role_of(visitor) == "guest"
    ada.save()

    assert role_of(visitor) == "owner"


def test_claims_that_were_read_again_are_read_no_more(visitor, ada, people):
    visitor.do(as_user(ada))
    ada.save()
    visitor.who()
    del people.asked[:]
    visitor.who()

    assert people.asked == []


def test_a_user_that_is_disabled_is_nobody_in_the_next_request(visitor, ada):
    visitor.do(as_user(ada))
    ada.is_active = False
    ada.save()

    assert visitor.who() == NOBODY


def test_a_user_that_is_saved_as_another_model_counts_too(visitor, ada):
    visitor.do(as_user(ada))
    user = staff_model().objects.get(pk=ada.pk)
    user.is_active = False
    user.save()

    assert visitor.who() == NOBODY


def test_a_user_that_is_deleted_is_nobody_in_the_next_request(visitor, ada):
    visitor.do(as_user(ada))
    ada.delete()

    assert visitor.who() == NOBODY


def test_a_saved_user_counts_by_its_key_and_by_its_account(ada):
    ada.save()

    assert epochs() == {str(ada.pk): 2, "ada": 2}


def test_a_saved_user_without_an_account_counts_by_its_key(ada, people):
    people.known.clear()
    ada.save()

    assert epochs() == {str(ada.pk): 2}


def test_a_new_user_counts_for_nothing(people):
    get_user_model().objects.create_user("eve")

    assert epochs() == {}


def test_a_user_of_a_fixture_counts_for_nothing(ada):
    text = serializers.serialize("json", [ada])
    for loaded in serializers.deserialize("json", text):
        loaded.save()

    assert epochs() == {}


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        (["last_login"], False),
        ([], False),
        (["last_login", "email"], True),
        (["is_active"], True),
        (None, True),
    ],
)
def test_a_mere_last_login_counts_for_nothing(ada, fields, counted):
    ada.save(update_fields=fields)

    assert bool(epochs()) == counted


def test_what_djangos_log_in_saves_counts_for_nothing(visitor, ada):
    update_last_login(None, ada)
    visitor.do(as_user(ada))

    assert epochs() == {}


def test_another_model_that_is_saved_counts_for_nothing(ada):
    group = ada.groups.create(name="readers")
    group.save()
    group.delete()

    assert epochs() == {}


def test_a_provider_that_fails_breaks_no_save(ada, people, caplog):
    people.error = ValueError("no such table")
    with caplog.at_level(logging.ERROR, logger="django_secure_session"):
        ada.email = "ada@example.com"
        ada.save()

    assert User.objects.get().email == "ada@example.com"
    assert epochs() == {str(ada.pk): 2}
    assert "could not be told" in caplog.text


def test_the_default_provider_names_accounts_by_the_users_key(ada, settings, visitor):
    settings.SECURE_SESSION = site(
        ACCOUNT_PROVIDER="django_secure_session.accounts.DjangoUserProvider"
    )
    visitor.do(as_user(ada))
    ada.save()

    assert epochs() == {str(ada.pk): 2}
    assert row().account_id == name_of(visitor) == str(ada.pk)


# What the site says itself


def test_an_update_counts_once_it_is_said(visitor, ada, people, act):
    visitor.do(as_user(ada))
    User.objects.update(is_active=False)
    assert name_of(visitor) == "ada"
    act(registry, "account_changed", "ada")

    assert visitor.who() == NOBODY


def test_a_change_of_an_account_without_django_counts_once_it_is_said(visitor, people):
    visitor.do(log_in)
    people.known["ada"].role = "owner"
    registry.account_changed("ada")

    assert role_of(visitor) == "owner"


def test_a_change_of_another_account_asks_nobody(visitor, people):
    visitor.do(log_in)
    del people.asked[:]
    registry.account_changed("bob")
    visitor.who()

    assert people.asked == []


def test_a_change_while_the_provider_is_asked_counts_in_the_next_request(
    visitor, people, monkeypatch
):
    visitor.do(log_in)
    registry.account_changed("ada")

    def answer(self, *args):
        found = account(self, *args)
        monkeypatch.undo()
        people.known["ada"].role = "owner"
        registry.account_changed("ada")
        return found

    account = people._account
    monkeypatch.setattr(people, "_account", answer)

    assert role_of(visitor) == "guest"
    assert role_of(visitor) == "owner"


def test_a_change_during_a_log_in_counts_in_the_next_request(visitor, ada, people):
    async def action(on):
        await on.log_in_django(ada)
        await ask_registry(on, "account_changed", "ada")

    visitor.do(action)
    people.known["ada"].role = "owner"

    assert role_of(visitor) == "owner"


def test_a_change_ends_no_session(visitor):
    visitor.do(log_in)
    registry.account_changed("ada")

    assert state() == (2, 0)
    assert name_of(visitor) == "ada"
    assert row().revoked_at is None


def test_epochs_are_counted_in_each_account(visitor, people):
    for _ in range(3):
        registry.account_changed("ada")
    registry.account_changed("bob")

    assert epochs() == {"ada": 4, "bob": 2}


def test_a_log_in_is_sealed_with_the_epoch_of_then(visitor):
    registry.account_changed("ada")
    visitor.do(log_in)

    assert parse(visitor.session.claims).epoch == row().epoch == 2


def test_old_claims_are_believed_for_their_age_while_nothing_changes(
    visitor, people, clock
):
    visitor.do(log_in)
    del people.asked[:]
    clock.tick(MAX_AGE - 1)
    visitor.who()
    assert people.asked == []
    clock.tick(1)
    visitor.who()

    assert len(people.asked) == 1


# What ends


def test_revoke_account_ends_all_sessions_of_the_account(visitor, act, ada):
    visitor.do(log_in)
    others = [signed_in(visitor), signed_in(visitor, as_user(ada))]
    stranger = signed_in(visitor, lambda on: on.login(people_account("bob")))
    act(registry, "revoke_account", "ada")

    for each in (visitor, *others):
        assert (name_of(each), why(each)) == (None, "revoked")
    assert name_of(stranger) == "bob"


def people_account(name):
    return type(ADA)(id=name, role="reader", verified=False)


def test_a_log_in_after_revoke_account_lives(visitor, ada):
    visitor.do(log_in)
    registry.revoke_account("ada")
    again = signed_in(visitor)
    with_django = signed_in(visitor, as_user(ada))

    assert name_of(again) == name_of(with_django) == "ada"
    assert state() == (2, 2)


def test_a_log_in_that_lived_through_revoke_account_does_not_go_on(visitor):
    async def action(on):
        await on.login(ADA)
        await ask_registry(on, "revoke_account", "ada")

    visitor.do(action)

    assert name_of(visitor) is None


def test_revoke_others_leaves_the_requests_own(visitor, ada):
    visitor.do(log_in)
    others = [signed_in(visitor), signed_in(visitor, as_user(ada))]
    handle = row_of(visitor)
    visitor.do(revoke_others)

    assert [name_of(each) for each in others] == [None, None]
    assert name_of(visitor) == "ada"
    assert row_of(visitor) == handle
    assert [each.handle for each in registry.active_sessions("ada")] == [handle]


def row_of(visitor) -> str:
    return visitor.do(handle_of)


def test_revoke_others_in_the_request_of_a_log_in_leaves_that(visitor, ada):
    async def action(on):
        await on.login(ADA)
        await ask_registry(on, "revoke_others", on.request)

    async def with_django(on):
        await on.log_in_django(ada)
        await ask_registry(on, "revoke_others", on.request)

    first = signed_in(visitor)
    visitor.do(action)
    assert (name_of(first), name_of(visitor)) == (None, "ada")
    other = signed_in(visitor, with_django)

    assert (name_of(visitor), name_of(other)) == (None, "ada")


def test_revoke_others_in_the_request_of_another_log_in_leaves_that(visitor):
    async def action(on):
        await on.login(ADA)
        await ask_registry(on, "revoke_others", on.request)

    visitor.do(log_in)
    other = signed_in(visitor)
    visitor.do(action)

    assert (name_of(visitor), name_of(other)) == ("ada", None)


def test_revoke_others_leaves_a_session_that_is_cycled_then(visitor):
    async def action(on):
        await on.session("cycle_key")
        await ask_registry(on, "revoke_others", on.request)
        await on.session("cycle_key")

    visitor.do(log_in)
    other = signed_in(visitor)
    visitor.do(action)

    assert (name_of(visitor), name_of(other)) == ("ada", None)


def test_revoke_others_twice_leaves_the_requests_own(visitor):
    visitor.do(log_in)
    for _ in range(2):
        visitor.do(revoke_others)

    assert name_of(visitor) == "ada"


def test_a_changed_password_ends_the_other_sessions(visitor, ada):
    visitor.do(as_user(ada))
    other = signed_in(visitor, as_user(ada))
    visitor.do(change_password)

    assert name_of(visitor) == "ada"
    assert other.who() == NOBODY
    assert len(registry.active_sessions("ada")) == 1


def test_a_password_that_another_has_changed_ends_all_sessions(visitor, ada):
    visitor.do(as_user(ada))
    ada.set_password("new")
    ada.save()

    assert visitor.who() == NOBODY
    assert rows()[0].revoked_at is not None


def test_a_membership_that_is_over_counts_once_it_is_said(visitor, people):
    async def switch(on):
        await on.switch_org("acme")

    visitor.do(log_in)
    visitor.do(switch)
    assert visitor.who()["org"] == "acme"
    people.known["ada"] = Person()
    registry.account_changed("ada")

    assert visitor.who()["org"] is None


def test_what_is_read_again_in_a_view_that_fails_is_read_again(visitor, people):
    async def failing(on):
        await on.who()
        raise RuntimeError

    visitor.do(log_in)
    people.known["ada"].role = "owner"
    registry.account_changed("ada")
    assert visitor.ask(failing).status == 500
    del people.asked[:]

    assert role_of(visitor) == "owner"
    assert len(people.asked) == 1


def test_what_nobody_asks_is_not_read_again(visitor, people):
    visitor.do(log_in)
    registry.account_changed("ada")
    del people.asked[:]
    answer = visitor.ask(handle_of)

    assert people.asked == []
    assert cookie(answer) is None


def test_a_session_knows_the_epoch_of_its_account(visitor):
    visitor.do(log_in)
    registry.account_changed("ada")
    session = visitor.session

    assert session.epoch == 2
    assert parse(session.claims).epoch == 1
    assert decode_session(None) is None


def test_a_change_within_a_transaction_that_fails_is_none(visitor, people):
    visitor.do(log_in)
    with transaction.atomic():
        registry.revoke_account("ada")
        transaction.set_rollback(True)

    assert name_of(visitor) == "ada"
    assert AccountState.objects.count() == 0


def test_revoke_others_does_not_revive_the_requests_own(visitor):
    visitor.do(log_in)
    opened = visitor.session  # a request that came before the end
    registry.revoke_account("ada")
    ending.end_all("ada", opened.registration.handle)

    assert name_of(visitor) is None


@pytest.mark.parametrize("model", [LogEntry, SessionRecord])
def test_other_models_are_still_deleted_without_being_loaded(
    model, django_assert_num_queries
):
    """Where anybody listens, Django loads every row that it deletes."""
    assert Collector(using="default").can_fast_delete(model.objects.all())
    with django_assert_num_queries(1):
        model.objects.all().delete()


# Users in another database than the registry


@pytest.fixture
def elsewhere(tmp_path):
    """Return the name of another database."""
    connections["users"] = other = connection.copy("users")
    other.settings_dict["NAME"] = tmp_path / "users.sqlite3"
    yield "users"
    other.close()
    del connections["users"]


def save(user, using):
    receivers.receive_save(instance=user, created=False, using=using)


def delete(user, using):
    receivers.receive_delete(instance=user, using=using)


@pytest.mark.parametrize(("event", "then"), [(save, (2, 0)), (delete, (2, 2))])
def test_what_happens_to_users_elsewhere_counts_when_it_is_committed(
    ada, elsewhere, event, then
):
    with transaction.atomic(using=elsewhere):
        event(ada, elsewhere)
        assert not AccountState.objects.exists()

    assert state() == then


@pytest.mark.parametrize("event", [save, delete])
def test_what_is_undone_about_users_elsewhere_has_not_happened(ada, elsewhere, event):
    with transaction.atomic(using=elsewhere):
        event(ada, elsewhere)
        transaction.set_rollback(True, using=elsewhere)

    assert not AccountState.objects.exists()
