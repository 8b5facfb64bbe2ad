"""API keys as texts: the round trip, and whatever somebody makes of a good one."""

from __future__ import annotations

import hashlib
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.tokens import Presented, mint, parse
from tests.api_keys import BASE62, base62, checked

LATIN_1 = [chr(byte) for byte in range(256)]
#: Beyond Latin-1: other digits and letters, look-alikes, spaces, half a character.
OTHERS = (
    "\u0663\uff13\uff21\uff41\u217f\u017f\u0131\u0130\u212a\u0431\u0455"
    "\u2003\u2028\u200b\ufeff\ud800\U0001f600"
)

prefixes = st.from_regex(r"[a-z][a-z0-9]{1,15}", fullmatch=True)
environments = st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)


def is_key(text: str) -> bool:
    return parse(text, "dss") is not None


@pytest.fixture(scope="module")
def key() -> str:
    return mint("dss", "live").text


# What a key is


@given(prefixes, environments)
def test_what_is_minted_is_found_again(prefix, env):
    minted = mint(prefix, env)

    assert parse(minted.text, prefix) == Presented(minted.key_id, minted.digest)


@given(prefixes, environments)
def test_a_key_has_the_parts_that_are_documented(prefix, env):
    minted = mint(prefix, env)
    *named, key_id, rest = minted.text.split("_")

    assert (named, key_id) == ([prefix, env], minted.key_id)
    assert (len(key_id), len(rest)) == (12, 43 + 6)
    assert set(key_id + rest) <= set(BASE62)
    assert minted.text == checked(minted.text[:-6])


def test_what_is_stored_is_the_hash_of_the_whole_text():
    minted = mint("dss", "live")

    assert minted.digest == hashlib.sha256(minted.text.encode()).hexdigest()


def test_the_secret_has_256_bits():
    assert len(set(tokens.ALPHABET)) ** tokens.SECRET_LENGTH >= 2**256


def test_every_character_is_drawn_at_every_position():
    drawn = [mint("dss", "live").text[9:-6].replace("_", "") for _ in range(2_000)]

    assert all(set(place) == set(BASE62) for place in zip(*drawn, strict=True))


def test_the_system_s_own_source_draws_each_character(monkeypatch):
    monkeypatch.setattr("secrets.choice", lambda alphabet: alphabet[-1])

    assert mint("dss", "live").text.startswith(f"dss_live_{'z' * 12}_{'z' * 43}")


def test_no_two_keys_share_anything():
    minted = [mint("dss", "live") for _ in range(500)]

    for shared in ("text", "key_id", "digest"):
        assert len({getattr(each, shared) for each in minted}) == 500


def test_neither_the_text_nor_the_secret_shows_in_a_repr():
    minted = mint("dss", "live")
    shown = repr(minted) + str(minted) + repr(parse(minted.text, "dss"))

    assert minted.text[22:] not in shown


# What a key is not


def test_every_other_character_at_every_position_is_refused(key):
    for place, original in enumerate(key):
        for character in [*LATIN_1, *OTHERS]:
            changed = key[:place] + character + key[place + 1 :]
            assert is_key(changed) == (character == original), (place, character)


def test_every_other_character_is_refused_even_with_the_right_check(key):
    body = key[:-6]
    for place in range(len(body)):
        for character in {*LATIN_1, *OTHERS} - set(BASE62):
            changed = body[:place] + character + body[place + 1 :]
            assert is_key(checked(changed)) == (changed == body), (place, character)


def test_every_beginning_and_every_end_of_a_key_is_refused(key):
    for cut in range(len(key)):
        assert not is_key(key[:cut])
        assert not is_key(key[len(key) - cut :])


def test_every_character_removed_is_refused(key):
    for place in range(len(key)):
        shorter = key[:place] + key[place + 1 :]
        assert not is_key(shorter)


def test_every_character_inserted_is_refused(key):
    for place in range(len(key) + 1):
        for character in LATIN_1:
            assert not is_key(key[:place] + character + key[place:])


def test_one_character_more_or_less_is_refused_even_with_the_right_check(key):
    body = key[:-6]
    for place in range(len("dss_live_"), len(body)):
        assert not is_key(checked(body[:place] + body[place + 1 :]))
        assert not is_key(checked(body[:place] + "0" + body[place:]))


def test_every_two_swapped_characters_are_refused(key):
    for one in range(len(key)):
        for other in range(one):
            changed = list(key)
            changed[one], changed[other] = changed[other], changed[one]
            assert is_key("".join(changed)) == (key[one] == key[other]), (one, other)


def test_every_cut_of_two_keys_into_one_is_refused(key):
    other = mint("dss", "live").text
    for cut in range(10, len(key) - 1):
        mixed = key[:cut] + other[cut:]
        assert not is_key(mixed) or mixed in (key, other)


