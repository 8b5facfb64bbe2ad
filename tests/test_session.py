from __future__ import annotations

import inspect
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured

from django_secure_session import SessionTooDeep, SessionTooLarge
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec.metadata import ENDS_WITH_BROWSER, FIXED_DATE
from tests.conftest import START

ALL_REASONS = {
    "malformed",
    "unknown_version",
    "unknown_key",
    "tampered",
    "undecodable",
    "expired",
    "future",
}


def saved(data=None) -> SessionStore:
    store = SessionStore()
    store.update(data or {})
    store.save()
    return store


def sealed_metadata(store):
    metadata, _, _ = store._codec.unseal(store.session_key)
    return metadata


def reopened(store: SessionStore) -> SessionStore:
    return SessionStore(store.session_key)


# Django's contract


def test_every_twin_in_django_is_overridden_or_needs_no_store():
    inherited = [
        name
        for name in dir(SessionBase)
        if hasattr(SessionBase, f"a{name}") and not name.startswith("_")
        if getattr(SessionStore, f"a{name}") is getattr(SessionBase, f"a{name}")
    ]

    for name in inherited:  # none of those that go through a thread in Django
        assert "sync_to_async" not in inspect.getsource(
            getattr(SessionBase, f"a{name}")
        ), name


def test_what_django_sets_in_a_new_session_is_set_here_too():
    ours, theirs = vars(SessionStore()), vars(SessionBase())

    assert theirs.keys() - ours.keys() == {"serializer"}  # made when it is asked for
    assert SessionStore().serializer is SessionBase().serializer


def test_a_new_session_is_untouched():
    store = SessionStore("A" * 128)

    assert (store.accessed, store.modified) == (False, False)
    assert not hasattr(store, "_session_cache")


def test_load_without_a_key_is_an_empty_session():
    store = SessionStore()

    assert store.load() == {}
    assert store.rejection is None


def test_a_saved_session_comes_back_whole():
    data = {"user": 7, "cart": [{"sku": "ä", "qty": 2}], "nothing": None}

    assert dict(reopened(saved(data)).items()) == data


def test_saving_adds_nothing_to_the_data():
    store = saved({"a": 1})

    assert dict(store.items()) == {"a": 1}
    assert dict(reopened(store).items()) == {"a": 1}


def test_saving_an_empty_session_gives_a_key():
    store = saved()

    assert isinstance(store.session_key, str)
    assert reopened(store).rejection is None


def test_each_save_gives_another_key_and_the_same_sid():
    store = saved({"a": 1})
    key, sid = store.session_key, store.sid
    store.save()

    assert store.session_key != key
    assert reopened(store).sid == sid


def test_saving_marks_the_cookie_to_be_sent():
    store = SessionStore()
    store.save()

    assert store.modified is True


def test_create_begins_a_session_and_has_a_key_at_once():
    store = SessionStore()
    store.create()

    assert store.session_key is not None
    assert store.exists(store.session_key)


def test_create_leaves_the_session_that_was_there_before():
    store = saved({"a": 1})
    key, sid = store.session_key, store.sid
    store.create()

    assert store.sid != sid
    assert not store.exists(key)


def test_create_does_not_load_the_cookie():
    store = SessionStore(saved({"a": 1}).session_key)
    store.create()

    assert dict(store.items()) == {}


def test_exists_is_false_for_junk_and_nothing():
    store = SessionStore()

    assert [store.exists(key) for key in (None, "", "junk", "A" * 128)] == [False] * 4


def test_deleting_another_token_leaves_this_session_alone():
    store, other = saved({"a": 1}), saved({"b": 2})
    store.delete(other.session_key)

    assert store["a"] == 1
    assert store.session_key is not None
    assert not store.exists(other.session_key)


def test_deleting_an_older_token_of_this_session_deletes_this_session():
    store = saved({"a": 1})
    older = store.session_key
    store.save()
    store.delete(older)

    assert dict(store.items()) == {}
    assert store.session_key is None


def test_deleting_junk_changes_nothing():
    store = saved({"a": 1})
    store.delete("junk")

    assert store["a"] == 1


def test_clear_keeps_the_session_and_its_age(clock):
    first = saved({"a": 1})
    sid, created = first.sid, first.created_at
    clock.tick(hours=1)
    store = reopened(first)
    store.clear()
    store.save()

    assert (store.sid, store.created_at) == (sid, created)
    assert dict(reopened(store).items()) == {}


def test_clear_expired_has_nothing_to_do():
    assert SessionStore.clear_expired() is None


