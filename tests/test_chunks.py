"""Tokens in several cookies: split, put together, refused and cleaned up."""

from __future__ import annotations

import itertools
import secrets
import string
import sys
import tracemalloc

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.signals import got_request_exception
from django.http import HttpResponse
from hypothesis import example, given
from hypothesis import strategies as st

from django_secure_session import SessionTooLarge, cookies
from django_secure_session.chunks import (
    COOKIE_LIMIT,
    TOTAL_LIMIT,
    chunked_capacity,
    single_capacity,
    split,
)
from django_secure_session.codec import Codec
from django_secure_session.keyring import Box
from tests.http import (
    SECURE_MIDDLEWARE,
    SERVERS,
    Browser,
    ashown,
    both,
    calling,
    sealed,
    shown,
    writing,
    wsgi,
)

NAME = "sessionid"
SIBLING = "evil.example.com"
ALPHABET = string.ascii_letters + string.digits + "-_"
BIG = {"big": "x" * 4000}


@pytest.fixture(autouse=True)
def _chunked(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    place(settings, "chunked")


def place(settings, placement: str) -> None:
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "PLACEMENT": placement}


def header(*pairs: tuple[str, str]) -> bytes:
    return "; ".join(f"{name}={value}" for name, value in pairs).encode("latin-1")


def joined(name: str, pieces: dict[str, str]) -> str:
    (token,) = cookies.tokens(header(*pieces.items()).decode("latin-1"), name)
    return token


def some_token(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


@pytest.fixture(scope="module")
def long_text() -> str:
    return some_token(TOTAL_LIMIT)


@pytest.fixture
def first_and_second() -> list[tuple[str, str]]:
    """Return the two cookies of one session."""
    first, second = split(NAME, sealed(BIG)).items()
    return [first, second]


@pytest.fixture(params=SERVERS)
def browser(request):
    return Browser(request.param)


@pytest.fixture
def errors():
    """Collect what is raised in requests. Under ASGI Django 5.2 can't propagate it."""
    found = []

    def receiver(**kwargs):
        found.append(sys.exc_info()[1])

    got_request_exception.connect(receiver)
    yield found
    got_request_exception.disconnect(receiver)


# Splitting and joining


@pytest.mark.parametrize("name", ["s", NAME, "__Host-sid", "n" * 255, "a.b.1"])
def test_a_token_of_every_length_around_the_limits_comes_back(name, long_text):
    for limit in (20, single_capacity(name), chunked_capacity(name)):
        for length in range(limit - 70, limit + 70):
            token = long_text[: max(length, 1)]
            assert joined(name, split(name, token)) == token


@given(
    st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=255),
    st.integers(1, TOTAL_LIMIT),
)
@example("n" * 255, TOTAL_LIMIT)
@example("n", TOTAL_LIMIT)
def test_a_token_of_any_length_and_name_comes_back(name, length):
    token = (ALPHABET * 200)[:length]

    assert joined(name, split(name, token)) == token


@given(
    st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=255),
    st.integers(1, 30_000),
)
@example("n", 30_000)
def test_no_cookie_is_too_large_and_the_fewest_are_made(name, length):
    pieces = split(name, "x" * length)
    sizes = [len(chunk) + len(value) for chunk, value in pieces.items()]

    assert max(sizes) <= COOKIE_LIMIT
    assert (len(sizes) == 1) is (length <= COOKIE_LIMIT - len(name))
    assert len(sizes) <= 2 or length > chunked_capacity(name)


@given(st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=255))
def test_the_cookies_of_the_longest_token_take_just_the_limit(name):
    pieces = split(name, "x" * chunked_capacity(name))

    assert sum(map(len, itertools.chain(*pieces.items()))) == TOTAL_LIMIT


def test_a_token_that_fits_is_the_cookie():
    token = "x" * single_capacity(NAME)

    assert split(NAME, token) == {NAME: token}


def test_chunks_are_named_by_numbers_in_their_order(long_text):
    pieces = split(NAME, (long_text * 6)[:40_000])

    assert list(pieces) == [NAME, *(f"{NAME}.{i}" for i in range(1, 10))]


# Sessions of every size


@pytest.mark.parametrize("size", [*range(2700, 3200, 41), *range(5300, 5480, 31)])
def test_a_session_of_any_size_survives_a_reload(browser, size):
    browser.get(writing(text="x" * size))
    stored = browser.named(NAME)

    assert browser.get(ashown).json()["data"] == {"text": "x" * size}
    assert sum(len(c.name + c.value) for c in stored) <= TOTAL_LIMIT


