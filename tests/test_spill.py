"""Sessions in the cache: the entry, the pointer to it, and what binds the two."""

from __future__ import annotations

import base64
import pickle
import re
import secrets
import time
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection

from django_secure_session import (
    SessionTooDeep,
    SessionTooLarge,
    adecode_session,
    aencode_session,
    create_session,
    decode_session,
    encode_session,
)
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec.metadata import POINTER, Metadata
from django_secure_session.codec.text import base64url_encode
from django_secure_session.conf import SPILL_LIMIT, get_codec
from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.signals import session_rejected, session_resealed
from tests.spilling import (
    Recording,
    each_cache,
    entries,
    key_of,
    pointing,
    pointing_to,
    reopened,
    saved,
    seconds_left,
)
from tests.spilling import act as act
from tests.spilling import cache as cache
from tests.spilling import hops as hops

MARKER = "a-marker-that-no-cache-may-hold"
POINTER_SIZE = 192  # characters of a token that points
DAY = 24 * 3600


def is_pointer(store: SessionStore) -> bool:
    metadata, _, _ = store._codec.unseal(store.session_key)
    return bool(metadata.flags & POINTER)


def use(settings, **options) -> None:
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, **options}


def token_size(data) -> int:
    """Return the characters of the token that holds a session whole."""
    return len(encode_session(data))


# Where a session goes


@each_cache
def test_a_session_in_the_cache_comes_back_whole(cache, act):
    store = SessionStore()
    act(store, "update", {"text": "käse", "nested": {"list": [1, None, 2.5]}})
    act(store, "save")

    assert act(reopened(store), "data") == {
        "text": "käse",
        "nested": {"list": [1, None, 2.5]},
    }


def test_the_cookie_of_a_session_in_the_cache_is_short(cache):
    assert len(saved({"big": "x" * 100_000}).session_key) == POINTER_SIZE


@pytest.mark.parametrize("above", [None, 4096])
def test_by_default_what_fits_a_cookie_stays_there(above, cache, act, settings):
    use(settings, SPILL_ABOVE=above)
    whole, large = SessionStore(), SessionStore()
    whole["big"], large["big"] = "x" * 2900, "x" * 3100
    act(whole, "save")
    act(large, "save")

    assert not is_pointer(whole)
    assert is_pointer(large)
    assert Recording.calls.count("get") == 0
    assert len(entries(cache)) == 1


def test_spill_above_zero_puts_even_an_empty_session_into_the_cache(cache, act):
    store = SessionStore()
    act(store, "save")

    assert is_pointer(store)


@pytest.mark.parametrize(("missing", "spilled"), [(0, False), (1, True)])
def test_spill_above_counts_name_and_value_of_the_cookie(
    missing, spilled, cache, act, settings
):
    data = {"big": "x" * 1000}
    size = token_size(data) + len("sid")
    settings.SESSION_COOKIE_NAME = "sid"
    use(settings, SPILL_ABOVE=size - missing)
    store = SessionStore()
    act(store, "update", data)
    act(store, "save")

    assert is_pointer(store) == spilled
    assert act(reopened(store), "data") == data


@pytest.mark.parametrize("placement", ["cookie", "chunked"])
def test_no_other_placement_uses_the_cache(placement, cache, act, settings):
    use(settings, PLACEMENT=placement)
    store = SessionStore()
    act(store, "update", {"a": 1})
    act(store, "save")
    act(reopened(store), "flush")

    assert Recording.calls == []


def test_a_session_in_the_cache_is_found_whatever_the_placement(cache, act, settings):
    store = saved()
    use(settings, PLACEMENT="cookie")

    assert act(reopened(store), "get", "marker") == "plain"


def test_a_session_is_kept_in_the_cache_of_its_settings(cache, act, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        "sessions": settings.CACHES["default"],
    }
    use(settings, CACHE_ALIAS="sessions")
    store = SessionStore()
    act(store, "update", {"a": 1})
    act(store, "save")

    assert act(reopened(store), "data") == {"a": 1}


def test_a_named_session_may_be_in_the_cache_alone(cache, settings):
    use(settings, PLACEMENT="cookie", SESSIONS={"prefs": {"PLACEMENT": "spill"}})

    assert not is_pointer(saved())
    assert is_pointer(saved(alias="prefs"))