def test_flush_is_terminal():
    store = saved({"a": 1})
    key, sid = store.session_key, store.sid
    store.flush()
    assert store.session_key is None
    assert store.is_empty()

    store["b"] = 2
    store.save()
    assert store.sid != sid
    assert dict(reopened(store).items()) == {"b": 2}
    assert not store.exists(key)


def test_the_key_serializer_and_salt_of_the_base_class_are_untouched():
    store = SessionStore()

    assert store.key_salt.endswith("SessionStore")
    assert store.serializer.__name__ == "JSONSerializer"


def test_encode_and_decode_are_each_others_inverse():
    store = SessionStore()

    assert store.decode(store.encode({"a": 1})) == {"a": 1}
    assert store.decode(store.encode({"a": 1}).encode()) == {"a": 1}


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe" * 64, b"A" * 128, "\ud800" * 64])
def test_decode_of_any_bytes_or_text_is_empty_and_never_raises(junk, caplog):
    assert SessionStore().decode(junk) == {}
    assert "Session data corrupted" in caplog.text


def test_what_encode_gives_is_no_cookie_and_decode_opens_no_cookie(caplog):
    store = saved({"a": 1})

    assert SessionStore(store.encode({"a": 1})).rejection == "unknown_key"
    assert store.decode(store.session_key) == {}
    assert "Session data corrupted" in caplog.text


# sid


def test_the_sid_has_22_characters_and_is_there_at_once():
    store = SessionStore()

    assert len(store.sid) == 22
    assert store.sid == store.sid
    assert store.modified is False


def test_the_sid_that_was_read_is_the_one_that_is_saved():
    store = SessionStore()
    sid = store.sid
    store.save()

    assert reopened(store).sid == sid


@pytest.mark.parametrize("action", ["cycle_key", "create", "flush", "regenerate"])
def test_the_sid_is_new_after(action):
    store = saved({"a": 1})
    sid = store.sid
    getattr(store, action)()

    assert store.sid != sid


def test_no_two_sessions_share_a_sid():
    assert len({SessionStore().sid for _ in range(1000)}) == 1000


# cycle_key and created


def test_cycle_key_keeps_the_data_and_changes_the_key_at_once():
    store = saved({"a": 1})
    key = store.session_key
    store.cycle_key()

    assert store.session_key not in {key, None}
    assert dict(reopened(store).items()) == {"a": 1}
    assert not store.exists(key)


def test_an_anonymous_session_begins_anew_when_it_is_cycled(clock):
    first = saved({"cart": 1})
    clock.tick(days=3)
    store = reopened(first)
    store.cycle_key()

    assert store.created_at == clock.datetime()


def test_a_logged_in_session_stays_as_old_as_it_is_when_it_is_cycled(clock):
    first = saved({SESSION_KEY: "7"})
    created = first.created_at
    clock.tick(days=3)
    store = reopened(first)
    store.cycle_key()

    assert store.created_at == created
    assert store.issued_at == clock.datetime()


def test_created_survives_any_number_of_saves(clock):
    store = saved({"a": 1})
    for _ in range(10):
        clock.tick(days=1)
        store = reopened(store)
        store["a"] += 1
        store.save()

    assert store.created_at == datetime.fromtimestamp(START, UTC)
    assert store["a"] == 11


def test_a_clock_that_stepped_back_cannot_make_a_session_undecodable(clock):
    store = saved({"a": 1})
    clock.tick(-30)
    store = reopened(store)
    store.save()

    assert reopened(store)["a"] == 1


# Times


def test_an_unsaved_session_has_no_times():
    store = SessionStore()

    assert (store.created_at, store.issued_at, store.expires_at) == (None, None, None)


def test_a_saved_session_knows_its_times(clock, settings):
    settings.SESSION_COOKIE_AGE = 3600
    store = reopened(saved({"a": 1}))

    assert store.created_at == store.issued_at == clock.datetime()
    assert store.expires_at == clock.datetime() + timedelta(hours=1)


def test_a_session_dies_of_session_cookie_age(clock, settings):
    settings.SESSION_COOKIE_AGE = 3600
    store = saved({"a": 1})
    clock.tick(3599)
    assert reopened(store)["a"] == 1

    clock.tick(1)
    assert reopened(store).rejection == "expired"


def test_a_shorter_session_cookie_age_counts_for_cookies_that_are_out(clock, settings):
    store = saved({"a": 1})
    settings.SESSION_COOKIE_AGE = 60
    clock.tick(60)

    assert reopened(store).rejection == "expired"


def test_set_expiry_in_seconds_is_dead_a_second_later(clock):
    store = SessionStore()
    store["a"] = 1
    store.set_expiry(60)
    store.save()
    clock.tick(59)
    assert reopened(store)["a"] == 1

    clock.tick(2)
    assert reopened(store).rejection == "expired"