@pytest.mark.parametrize(("size", "number"), [(2700, 1), (3150, 2), (5470, 2)])
def test_sessions_of_all_kinds_are_among_those_sizes(browser, size, number):
    browser.get(writing(text="x" * size))

    assert len(browser.named(NAME)) == number


@pytest.mark.parametrize("server", SERVERS)
def test_a_session_too_large_for_chunks_is_an_error_and_sends_nothing(server, errors):
    answer = server(writing(text="x" * 6000))

    assert (answer.status, answer.set_cookies) == (500, [])
    (error,) = errors
    assert isinstance(error, SessionTooLarge)
    assert error.limit == TOTAL_LIMIT - len(f"2.{NAME}.1.") - 8


def test_the_largest_session_fits_and_a_block_more_does_not(browser):
    fits = 5540
    while len(sealed({"text": "x" * (fits + 1)})) <= chunked_capacity(NAME):
        fits += 1
    browser.get(writing(text="x" * fits))
    assert browser.get(shown).json()["data"] == {"text": "x" * fits}

    assert browser.get(writing(text="x" * (fits + 1))).status == 500
    assert browser.get(shown).json()["data"] == {"text": "x" * fits}


@pytest.mark.parametrize("placement", ["cookie", "chunked"])
@pytest.mark.parametrize("server", SERVERS)
def test_djangos_middleware_never_sends_chunks(settings, server, placement, errors):
    settings.MIDDLEWARE = [f"{SessionMiddleware.__module__}.SessionMiddleware"]
    place(settings, placement)
    answer = server(writing(**BIG))

    assert (answer.status, answer.set_cookies) == (500, [])
    assert [type(error) for error in errors] == [SessionTooLarge]


# What arrives


def assert_big(*pairs):
    answer = both(shown, header(*pairs))
    assert answer.json() == {"data": BIG, "rejection": None}
    assert answer.set_cookies == []


def assert_refused(*pairs):
    answer = both(shown, header(*pairs)).json()
    assert answer["data"] == {}
    assert answer["rejection"] in {"malformed", "unknown_version"}


def test_the_order_of_the_cookies_does_not_matter(first_and_second):
    for order in itertools.permutations([*first_and_second, ("a", "b")]):
        assert_big(*order)


def test_a_lost_chunk_is_an_empty_session(first_and_second):
    first, _ = first_and_second

    assert_refused(first)
    assert_refused(first, (f"{NAME}.2", "x"))


def test_a_chunk_without_the_first_is_no_session(first_and_second):
    _, second = first_and_second
    answer = both(shown, header(second))

    assert answer.json() == {"data": {}, "rejection": None}
    assert answer.set_cookies == []


def test_a_refused_session_leaves_no_chunk(browser):
    browser.get(writing(**BIG))
    browser.cookies = {
        identity: cookie
        for identity, cookie in browser.cookies.items()
        if cookie.name == NAME
    }
    browser.get(shown)

    assert browser.named(NAME) == []


@pytest.mark.parametrize("name", [NAME, f"{NAME}.1"])
def test_a_copy_of_a_chunk_does_not_matter(first_and_second, name):
    copy = (name, dict(first_and_second)[name])

    for order in itertools.permutations([*first_and_second, copy]):
        assert_big(*order)


FOREIGN = ["", "x", "x" * 500, ".", "x.y", "AAAAAAAA.", "AAAAAAAA.x", "2.x", "é"]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_chunk_beside_the_real_one_does_not_matter(first_and_second, foreign):
    for order in itertools.permutations([*first_and_second, (f"{NAME}.1", foreign)]):
        assert_big(*order)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_chunk_in_the_place_of_the_real_one_is_refused(
    first_and_second, foreign
):
    assert_refused(first_and_second[0], (f"{NAME}.1", foreign))


def test_another_chunk_that_knows_the_nonce_is_never_put_in(first_and_second):
    first, (name, value) = first_and_second
    forged = (name, value[:-1] + ("A" if value[-1] != "A" else "B"))

    for order in itertools.permutations([*first_and_second, forged]):
        assert_refused(*order)
    assert both(shown, header(first, forged)).json()["rejection"] == "tampered"


def test_chunks_of_two_sessions_are_never_put_together(first_and_second):
    (_, one), (name, other) = first_and_second
    theirs = dict(split(NAME, sealed({"big": "y" * 4000})))

    assert_refused((NAME, one), (name, theirs[name]))
    assert_refused((NAME, theirs[NAME]), (name, other))


def test_chunks_of_two_states_of_a_session_are_told_apart():
    sid = secrets.token_bytes(16)
    states = [sealed({"n": n, **BIG}, sid=sid, issued=10 * n - 90) for n in range(3)]
    pairs = [pair for state in states for pair in split(NAME, state).items()]

    for order in itertools.islice(itertools.permutations(pairs), 0, 720, 7):
        assert both(shown, header(*order)).json()["data"]["n"] == 2