def test_a_named_session_in_the_cache_comes_back_under_its_name_alone(
    cache, act, settings
):
    use(settings, SESSIONS={"prefs": {}})
    token = saved(alias="prefs").session_key

    assert act(SessionStore(token, alias="prefs"), "get", "marker") == "plain"
    assert act(SessionStore(token), "rejection") == "unknown_key"


def test_an_anonymous_session_touches_no_cache(cache, act):
    store = SessionStore()

    assert act(store, "get", "a") is None
    assert act(store, "is_saved") is False
    assert act(store, "exists", "") is False
    act(store, "reload")
    act(store, "flush")

    assert Recording.calls == []


def test_loading_without_a_cookie_is_an_empty_session(cache, act):
    assert act(SessionStore(), "load") == {}
    assert Recording.calls == []


@pytest.mark.parametrize("junk", ["A" * 128, "junk-junk", "Q" * 192])
def test_a_cookie_that_is_none_of_ours_touches_no_cache(junk, cache, act):
    assert act(SessionStore(junk), "get", "a") is None
    assert Recording.calls == []


def test_an_expired_pointer_touches_no_cache(cache, act, clock):
    store = reopened(saved())
    Recording.calls.clear()
    clock.tick(days=15)

    assert act(store, "rejection") == "expired"
    assert Recording.calls == []


# What the cache sees


def stored(cache) -> bytes:
    """Return all that a cache stores, without what its format puts around it."""
    if hasattr(cache, "_dir"):
        # Django's own format: a pickled expiry, then the pickled value, compressed.
        return b"".join(
            zlib.decompress(raw[raw.index(b"\x78\x9c") :])
            for raw in (path.read_bytes() for path in Path(cache._dir).iterdir())
        )
    if hasattr(cache, "_table"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT value FROM {cache._table}")
            return b"".join(base64.b64decode(value) for (value,) in cursor.fetchall())
    if hasattr(cache, "_servers"):
        client = cache._cache.get_client()
        return b"".join(key + client.get(key) for key in client.scan_iter())
    return b"".join(key.encode() + value for key, value in cache._cache.items())


@each_cache
@pytest.mark.parametrize("compress", [False, True])
def test_the_cache_never_holds_plaintext(compress, cache, act, settings):
    use(settings, COMPRESS=compress)
    store = SessionStore()
    act(store, "update", {MARKER: [MARKER] * 30})
    act(store, "save")
    raw = stored(cache)

    assert cache.get(key_of(store)) in raw  # so this is where it would be
    for shape in (str.encode, pickle.dumps):
        assert shape(MARKER) not in raw
    assert base64.b64encode(MARKER.encode())[:-4] not in raw
    assert zlib.compress(MARKER.encode())[2:-4] not in raw


@each_cache
def test_the_cache_never_sees_what_names_the_session(cache):
    store = saved()
    raw = stored(cache)

    assert store.sid.encode() not in raw
    assert store._sid not in raw
    assert store.session_key.encode() not in raw


def test_the_same_session_is_never_twice_the_same_bytes(cache):
    store = saved()
    first = cache.get(key_of(store))
    store.save()

    assert cache.get(key_of(store)) != first


# A pointer and its entry


@each_cache
def test_a_session_whose_entry_is_gone_is_lost(cache, act):
    store = saved()
    cache.delete(key_of(store))
    store = reopened(store)

    assert act(store, "rejection") == "lost"
    assert act(store, "data") == {}
    assert store.session_key is None


def test_a_cleared_cache_ends_all_sessions_as_lost(cache, act):
    stores = [reopened(saved()) for _ in range(3)]
    cache.clear()

    assert [act(store, "rejection") for store in stores] == ["lost"] * 3


CHANGES = {
    "a byte less": lambda content: content[:-1],
    "a block less": lambda content: content[:-48],
    "a byte more": lambda content: content + b"\0",
    "a bit": lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:],
    "junk": lambda content: secrets.token_bytes(len(content)),
    "nothing": lambda content: b"",
    "str": lambda content: content.decode("latin-1"),
    "bytearray": lambda content: bytearray(content),
    "list": lambda content: [content],
    "int": lambda content: 7,
    "bool": lambda content: True,
    "a session": lambda content: {"marker": "plain"},
}


@each_cache
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_session_whose_entry_was_changed_is_stale(change, cache, act):
    store = saved()
    key = key_of(store)
    cache.set(key, change(cache.get(key)))
    store = reopened(store)

    assert act(store, "rejection") == "stale"
    assert act(store, "data") == {}
    assert store.session_key is None