def test_set_expiry_outlives_session_cookie_age(clock, settings):
    settings.SESSION_COOKIE_AGE = 3600
    store = SessionStore()
    store.set_expiry(timedelta(days=30).total_seconds())
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ABSOLUTE_TIMEOUT": None}
    store.save()
    clock.tick(days=29)

    assert reopened(store).rejection is None


def test_seconds_count_from_the_last_save_and_a_date_does_not(clock):
    moving, fixed = SessionStore(), SessionStore()
    moving.set_expiry(100)
    fixed.set_expiry(clock.datetime() + timedelta(seconds=100))
    for store in (moving, fixed):
        store.save()
    clock.tick(90)
    moving, fixed = reopened(moving), reopened(fixed)
    for store in (moving, fixed):
        store["x"] = 1
        store.save()
    clock.tick(20)

    assert reopened(moving).rejection is None
    assert reopened(fixed).rejection == "expired"


@pytest.mark.parametrize(
    ("expiry", "age", "flags"),
    [
        (None, 0, 0),
        (0, 0, ENDS_WITH_BROWSER),
        (60, 60, 0),
        (timedelta(60), 0, FIXED_DATE),
    ],
)
def test_the_seal_says_what_kind_of_expiry_it_is(expiry, age, flags, clock):
    store = SessionStore()
    store.set_expiry(expiry)
    store.save()

    assert (sealed_metadata(store).age, sealed_metadata(store).flags) == (age, flags)


def test_a_session_that_ends_with_the_browser_still_ends_on_the_server(clock, settings):
    settings.SESSION_COOKIE_AGE = 3600
    store = SessionStore()
    store.set_expiry(0)
    store.save()
    clock.tick(3600)

    assert reopened(store).rejection == "expired"


def test_session_expire_at_browser_close_is_in_the_seal(settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True

    assert sealed_metadata(saved()).flags == ENDS_WITH_BROWSER


@pytest.mark.parametrize("expiry", [-1, -10.5, timedelta(seconds=-10), -(10**12)])
def test_an_expiry_in_the_past_is_dead_at_once(expiry, clock):
    store = SessionStore()
    store.set_expiry(expiry)
    store.save()

    assert reopened(store).rejection == "expired"


@pytest.mark.parametrize("expiry", [10**10, 10**15])
def test_an_expiry_beyond_2106_is_cut(expiry, clock, settings):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ABSOLUTE_TIMEOUT": None}
    store = SessionStore()
    store.set_expiry(expiry)
    store.save()

    assert reopened(store).expires_at == datetime.fromtimestamp(2**32 - 1, UTC)


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_date_with_and_without_time_zone_means_the_same(use_tz, settings, clock):
    store = SessionStore()
    deadline = datetime.fromtimestamp(START + 100)  # noqa: DTZ006
    store.set_expiry(deadline if not use_tz else deadline.astimezone(UTC))
    settings.USE_TZ = not use_tz  # the site changed its mind since
    store.save()

    assert store.get_expiry_age() == 100
    assert reopened(store).expires_at == datetime.fromtimestamp(START + 100, UTC)


def test_absolute_timeout_holds_through_any_number_of_saves(clock, settings):
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "ABSOLUTE_TIMEOUT": timedelta(days=2),
    }
    store = saved({"a": 1})
    for _ in range(47):
        clock.tick(hours=1)
        store = reopened(store)
        assert store["a"] == 1
        store.set_expiry(timedelta(days=300))
        store.save()
    clock.tick(hours=1)

    assert reopened(store).rejection == "expired"


def test_a_shorter_absolute_timeout_counts_for_cookies_that_are_out(clock, settings):
    store = saved({"a": 1})
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ABSOLUTE_TIMEOUT": 60}
    clock.tick(60)

    assert reopened(store).rejection == "expired"


def test_the_cookie_never_outlives_absolute_timeout(clock, settings):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ABSOLUTE_TIMEOUT": 1000}
    store = reopened(saved({"a": 1}))
    clock.tick(900)

    assert store.get_expiry_age() == 100
    assert store.get_expiry_date() == clock.datetime() + timedelta(seconds=100)


def test_expiry_age_and_date_with_arguments_are_djangos(clock):
    store = SessionStore()
    modification = clock.datetime()

    assert store.get_expiry_age(modification=modification, expiry=7) == 7
    assert store.get_expiry_date(
        modification=modification, expiry=7
    ) == modification + timedelta(seconds=7)