@given(st.text())
def test_no_text_is_a_key_by_chance(text):
    assert not is_key(text)
    assert not is_key(f"dss_{text}")
    assert not is_key(f"dss_live_{text}")


@given(st.text(BASE62, min_size=12, max_size=12), st.text(BASE62, min_size=49))
def test_what_only_looks_like_a_key_is_refused(key_id, rest):
    text = f"dss_live_{key_id}_{rest[:49]}"

    assert is_key(text) == (text == checked(text[:-6]))


@given(st.text(string.printable, max_size=80))
def test_a_right_check_makes_no_key_of_a_text(text):
    assert not is_key(checked(text))


SECRET = "0" * 43
SHAPES = {
    "no prefix": f"live_{'0' * 12}_{SECRET}",
    "an empty prefix": f"_live_{'0' * 12}_{SECRET}",
    "another prefix": f"abc_live_{'0' * 12}_{SECRET}",
    "a longer prefix": f"dssx_live_{'0' * 12}_{SECRET}",
    "a shorter prefix": f"ds_live_{'0' * 12}_{SECRET}",
    "a prefix in capitals": f"DSS_live_{'0' * 12}_{SECRET}",
    "no environment": f"dss_{'0' * 12}_{SECRET}",
    "an empty environment": f"dss__{'0' * 12}_{SECRET}",
    "an environment in capitals": f"dss_LIVE_{'0' * 12}_{SECRET}",
    "an environment that begins with a digit": f"dss_1ive_{'0' * 12}_{SECRET}",
    "an environment that is too long": f"dss_{'a' * 17}_{'0' * 12}_{SECRET}",
    "two environments": f"dss_live_test_{'0' * 12}_{SECRET}",
    "a short id": f"dss_live_{'0' * 11}_{SECRET}",
    "a long id": f"dss_live_{'0' * 13}_{SECRET}",
    "no id": f"dss_live__{SECRET}",
    "an underscore in the id": f"dss_live_{'0' * 6}_{'0' * 5}_{SECRET}",
    "a hyphen in the id": f"dss_live_{'0' * 11}-_{SECRET}",
    "a short secret": f"dss_live_{'0' * 12}_{'0' * 42}",
    "a long secret": f"dss_live_{'0' * 12}_{'0' * 44}",
    "no secret": f"dss_live_{'0' * 12}_",
    "hyphens for underscores": f"dss-live-{'0' * 12}-{SECRET}",
    "a space before": f" dss_live_{'0' * 12}_{SECRET}",
    "a line break before": f"\ndss_live_{'0' * 12}_{SECRET}",
    "Arabic digits": f"dss_live_{chr(0x663) * 12}_{SECRET}",
    "wide letters": f"dss_live_{chr(0xFF41) * 12}_{SECRET}",
}


def test_the_shape_counts_even_where_the_check_is_right():
    assert [case for case, body in SHAPES.items() if is_key(checked(body))] == []


def test_the_shape_that_those_are_held_against_is_a_key():
    assert is_key(checked(f"dss_live_{'0' * 12}_{SECRET}"))
    assert is_key(checked(f"dss_{'a' * 16}_{'0' * 12}_{SECRET}"))


def test_nothing_may_stand_behind_a_key(key):
    for end in ["\n", "\r\n", "\x00", " ", "=", "_", ",", "0"]:
        assert not is_key(key + end)
        assert not is_key(key + end + key)


def test_nothing_may_stand_behind_a_key_whatever_its_check_says(monkeypatch):
    monkeypatch.setattr(tokens, "_check", lambda body: "000000")
    text = f"dss_live_{'0' * 12}_{'0' * 49}"

    assert is_key(text)
    assert not any(is_key(text + end) for end in ["0", "\n", "\x00", " ", ",Bearer x"])


def test_a_check_that_is_written_shorter_or_longer_is_refused(key):
    for places in (1, 2, 3):
        assert not is_key(key[:-6] + "0" * places + key[-6:])
        assert not is_key(key[:-6] + key[-6 + places :])


def test_a_check_that_is_too_big_for_a_crc_is_refused(key):
    number = zlib.crc32(key[:-6].encode())
    for more in range(1, 62**6 // 2**32):
        assert not is_key(key[:-6] + base62(number + more * 2**32))


def test_a_key_of_another_site_is_no_key_of_this_one():
    assert not is_key(mint("dss2", "live").text)
    assert not is_key(mint("ds", "live").text)


def test_a_million_characters_are_refused_before_anything_is_hashed(monkeypatch):
    for name in ("_check", "digest"):
        monkeypatch.setattr(tokens, name, lambda text: pytest.fail("it was hashed"))

    for unit in ["a", "_", "dss_", "dss_live_", "\x00", "\xe9"]:
        text = unit * (1_000_000 // len(unit))
        assert not is_key(text)
        assert not is_key("dss_live_" + text)