def test_the_entry_of_another_session_is_not_taken(cache, act):
    mine, other = saved({"user": "ada"}), saved({"user": "grace"})
    cache.set(key_of(mine), cache.get(key_of(other)))

    assert act(reopened(mine), "rejection") == "stale"
    assert act(reopened(other), "get", "user") == "grace"


def test_two_entries_that_changed_places_are_both_refused(cache, act):
    one, other = saved({"user": "ada"}), saved({"user": "grace"})
    contents = cache.get(key_of(one)), cache.get(key_of(other))
    cache.set(key_of(other), contents[0])
    cache.set(key_of(one), contents[1])

    assert act(reopened(one), "rejection") == "stale"
    assert act(reopened(other), "rejection") == "stale"


def test_an_older_entry_of_the_same_session_is_not_taken(cache, act):
    store = saved({"money": 100})
    rich = cache.get(key_of(store))
    store["money"] = 0
    store.save()
    cache.set(key_of(store), rich)

    assert act(reopened(store), "rejection") == "stale"


def sealed(purpose: str, alias: str = "default") -> bytes:
    now = int(time.time())
    metadata = Metadata(secrets.token_bytes(16), now, now, now + DAY)
    return get_codec(alias, purpose).seal_bytes(metadata, b'{"user":"ada"}')


def test_an_entry_and_a_pointer_made_by_hand_are_a_session(cache, act):
    token = pointing_to(sealed("spill"), cache)

    assert act(SessionStore(token), "data") == {"user": "ada"}


@pytest.mark.parametrize("purpose", ["session", "encode", "ws"])
def test_what_was_sealed_for_another_purpose_is_no_entry(purpose, cache, act):
    token = pointing_to(sealed(purpose), cache)

    assert act(SessionStore(token), "data") == {}
    assert act(SessionStore(token), "rejection") == "unknown_key"


def test_the_entry_of_one_named_session_is_none_of_another(cache, act, settings):
    use(settings, SESSIONS={"prefs": {}})
    token = pointing_to(sealed("spill", "prefs"), cache)

    assert act(SessionStore(token), "rejection") == "unknown_key"


def test_an_entry_is_no_cookie(cache, act):
    token = base64url_encode(cache.get(key_of(saved())))

    assert act(SessionStore(token), "rejection") == "unknown_key"


def test_a_cookie_is_no_entry(cache, act):
    store = saved()
    cache.set(key_of(store), store.session_key)

    assert act(reopened(store), "rejection") == "stale"


def test_junk_of_the_right_hash_is_malformed(cache, act):
    assert act(SessionStore(pointing_to(b"junk", cache)), "rejection") == "malformed"


@pytest.mark.parametrize("size", [0, 16, 47, 49, 96])
def test_a_pointer_of_another_size_is_undecodable(size, cache, act):
    store = SessionStore(pointing(secrets.token_bytes(size)))
    Recording.calls.clear()

    assert act(store, "rejection") == "undecodable"
    assert act(reopened(pointing(b"x")), "exists", pointing(b"x")) is False
    assert Recording.calls == []


def test_an_entry_that_is_no_session_is_undecodable(cache, act):
    now = int(time.time())
    metadata = Metadata(secrets.token_bytes(16), now, now, now + DAY)
    content = get_codec("default", "spill").seal_bytes(metadata, b"[1]")

    assert act(SessionStore(pointing_to(content, cache)), "rejection") == "undecodable"


def test_a_pointer_that_was_tampered_with_touches_no_cache(cache, act):
    token = saved().session_key
    changed = token[:100] + ("A" if token[100] != "A" else "B") + token[101:]
    Recording.calls.clear()

    assert act(SessionStore(changed), "rejection") == "tampered"
    assert Recording.calls == []


@pytest.mark.parametrize("break_it", ["delete", "set"])
def test_a_refused_entry_is_announced_with_its_reason(break_it, cache, act):
    reasons = []

    def note(sender, reason, **_):
        reasons.append(reason)

    session_rejected.connect(note)
    store = saved()
    getattr(cache, break_it)(key_of(store), *([b"x"] * (break_it == "set")))
    act(reopened(store), "data")
    session_rejected.disconnect(note)

    assert reasons == [{"delete": "lost", "set": "stale"}[break_it]]