def test_the_expiry_date_is_naive_without_time_zones(settings, clock, monkeypatch):
    settings.USE_TZ = False
    naive = datetime.fromtimestamp(START)  # noqa: DTZ006
    monkeypatch.setattr("django.utils.timezone.now", lambda: naive)
    settings.SESSION_COOKIE_AGE = 60

    assert SessionStore().get_expiry_date() == naive + timedelta(seconds=60)


# Refusals


def test_a_good_cookie_has_no_rejection():
    assert reopened(saved({"a": 1})).rejection is None


def test_a_refused_cookie_is_an_empty_session_without_a_key():
    store = SessionStore("A" * 128)

    assert dict(store.items()) == {}
    assert store.session_key is None
    assert store.rejection == "unknown_version"
    assert store.modified is False


@pytest.mark.parametrize("length", range(0, 128))
def test_every_cut_cookie_has_a_rejection(length):
    store = SessionStore(saved({"a": 1}).session_key[:length])

    assert store.rejection in {"malformed", "tampered"}
    assert dict(store.items()) == {}


def test_a_cookie_from_the_future_is_refused_and_opens_later(clock):
    store = saved({"a": 1})
    clock.tick(-61)
    assert reopened(store).rejection == "future"

    clock.tick(1)
    assert reopened(store)["a"] == 1


# Size and depth


def test_4096_bytes_of_name_and_value_are_saved_and_one_block_more_is_not(settings):
    store = SessionStore()
    store["x"] = "y" * 2925
    store.save()
    while len(settings.SESSION_COOKIE_NAME) + len(store.session_key) + 64 <= 4096:
        store["x"] += "y" * 48
        store.save()
    key = store.session_key
    assert reopened(store)["x"] == store["x"]

    store["x"] += "y" * 48
    with pytest.raises(SessionTooLarge):
        store.save()
    assert store.session_key == key


def test_the_length_of_the_cookie_name_counts(settings):
    store = saved({"x": "y" * 2925})
    settings.SESSION_COOKIE_NAME = "n" * (4096 - len(store.session_key))
    assert len(saved(dict(store.items())).session_key) == len(store.session_key)

    settings.SESSION_COOKIE_NAME += "n"
    with pytest.raises(SessionTooLarge):
        saved(dict(store.items()))


def test_too_large_names_cookie_bytes_limit_and_the_three_largest_keys():
    store = SessionStore()
    store.update({"small": 1, "big": "secret-value" * 200, "bigger": "x" * 3000})
    store.update({"third": "z" * 500, "fourth": "z" * 100, 5: "int"})

    with pytest.raises(SessionTooLarge) as caught:
        store.save()
    text = str(caught.value)
    assert "'sessionid'" in text
    assert "4096" in text
    assert str(caught.value.size) in text
    assert caught.value.largest_keys == ["bigger", "big", "third"]
    assert "'bigger' (3013 bytes)" in text
    assert "fourth" not in text
    assert "secret-value" not in text


def test_a_session_too_deep_is_refused_when_it_is_saved():
    value: object = 1
    for _ in range(101):
        value = [value]
    store = SessionStore()
    store["x"] = value

    with pytest.raises(SessionTooDeep):
        store.save()


# Members beyond Django's


def test_touch_sends_the_cookie_again_with_the_same_data(clock):
    first = saved({"a": 1})
    clock.tick(hours=1)
    store = reopened(first)
    store.touch()
    assert store.modified is True

    store.save()
    assert store.issued_at == clock.datetime()
    assert dict(reopened(store).items()) == {"a": 1}


def test_touching_nothing_makes_no_session():
    store = SessionStore()
    store.touch()

    assert store.is_empty()


def test_regenerate_drops_the_data_but_for_the_keys_to_keep():
    store = saved({"a": 1, "b": 2, "c": 3})
    key = store.session_key
    store.regenerate(keep=["a", "c", "missing"])

    assert dict(reopened(store).items()) == {"a": 1, "c": 3}
    assert not store.exists(key)


def test_regenerate_restarts_created_unless_the_log_in_is_kept(clock):
    first = saved({SESSION_KEY: "7", "a": 1})
    created = first.created_at
    clock.tick(days=1)
    kept, dropped = reopened(first), reopened(first)
    kept.regenerate(keep=[SESSION_KEY])
    dropped.regenerate(keep=["a"])

    assert kept.created_at == created
    assert dropped.created_at == clock.datetime()


def test_regenerate_refuses_a_text_of_letters():
    with pytest.raises(TypeError, match=r"regenerate\(keep=\['cart'\]\)"):
        saved({"c": 1}).regenerate(keep="cart")


def test_data_is_a_deep_copy():
    store = saved({"cart": [1]})
    copy = store.data()
    copy["cart"].append(2)

    assert store["cart"] == [1]
    assert type(copy) is dict