def test_chunks_of_two_sessions_are_ambiguous():
    theirs = sealed({"big": "y" * 4000})
    pairs = [
        pair for token in (sealed(BIG), theirs) for pair in split(NAME, token).items()
    ]

    for order in itertools.permutations(pairs):
        answer = both(shown, header(*order)).json()
        assert answer == {"data": {}, "rejection": "ambiguous"}


def test_swapped_values_are_refused(first_and_second):
    (first_name, first), (second_name, second) = first_and_second

    assert_refused((first_name, second), (second_name, first))


def test_no_two_cookies_of_one_chunk_are_put_together(first_and_second):
    first, (name, value) = first_and_second
    half = len(value) // 2
    tag = value[:9]

    assert_refused(first, (name, value[:half]), (name, tag + value[half:]))


COUNTS = ["9.", "1.", "0.", "3.", "22.", "02.", "-2.", "+2.", "2 .", "2..", ".2."]


@pytest.mark.parametrize("count", [*COUNTS, "2", "", ".", "\u0662.", "\u00b2."])
def test_another_count_is_refused_whatever_else_is_there(first_and_second, count):
    (_, value), second = first_and_second
    raw = count.encode().decode("latin-1")
    more = [(f"{NAME}.{i}", second[1]) for i in range(2, 30)]

    assert_refused((NAME, raw + value[2:]), second)
    assert_refused((NAME, raw + value[2:]), second, *more)


@pytest.mark.parametrize(
    "name", [f"{NAME}.01", f"{NAME}.1.", f"{NAME}.1 ", f"{NAME}.\u0661"]
)
def test_a_chunk_under_another_name_is_none(first_and_second, name):
    first, (_, value) = first_and_second

    assert_refused(first, (name.encode().decode("latin-1"), value))


def test_a_whole_token_needs_no_chunk(first_and_second):
    whole = (NAME, sealed({"n": 1}))
    _, second = first_and_second

    for order in itertools.permutations([whole, second]):
        assert both(shown, header(*order)).json()["data"] == {"n": 1}


def test_garbage_in_chunks_beside_a_whole_token_logs_nobody_out(first_and_second):
    first, second = first_and_second
    cut = (NAME, first[1][:-1])

    for order in itertools.permutations([(NAME, sealed({"n": 1})), cut, second]):
        assert both(shown, header(*order)).json()["data"] == {"n": 1}


# Work


A_FEW = 6  # searches of the header, for one session


@pytest.fixture
def work(monkeypatch):
    """Count decryptions, tokens looked at, and searches of the header."""
    counted = {"open": 0, "unseal": 0, "values": 0}
    for owner, name in ((Box, "open"), (Codec, "unseal"), (cookies, "values")):
        original = getattr(owner, name)

        def counting(*args, original=original, name=name):
            counted[name] += 1
            return original(*args)

        monkeypatch.setattr(owner, name, counting)
    return counted


def test_thousands_of_chunks_cost_one_look(work, first_and_second):
    chunks = [(f"{NAME}.{i}", "x" * 8) for i in range(2, 2100)]
    wsgi(shown, header(*first_and_second, *chunks))

    assert work["open"] == work["unseal"] == 1
    assert work["values"] <= A_FEW


def test_thousands_of_chunks_of_one_number_cost_one_look(work, first_and_second):
    chunks = [(f"{NAME}.1", f"AAAAAAAA.{i}") for i in range(2000)]
    wsgi(shown, header(*first_and_second, *chunks))

    assert work["open"] == work["unseal"] == 1
    assert work["values"] <= A_FEW


def test_thousands_of_first_chunks_search_the_header_a_few_times(work):
    firsts = [(NAME, f"2.{i:020}") for i in range(1900)]
    wsgi(shown, header(*firsts))

    assert work["values"] <= A_FEW
    assert work["unseal"] <= 128


def test_thousands_of_first_chunks_of_our_key_are_decrypted_64_times(work):
    token = sealed(BIG)
    firsts = [(NAME, f"2.{token[:20]}{i:04}") for i in range(900)]
    second = (f"{NAME}.1", f"{token[12:20]}.{token[24:4000]}")
    wsgi(shown, header(*firsts, second))

    assert work["open"] <= 64
    assert work["values"] <= A_FEW


def test_many_first_chunks_of_one_long_chunk_take_little_memory():
    firsts = [(NAME, f"2.{'A' * 20}{i:04}") for i in range(800)]
    second = (f"{NAME}.1", "A" * 8 + "." + "x" * 34_000)
    raw = header(*firsts, second).decode()
    tracemalloc.start()
    cookies.tokens(raw, NAME)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000