def test_a_refused_entry_is_logged_without_a_token_or_a_value(cache, act, caplog):
    caplog.set_level("DEBUG")
    store = saved({"user": MARKER})
    cache.delete(key_of(store))
    act(reopened(store), "data")

    assert "lost" in caplog.text
    assert MARKER not in caplog.text
    assert store.session_key not in caplog.text
    assert store._entry_name.hex() not in caplog.text


# Saving


def test_each_save_makes_a_new_entry(cache, act):
    store = saved()
    keys = {key_of(store)}
    for n in range(3):
        act(store, "update", {"n": n})
        act(store, "save")
        keys.add(key_of(store))

    assert len(keys) == 4
    assert set(entries(cache)) == keys


def test_a_replaced_entry_lives_for_a_minute_for_parallel_requests(cache, act, clock):
    store = saved({"n": 1})
    before = store.session_key
    clock.tick(1000)
    store["n"] = 2
    act(store, "save")

    clock.tick(59)
    assert act(reopened(before), "get", "n") == 1
    clock.tick(1)
    assert act(reopened(before), "rejection") == "lost"
    assert act(reopened(store), "get", "n") == 2


def test_parallel_requests_can_save_the_same_session(cache, act):
    token = saved().session_key
    one, other = reopened(token), reopened(token)
    act(one, "update", {"n": 1})
    act(other, "update", {"n": 2})
    act(one, "save")
    act(other, "save")

    assert act(reopened(one), "get", "n") == 1
    assert act(reopened(other), "get", "n") == 2


def test_reading_leaves_the_entry_alone(cache, act, clock):
    store = saved()
    key = key_of(store)
    left = seconds_left(cache, key, clock.now)
    Recording.calls.clear()
    act(reopened(store), "get", "marker")

    assert Recording.calls == ["get"]
    assert seconds_left(cache, key, clock.now) == left


def test_a_session_is_looked_up_once_however_often_it_is_read(cache, act):
    store = reopened(saved())
    Recording.calls.clear()
    for member in ("data", "sid", "is_saved", "rejection", "expires_at", "issued_at"):
        act(store, member)

    assert Recording.calls == ["get"]


def test_an_entry_is_kept_as_long_as_the_session_and_the_clocks_may_differ(
    cache, act, clock
):
    store = SessionStore()
    act(store, "set_expiry", 100)
    act(store, "save")

    assert seconds_left(cache, key_of(store), clock.now) == 160


def test_an_entry_is_kept_for_the_cookie_age_by_default(cache, act, clock, settings):
    settings.SESSION_COOKIE_AGE = 5000
    store = SessionStore()
    act(store, "save")

    assert seconds_left(cache, key_of(store), clock.now) == 5060


def test_an_entry_is_kept_no_longer_than_absolute_timeout(cache, act, clock, settings):
    use(settings, ABSOLUTE_TIMEOUT=timedelta(seconds=1000))
    store = saved()
    clock.tick(900)
    act(store, "save")

    assert seconds_left(cache, key_of(store), clock.now) == 160


def test_an_entry_is_kept_for_the_idle_timeout(cache, act, clock, settings):
    use(settings, IDLE_TIMEOUT=600)
    store = SessionStore()
    act(store, "save")

    assert seconds_left(cache, key_of(store), clock.now) == 660


@pytest.mark.parametrize("ago", [timedelta(seconds=1), timedelta(days=1)])
def test_an_expiry_in_the_past_is_saved_and_dead_at_once(ago, cache, act, clock):
    store = SessionStore()
    act(store, "set_expiry", clock.datetime() - ago)
    act(store, "save")

    assert act(reopened(store), "rejection") == "expired"


def test_shrinking_below_the_border_brings_the_session_back_into_the_cookie(
    cache, act, settings, clock
):
    use(settings, SPILL_ABOVE=None)
    store = saved({"big": "x" * 5000})
    before, key = store.session_key, key_of(store)
    store = reopened(store)
    act(store, "pop", "big")
    act(store, "save")

    assert not is_pointer(store)
    assert seconds_left(cache, key, clock.now) == 60
    clock.tick(60)
    assert act(reopened(before), "rejection") == "lost"
    assert act(reopened(store), "get", "marker") == "plain"