def test_reload_forgets_what_was_not_saved():
    store = reopened(saved({"a": 1}))
    store["a"] = 2
    store.reload()

    assert store["a"] == 1
    assert store.modified is False


def test_reload_after_a_save_still_sends_the_saved_cookie():
    store = reopened(saved({"a": 1}))
    store["a"] = 2
    store.save()
    store["a"] = 3
    store.reload()

    assert store["a"] == 2
    assert store.modified is True


def test_reload_of_a_new_session_is_empty():
    store = SessionStore()
    store["a"] = 1
    store.reload()

    assert dict(store.items()) == {}


def test_a_session_is_saved_until_its_data_changes():
    store = SessionStore()
    assert (store.is_saved(), store.is_modified()) == (False, False)

    store["cart"] = [1]
    assert (store.is_saved(), store.is_modified()) == (False, True)

    store.save()
    assert (store.is_saved(), store.is_modified()) == (True, False)

    store = reopened(store)
    assert (store.is_saved(), store.is_modified()) == (True, False)

    store["cart"].append(2)  # Django's `modified` does not see this
    assert store.modified is False
    assert (store.is_saved(), store.is_modified()) == (False, True)


def test_a_cleared_session_is_modified_until_it_is_saved():
    store = reopened(saved({"a": 1}))
    store.clear()

    assert (store.is_saved(), store.is_modified()) == (False, True)


# Contexts


def test_an_unknown_alias_is_refused():
    with pytest.raises(ImproperlyConfigured, match="no session 'prefs'"):
        SessionStore(alias="prefs").save()


def test_a_token_of_another_purpose_is_unknown():
    store = SessionStore(purpose="reset")
    store.save()

    assert SessionStore(store.session_key).rejection == "unknown_key"
    assert SessionStore(store.session_key, purpose="reset").rejection is None


def test_the_audience_keeps_two_sites_with_one_key_apart(settings):
    store = saved({"a": 1})
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "AUDIENCE": "shop"}

    assert reopened(store).rejection == "unknown_key"


def test_another_key_is_unknown(settings):
    store = saved({"a": 1})
    settings.SECURE_SESSION = {"KEY": secrets.token_bytes(32)}

    assert reopened(store).rejection == "unknown_key"


# Twins


@pytest.fixture
def no_thread_hops(monkeypatch):
    async def hop(*args, **kwargs):
        raise AssertionError("went through a thread")

    monkeypatch.setattr(SyncToAsync, "__call__", hop)


async def act(store, name, *args, **kwargs):
    return await getattr(store, f"a{name}")(*args, **kwargs)


async def test_the_async_members_do_what_their_twins_do(clock, no_thread_hops):
    store = SessionStore()
    await store.aset("a", [1])
    await store.asave()
    sid = store.sid
    clock.tick(10)
    store = reopened(store)

    assert await act(store, "sid") == sid
    assert await act(store, "created_at") == store.created_at
    assert await act(store, "issued_at") == store.issued_at
    assert await act(store, "expires_at") == store.expires_at
    assert await act(store, "rejection") is None
    assert await act(store, "data") == {"a": [1]}
    assert await act(store, "is_saved") is True
    assert await act(store, "is_modified") is False
    assert await act(store, "get_expiry_age") == store.get_expiry_age()
    assert await act(store, "get_expiry_date") == store.get_expiry_date()
    assert await act(store, "exists", store.session_key) is True


async def test_the_async_actions_do_what_their_twins_do(no_thread_hops):
    store = reopened(saved({"a": 1, "b": 2}))
    sids = [await store.asid()]

    await act(store, "touch")
    assert store.modified is True
    await act(store, "cycle_key")
    sids.append(store.sid)
    await act(store, "regenerate", keep=["a"])
    sids.append(store.sid)
    assert await store.adata() == {"a": 1}
    await store.aset("a", 2)
    await act(store, "reload")
    assert await store.aget("a") == 1
    await act(store, "create")
    sids.append(store.sid)
    await act(store, "flush")
    sids.append(store.sid)
    await act(store, "delete")
    await act(store, "clear_expired")

    assert len(set(sids)) == 5
    assert store.is_empty()


async def test_async_tokens_for_other_uses():
    store = reopened(saved({"a": 1}))
    token = await store.aseal(purpose="ws", max_age=60)

    assert await SessionStore(token, purpose="ws").aget("a") == 1


async def test_an_async_refusal_is_the_same_empty_session(no_thread_hops):
    store = SessionStore("A" * 128)

    assert await store.aget("a") is None
    assert await store.arejection() == "unknown_version"