def test_chunks_that_nobody_asks_for_are_not_opened(work, first_and_second):
    wsgi(lambda request: HttpResponse(), header(*first_and_second))

    assert work["open"] == work["unseal"] == 0


# What is cleaned up


def names(browser) -> set[str]:
    return {cookie.name for cookie in browser.named(NAME)}


def test_a_stale_chunk_is_deleted_when_the_session_shrinks(browser):
    browser.get(writing(**BIG))
    assert names(browser) == {NAME, f"{NAME}.1"}

    browser.get(writing(small=1))
    assert names(browser) == {NAME}
    assert browser.get(shown).json()["data"] == {"small": 1}


def test_a_session_may_grow_into_chunks_and_back(browser):
    for size in (1, 4000, 4100, 1, 5000, 2):
        browser.get(writing(text="x" * size))
        assert browser.get(shown).json()["data"] == {"text": "x" * size}


@pytest.mark.parametrize("method", ["flush", "clear"])
def test_no_chunk_is_left_of_a_session_that_ends(browser, method):
    browser.get(writing(**BIG))
    browser.get(calling(method))

    assert f"{NAME}.1" not in names(browser)


@pytest.mark.parametrize("placement", ["cookie", "spill"])
def test_a_session_in_chunks_is_read_under_any_placement(browser, settings, placement):
    browser.get(writing(**BIG))
    place(settings, placement)

    assert browser.get(shown).json()["data"] == BIG


def shrinking(request):
    request.session.clear()
    request.session["small"] = 1
    return HttpResponse()


@pytest.mark.parametrize("placement", ["cookie", "spill"])
@pytest.mark.parametrize("change", [shrinking, calling("flush")])
def test_chunks_are_deleted_under_any_placement(browser, settings, placement, change):
    browser.get(writing(**BIG))
    place(settings, placement)
    browser.get(change)

    assert f"{NAME}.1" not in names(browser)


def test_a_stale_chunk_alone_is_deleted_by_the_next_write(browser):
    browser.get(writing(**BIG))
    browser.cookies.pop((NAME, browser.host, True, "/", False))
    browser.get(writing(small=1))

    assert names(browser) == {NAME}


def test_a_chunk_of_another_session_is_not_deleted(browser, settings):
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "SESSIONS": {"other": {"COOKIE_NAME": f"{NAME}2"}},
    }

    def write_other(request):
        request.other_session.update(BIG)
        return HttpResponse()

    browser.get(write_other)
    browser.get(writing(**BIG))
    browser.get(calling("flush"))

    assert {c.name for c in browser.named(f"{NAME}2")} == {f"{NAME}2", f"{NAME}2.1"}
    assert names(browser) == set()


# Tossed from a sibling domain


def toss(browser, name: str, value: str) -> None:
    line = f"{name}={value}; Domain=example.com; Path=/"
    assert browser.store(line, host=SIBLING)


def test_a_chunk_tossed_at_me_changes_nothing(browser):
    browser.get(writing(**BIG))
    for i in range(1, 5):
        toss(browser, f"{NAME}.{i}", "x" * 20)

    assert browser.get(shown).json()["data"] == BIG


def test_a_session_in_chunks_tossed_at_me_never_becomes_mine(browser):
    browser.get(writing(**BIG))
    for name, value in split(NAME, sealed({"big": "y" * 4000})).items():
        toss(browser, name, value)

    assert browser.get(shown).json()["data"] == {}
    browser.get(writing(**BIG))
    assert browser.get(shown).json()["data"] == BIG


@pytest.mark.parametrize("end", [calling("flush"), shown], ids=["log-out", "ambiguous"])
@pytest.mark.parametrize("domain", [None, "www.example.com"])
def test_no_chunk_of_any_domain_is_left_after_the_end(browser, settings, domain, end):
    settings.SESSION_COOKIE_DOMAIN = domain
    browser.get(writing(**BIG))
    for name, value in split(NAME, sealed({"big": "y" * 4000})).items():
        toss(browser, name, value)
    browser.get(end)

    assert names(browser) == set()


def test_a_site_may_change_the_domain_of_chunks(browser, settings):
    browser.get(writing(**BIG))
    settings.SESSION_COOKIE_DOMAIN = "example.com"
    browser.get(writing(big="z" * 4000))
    browser.get(shown)
    browser.get(writing(big="z" * 4000))

    assert browser.get(shown).json()["data"] == {"big": "z" * 4000}
    browser.get(calling("flush"))
    assert names(browser) == set()