def test_growing_above_the_border_moves_the_session_into_the_cache(
    cache, act, settings
):
    use(settings, SPILL_ABOVE=None)
    store = reopened(saved())
    act(store, "update", {"big": "x" * 5000})
    act(store, "save")

    assert is_pointer(store)
    assert act(reopened(store), "get", "big") == "x" * 5000


def test_a_session_that_shrank_forgets_its_old_entry(cache, act, settings):
    use(settings, SPILL_ABOVE=None)
    store = saved({"big": "x" * 5000})
    act(store, "pop", "big")
    act(store, "save")
    Recording.calls.clear()
    act(store, "save")

    assert Recording.calls == []


def test_an_entry_of_nearly_a_million_bytes_is_kept(cache, act):
    store = SessionStore()
    store["v"] = "x" * 999_892
    act(store, "save")

    size = len(cache.get(key_of(store)))
    assert SPILL_LIMIT - 48 < size <= SPILL_LIMIT
    assert len(act(reopened(store), "get", "v")) == 999_892


def test_an_entry_over_a_million_bytes_is_too_large(cache, act):
    store = SessionStore()
    store["v"], store["small"] = "x" * 999_893, 1
    with pytest.raises(SessionTooLarge) as caught:
        act(store, "save")

    text = str(caught.value)
    for part in ("cache entry", "1000032", "1000000", "'v'", "'small'", "database"):
        assert part in text
    assert (caught.value.size, caught.value.limit) == (1_000_032, 1_000_000)
    assert (entries(cache), store.session_key) == ([], None)


def test_a_session_that_grew_too_large_is_as_it_was(cache, act):
    store = saved()
    before, key = store.session_key, key_of(store)
    store["v"] = "x" * 1_000_000
    with pytest.raises(SessionTooLarge):
        act(store, "save")

    assert store.session_key == before
    assert entries(cache) == [key]
    assert act(reopened(before), "data") == {"marker": "plain"}


def test_a_session_too_deep_writes_no_entry(cache, act):
    store, nested = SessionStore(), []
    for _ in range(200):
        nested = [nested]
    store["deep"] = nested
    with pytest.raises(SessionTooDeep):
        act(store, "save")

    assert Recording.calls == []


def test_a_token_of_what_only_the_cache_holds_is_too_large(cache):
    with pytest.raises(SessionTooLarge, match="cookie 'sessionid'"):
        encode_session({"big": "x" * 5000})


# The members of a session


@each_cache
def test_logging_out_removes_the_entry_at_once(cache, act):
    store = saved()
    copied, key = store.session_key, key_of(store)
    act(reopened(store), "flush")

    assert cache.get(key) is None
    assert act(reopened(copied), "rejection") == "lost"


def test_after_a_flush_nothing_of_the_session_is_saved_again(cache, act):
    store = reopened(saved())
    sid = act(store, "sid")
    act(store, "flush")
    act(store, "update", {"new": 1})
    act(store, "save")

    assert act(reopened(store), "data") == {"new": 1}
    assert act(reopened(store), "sid") != sid
    assert len(entries(cache)) == 1


def test_flushing_a_lost_session_is_no_error(cache, act):
    store = saved()
    cache.clear()
    store = reopened(store)
    act(store, "flush")

    assert store.is_empty()


def test_clear_leaves_the_entry_until_it_is_saved(cache, act):
    store = reopened(saved())
    key = key_of(store)
    store.clear()

    assert cache.get(key) is not None
    act(store, "save")
    assert act(reopened(store), "data") == {}


@pytest.mark.parametrize("method", ["cycle_key", "regenerate", "create"])
def test_a_new_sid_means_a_new_entry_and_the_old_one_goes_soon(
    method, cache, act, clock
):
    store = reopened(saved())
    sid, before, key = store.sid, store.session_key, key_of(store)
    act(store, method)

    assert act(reopened(store), "sid") != sid
    assert key_of(store) != key
    assert seconds_left(cache, key, clock.now) == 60
    clock.tick(60)
    assert act(reopened(before), "rejection") == "lost"


def test_cycle_key_keeps_the_data(cache, act):
    store = reopened(saved({"cart": [1]}))
    act(store, "cycle_key")

    assert act(reopened(store), "data") == {"marker": "plain", "cart": [1]}


def test_regenerate_keeps_what_is_to_be_kept(cache, act):
    store = reopened(saved({"cart": [1]}))
    act(store, "regenerate", keep=["cart"])

    assert act(reopened(store), "data") == {"cart": [1]}


def test_deleting_another_session_removes_its_entry_alone(cache, act):
    mine, other = saved(), saved()
    act(mine, "delete", other.session_key)

    assert entries(cache) == [key_of(mine)]
    assert act(reopened(other), "rejection") == "lost"
    assert act(reopened(mine), "get", "marker") == "plain"
    assert mine.session_key is not None


def test_deleting_an_expired_session_removes_its_entry(cache, act, clock):
    store = SessionStore()
    store.set_expiry(10)
    store.save()
    clock.tick(11)
    act(SessionStore(), "delete", store.session_key)

    assert entries(cache) == []


def test_deleting_an_older_token_of_this_session_ends_this_session(cache, act):
    store = saved()
    before = store.session_key
    store.save()
    after = store.session_key
    act(store, "delete", before)

    assert store.session_key is None
    assert store.is_empty()
    assert act(reopened(before), "rejection") == "lost"
    assert act(reopened(after), "rejection") == "lost"


@pytest.mark.parametrize("junk", ["", "junk-junk", "A" * 192])
def test_deleting_junk_leaves_the_cache_alone(junk, cache, act):
    store = saved()
    Recording.calls.clear()
    act(store, "delete", junk)

    assert Recording.calls == []
    assert store.session_key is not None


def test_deleting_a_pointer_of_a_wrong_size_leaves_the_cache_alone(cache, act):
    store = saved()
    Recording.calls.clear()
    act(store, "delete", pointing(b"short"))

    assert Recording.calls == []


def test_a_session_exists_while_its_entry_does(cache, act):
    store = saved()
    other = SessionStore()
    assert act(other, "exists", store.session_key) is True

    cache.delete(key_of(store))
    assert act(other, "exists", store.session_key) is False


def test_a_session_with_a_changed_entry_does_not_exist(cache, act):
    store = saved()
    cache.set(key_of(store), b"x")

    assert act(SessionStore(), "exists", store.session_key) is False


def test_a_session_that_was_flushed_does_not_exist(cache, act):
    store = saved()
    token = store.session_key
    act(store, "flush")

    assert act(store, "exists", token) is False
    assert act(SessionStore(), "exists", token) is False


def test_reload_reads_the_entry_again(cache, act):
    store = reopened(saved({"n": 1}))
    act(store, "update", {"n": 2})
    act(store, "reload")

    assert act(store, "get", "n") == 1
    assert act(store, "is_saved") is True


def test_reload_of_a_session_whose_entry_went_is_lost(cache, act):
    store = reopened(saved())
    act(store, "get", "marker")
    cache.clear()
    act(store, "reload")

    assert act(store, "rejection") == "lost"
    assert act(store, "data") == {}


def test_a_session_in_the_cache_knows_whether_it_is_saved(cache, act):
    store = reopened(saved({"list": [1]}))
    assert act(store, "is_saved") is True
    store["list"].append(2)

    assert act(store, "is_saved") is False
    assert act(store, "is_modified") is True
    act(store, "save")
    assert act(store, "is_saved") is True


def test_a_session_in_the_cache_knows_its_times(cache, act, clock):
    store = reopened(saved())

    assert act(store, "created_at") == clock.datetime()
    assert act(store, "issued_at") == clock.datetime()
    assert act(store, "expires_at") == clock.datetime() + timedelta(days=14)


def test_an_encoded_session_goes_to_no_cache(cache):
    store = saved()
    Recording.calls.clear()
    tokens = [encode_session({"a": 1}), encode_session(store)]

    assert Recording.calls == []
    cache.clear()
    assert [decode_session(token).data() for token in tokens] == [
        {"a": 1},
        {"marker": "plain"},
    ]


async def test_an_async_encoded_session_goes_to_no_cache(cache, hops):
    token = await aencode_session({"a": 1})

    assert (Recording.calls, hops) == ([], [])
    assert await (await adecode_session(token)).adata() == {"a": 1}
    assert hops == []


def test_encode_and_decode_go_to_no_cache(cache):
    store = SessionStore()

    assert store.decode(store.encode({"big": "x" * 10_000})) == {"big": "x" * 10_000}
    assert Recording.calls == []


def test_decode_session_reads_a_session_in_the_cache(cache):
    token = create_session({"a": 1}).session_key

    assert decode_session(token)["a"] == 1
    cache.clear()
    assert decode_session(token) is None


async def test_adecode_session_reads_a_session_in_the_cache(cache, hops):
    token = (await _acreated({"a": 1})).session_key
    hops.clear()

    assert await (await adecode_session(token)).aget("a") == 1
    assert len(hops) == 1


async def _acreated(data) -> SessionStore:
    store = SessionStore()
    await store.aupdate(data)
    await store.asave()
    return store


# Keys


@pytest.fixture
def rotated(clock, cache, settings) -> SessionStore:
    """A session from before the key was changed."""
    store = saved()
    old = settings.SECURE_SESSION["KEY"]
    use(settings, KEY=secrets.token_bytes(32), KEY_FALLBACKS=[old])
    return store


def test_a_session_of_an_old_key_is_sealed_anew_once(rotated, act):
    resealed = []

    def note(sender, sid, **_):
        resealed.append(sid)

    session_resealed.connect(note)
    store = reopened(rotated)
    assert act(store, "get", "marker") == "plain"
    assert store.modified
    act(store, "save")
    again = reopened(store)
    assert act(again, "get", "marker") == "plain"
    assert not again.modified
    act(again, "save")
    session_resealed.disconnect(note)

    assert resealed == [store.sid]


def test_both_pointer_and_entry_are_sealed_with_the_new_key(rotated, act, settings):
    store = reopened(rotated)
    act(store, "touch")
    act(store, "save")
    use(settings, KEY_FALLBACKS=[])

    assert act(reopened(store), "get", "marker") == "plain"
    assert act(reopened(rotated), "rejection") == "unknown_key"


def test_the_entry_of_the_old_key_goes_soon(rotated, act, cache, clock):
    store = reopened(rotated)
    act(store, "touch")
    act(store, "save")

    assert seconds_left(cache, key_of(rotated), clock.now) == 60


# A cache that fails


@pytest.mark.parametrize("member", ["data", "save"])
def test_a_cache_that_is_down_is_said_to_be(member, cache, act):
    store = saved()
    Recording.fail()
    with pytest.raises(StoreUnavailable) as caught:
        act(reopened(store) if member == "data" else store, member)

    assert "'default'" in caught.value.store
    assert "'default'" in str(caught.value)
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("member", ["data", "sid", "rejection", "reload", "touch"])
def test_a_session_that_cannot_be_read_is_read_when_the_cache_is_back(
    member, cache, act
):
    store = reopened(saved())
    Recording.fail()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            act(store, member)
    Recording.recover()

    assert act(store, "get", "marker") == "plain"
    assert act(store, "rejection") is None


def test_an_outage_is_no_rejection(cache, act):
    reasons = []

    def note(sender, reason, **_):
        reasons.append(reason)

    session_rejected.connect(note)
    store = saved()
    token = store.session_key
    store = reopened(store)
    Recording.fail()
    with pytest.raises(StoreUnavailable):
        act(store, "data")
    session_rejected.disconnect(note)

    assert reasons == []
    assert store.session_key == token
    assert not store.is_empty()


def test_a_session_that_cannot_be_saved_is_as_it_was(cache, act):
    store = reopened(saved())
    before = store.session_key
    act(store, "update", {"new": 1})
    Recording.fail("set", "add")
    with pytest.raises(StoreUnavailable):
        act(store, "save")
    Recording.recover()

    assert store.session_key == before
    assert act(reopened(before), "data") == {"marker": "plain"}
    act(store, "save")
    assert act(reopened(store), "data") == {"marker": "plain", "new": 1}


def test_a_session_whose_old_entry_cannot_be_shortened_is_not_saved(cache, act, clock):
    store = reopened(saved())
    before, left = store.session_key, seconds_left(cache, key_of(store), clock.now)
    Recording.fail("touch")
    with pytest.raises(StoreUnavailable):
        act(store, "save")

    assert store.session_key == before
    assert seconds_left(cache, key_of(store), clock.now) == left


@pytest.mark.parametrize("method", ["flush", "delete"])
def test_a_session_that_cannot_be_removed_is_as_it_was(method, cache, act):
    store = reopened(saved())
    act(store, "data")
    Recording.fail("delete")
    with pytest.raises(StoreUnavailable):
        act(store, method)
    Recording.recover()

    assert act(reopened(store), "data") == {"marker": "plain"}


def test_whether_a_session_exists_is_not_known_during_an_outage(cache, act):
    token = saved().session_key
    Recording.fail()
    with pytest.raises(StoreUnavailable):
        act(SessionStore(), "exists", token)


def test_no_error_of_an_outage_shows_the_session(cache, act):
    store = reopened(saved({"user": MARKER}))
    Recording.fail()
    with pytest.raises(StoreUnavailable) as caught:
        act(store, "data")

    for shown in (str(caught.value), repr(caught.value)):
        assert store.session_key not in shown
        assert MARKER not in shown


class Forgetful(Recording):
    """A cache that keeps nothing and says so, as Django's in a database can."""

    def set(self, *args, **kwargs):
        """Lose it: Django's set() returns nothing that would tell."""

    def add(self, *args, **kwargs):
        return False


def test_a_cache_that_did_not_keep_the_entry_is_unavailable(cache, act, settings):
    store = reopened(saved())
    before = store.session_key
    settings.CACHES = {
        "default": {
            **settings.CACHES["default"],
            "BACKEND": f"{__name__}.Forgetful",
        }
    }
    with pytest.raises(StoreUnavailable):
        act(store, "save")

    assert store.session_key == before


# Async


async def test_one_look_up_and_one_save_are_one_hop_each(cache, hops):
    store = reopened(await _acreated({"a": 1}))
    hops.clear()
    await store.adata()
    assert len(hops) == 1

    await store.aset("a", 2)
    await store.asave()
    assert len(hops) == 2

    for member in ("asid", "acreated_at", "ais_saved", "arejection", "adata"):
        await getattr(store, member)()
    assert len(hops) == 2


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("aload", 1),
        ("aget_expiry_age", 1),
        ("areload", 1),
        ("atouch", 1),
        ("asave", 2),
        ("acycle_key", 2),
        ("aregenerate", 2),
        ("acreate", 1),
        ("adelete", 2),
        ("aflush", 2),
    ],
)
async def test_each_member_hops_as_often_as_it_needs_the_cache(
    method, expected, cache, hops
):
    store = reopened(await _acreated({"a": 1}))
    hops.clear()
    await getattr(store, method)()

    assert len(hops) == expected


async def test_exists_is_one_hop(cache, hops):
    token = (await _acreated({"a": 1})).session_key
    hops.clear()

    assert await SessionStore().aexists(token)
    assert len(hops) == 1


async def test_a_session_in_the_cookie_needs_no_hop(cache, hops, settings):
    use(settings, SPILL_ABOVE=None)
    store = reopened(await _acreated({"a": 1}))
    await store.aset("a", 2)
    await store.asave()
    await store.aflush()

    assert hops == []


def _assign(store):
    store["a"] = 1


SYNCHRONOUS = {
    "get": lambda store: store.get("a"),
    "[]": lambda store: store["a"],
    "[] =": _assign,
    "in": lambda store: "a" in store,
    "len": len,
    "iteration": list,
    "keys": lambda store: store.keys(),
    "pop": lambda store: store.pop("a"),
    "setdefault": lambda store: store.setdefault("a", 1),
    "data": lambda store: store.data(),
    "sid": lambda store: store.sid,
    "save": lambda store: store.save(),
    "flush": lambda store: store.flush(),
    "exists": lambda store: SessionStore().exists(store.session_key),
    "decode_session": lambda store: decode_session(store.session_key),
}


@pytest.mark.parametrize("use_of_it", SYNCHRONOUS.values(), ids=SYNCHRONOUS)
async def test_using_it_synchronously_in_async_code_names_the_way_out(use_of_it, cache):
    store = reopened(await _acreated({"a": 1}))
    token = store.session_key
    Recording.calls.clear()
    with pytest.raises(SynchronousOnlyOperation) as caught:
        use_of_it(store)

    assert re.search(r"a\.\.\. methods.*aget\(\)", str(caught.value))
    assert Recording.calls == []
    assert store.session_key == token


async def test_after_an_await_the_data_can_be_used_synchronously(cache):
    store = reopened(await _acreated({"a": 1}))
    await store.adata()

    assert store["a"] == 1
    store["a"] = 2
    assert store.is_modified()


async def test_saving_synchronously_in_async_code_is_refused_too(cache):
    store = SessionStore()
    store["a"] = 1
    with pytest.raises(SynchronousOnlyOperation, match="aset"):
        store.save()

    assert store.session_key is None
