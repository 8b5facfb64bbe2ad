"""Several cookies of one name: what anyone on a sibling domain can bring about.

Garbage never logs anyone out, and nobody is ever logged into another's session. Where
two sessions are good, nobody can tell which is the visitor's, so it is neither.
"""

from __future__ import annotations

import itertools
import logging
import secrets

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpResponse, JsonResponse
from hypothesis import given
from hypothesis import strategies as st

from django_secure_session.backends.choice import MAX_CANDIDATES
from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.keyring import Box
from django_secure_session.signals import session_rejected
from tests.http import (
    HOST,
    SECURE_MIDDLEWARE,
    SERVERS,
    Browser,
    ashown,
    both,
    calling,
    sealed,
    shown,
    writing,
)

NAME = "sessionid"
SIBLING = "evil.example.com"
TWO_WEEKS = 1209600
MINE, THEIRS = {"user": "me"}, {"user": "attacker"}
SID = secrets.token_bytes(16)


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    prefs = {"COOKIE_NAME": "prefs"}
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "SESSIONS": {"prefs": prefs}}


def header(*values: str) -> bytes:
    return "; ".join(f"{NAME}={value}" for value in values).encode("latin-1")


def assert_mine(*values):
    answer = both(shown, header(*values))
    assert answer.json() == {"data": MINE, "rejection": None}
    assert answer.set_cookies == []


def changed(token: str, place: int) -> str:
    """Return the token with another character there."""
    other = "A" if token[place] != "A" else "B"
    return token[:place] + other + token[place:][1:]


def of_another_key(settings) -> str:
    ours = settings.SECURE_SESSION
    settings.SECURE_SESSION = {**ours, "KEY": secrets.token_bytes(32)}
    token = sealed(THEIRS)
    settings.SECURE_SESSION = ours
    return token


@pytest.fixture
def mine() -> str:
    return sealed(MINE)


@pytest.fixture
def garbage(mine, settings) -> dict[str, str]:
    """Return a cookie of each kind that is no session of this site's."""
    return {
        "empty": "",
        "short": "x",
        "seven characters": "x" * 7,
        "eight characters": "x" * 8,
        "a word": "junk-junk",
        "as long as mine": "A" * len(mine),
        "random": secrets.token_urlsafe(96)[: len(mine)],
        "cut": mine[:-1],
        "half": mine[: len(mine) // 2],
        "its beginning": mine[:12],
        "a block less": mine[:-64],
        "a block more": mine + "A" * 64,
        "a character more": mine + "A",
        "twice": mine * 2,
        "tampered at the end": changed(mine, -2),
        "tampered nonce": changed(mine, 20),
        "tampered in the middle": changed(mine, len(mine) // 2),
        "other version": "Ag" + mine[2:],
        "other key id": mine[:4] + changed(mine[4:], 0),
        "padded": mine + "=",
        "quoted": f'"{mine}"',
        "percent-encoded": mine.replace("-", "%2D") + "%20",
        "in chunks": f"2.{mine}",
        "many chunks": f"9.{mine}",
        "huge": "A" * 9000,
        "not ASCII": "é" * 40,
        "a control character": mine[:-1] + "\x1f",
        "other key": of_another_key(settings),
        "other alias": sealed(THEIRS, alias="prefs"),
        "other purpose": sealed(THEIRS, purpose="mail"),
        "expired": sealed(THEIRS, issued=-TWO_WEEKS),
        "mine, expired": sealed(MINE, issued=-TWO_WEEKS),
        "from the future": sealed(THEIRS, issued=3600),
    }


KINDS = range(33)  # one for each; pytest wants to know before the test


def test_there_is_a_test_for_each_kind_of_garbage(garbage):
    assert len(garbage) == len(KINDS)


# Garbage


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_of_one_kind_logs_nobody_out(garbage, mine, kind):
    junk = list(garbage.values())[kind]

    assert_mine(mine, junk)
    assert_mine(junk, mine)
    assert_mine(junk, mine, junk)


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_of_one_kind_alone_is_nobody(garbage, kind):
    junk = list(garbage.values())[kind]

    for values in ([junk], [junk, junk], [junk, "y" * 8], ["y" * 8, junk]):
        answer = both(shown, header(*values)).json()
        assert answer["data"] == {}
        assert answer["rejection"] not in {None, "ambiguous"}


def test_three_pieces_of_garbage_in_every_order_log_nobody_out(garbage, mine):
    kinds = ["short", "tampered nonce", "other key"]

    for values in itertools.permutations([mine, *(garbage[kind] for kind in kinds)]):
        assert_mine(*values)


def test_a_piece_of_garbage_of_each_kind_logs_nobody_out(garbage, mine):
    junk = list(garbage.values())

    for place in range(0, len(junk) + 1, 3):
        assert_mine(*junk[:place], mine, *junk[place:])


@given(st.data(), st.integers(2, 50), st.integers(1, 3))
def test_2_to_50_cookies_in_any_order_log_nobody_out(data, number, copies):
    mine = sealed(MINE)
    tampered = [changed(mine, place) for place in range(0, 60, 3)]
    other = sealed(THEIRS, issued=-TWO_WEEKS), sealed(THEIRS, alias="prefs")
    junk = st.sampled_from(["", "x", "A" * 128, mine[:-64], *tampered, *other])
    values = data.draw(st.lists(junk, min_size=number, max_size=number))
    values[:copies] = [mine] * copies

    assert_mine(*data.draw(st.permutations(values[:number])))


@pytest.mark.parametrize("place", [0, 1, 63, 64, 65, 199, 200])
def test_hundreds_of_cookies_of_another_key_do_not_displace_mine(garbage, mine, place):
    junk = [changed(garbage["other key"], 100 + i % 20)[: -i - 1] for i in range(200)]

    assert_mine(*junk[:place], mine, *junk[place:])


@pytest.mark.parametrize("place", [0, 63])
def test_63_tampered_cookies_do_not_displace_mine(mine, place):
    junk = [changed(mine, 40 + i) for i in range(63)]

    assert_mine(*junk[:place], mine, *junk[place:])


@pytest.mark.parametrize("cut", [10, 12, 20, 127, 129], ids="{} characters".format)
def test_cookies_of_no_possible_length_do_not_displace_mine(mine, cut):
    # An attacker knows how our tokens begin, by a visit, and needs no more bytes.
    junk = [(mine[:10] + f"{i:02}" + mine[12:])[:cut] + "A" * i for i in range(70)]
    junk = [value for value in junk if len(value) % 64]

    assert_mine(*junk, mine)


def test_a_copy_of_a_cookie_counts_once(mine):
    assert_mine(*[changed(mine, 50)] * 100, mine)


@pytest.mark.parametrize("number", [100, 450])
def test_no_more_than_64_cookies_are_decrypted(monkeypatch, mine, number):
    opened = []
    open_ = Box.open
    monkeypatch.setattr(
        Box, "open", lambda self, *args: opened.append(args) or open_(self, *args)
    )
    junk = [mine[:40] + f"{i:03}" + mine[43:128] for i in range(number)]

    both(shown, header(*junk))
    assert len(opened) == 2 * MAX_CANDIDATES


def test_thousands_of_cookies_of_no_key_of_ours_are_not_decrypted(monkeypatch):
    monkeypatch.delattr(Box, "open")
    junk = [f"{i}-x-x-x-x" for i in range(2500)]

    assert both(shown, header(*junk)).json()["data"] == {}


# The same session several times


def states(*issued: int) -> list[str]:
    """Return the states that one session had so many seconds ago."""
    return [sealed({"state": -at}, sid=SID, issued=at) for at in issued]


def test_of_one_session_the_latest_state_counts_in_every_order():
    for values in itertools.permutations(states(-30, -20, -10, 0)):
        answer = both(shown, header(*values)).json()
        assert answer == {"data": {"state": 0}, "rejection": None}


@given(st.permutations(range(50)))
def test_of_50_states_the_latest_counts_in_any_order(order):
    values = states(*(-10 * n for n in order))

    assert both(shown, header(*values)).json()["data"] == {"state": 0}


def test_of_two_states_of_one_second_the_same_counts_in_every_order():
    values = [sealed({"state": n}, sid=SID) for n in range(4)]
    shown_data = {
        both(shown, header(*order)).json()["data"]["state"]
        for order in itertools.permutations(values)
    }

    assert len(shown_data) == 1


def test_a_newer_state_that_is_refused_does_not_count():
    old, future = states(-10, 3600)

    assert both(shown, header(old, future)).json()["data"] == {"state": 10}
    assert both(shown, header(future, old)).json()["data"] == {"state": 10}


@pytest.mark.parametrize("number", [2, 3, 50, 100])
def test_the_same_cookie_many_times_is_one(mine, number):
    assert_mine(*[mine] * number)


# Two sessions


@pytest.mark.parametrize("view", [shown, ashown])
def test_two_sessions_are_nobodys(mine, view):
    for values in itertools.permutations([mine, sealed(THEIRS)]):
        answer = both(view, header(*values)).json()
        assert answer == {"data": {}, "rejection": "ambiguous"}


def test_two_sessions_and_garbage_are_nobodys_in_every_order(garbage, mine):
    kinds = ["short", "tampered nonce"]
    values = [mine, sealed(THEIRS), *(garbage[kind] for kind in kinds)]

    for order in itertools.permutations(values):
        answer = both(shown, header(*order)).json()
        assert answer == {"data": {}, "rejection": "ambiguous"}


def test_an_older_session_is_as_good_as_a_newer_one():
    values = [sealed(MINE, issued=-1000), sealed(THEIRS)]

    for order in (values, values[::-1]):
        assert both(shown, header(*order)).json()["rejection"] == "ambiguous"


@given(st.data(), st.integers(3, 50))
def test_two_sessions_among_up_to_50_cookies_are_nobodys(data, number):
    mine, theirs = sealed(MINE), sealed(THEIRS)
    junk = st.sampled_from(["", "x", "A" * 128, changed(mine, 50), mine, theirs])
    values = data.draw(st.lists(junk, min_size=number, max_size=number))
    values[:2] = mine, theirs

    answer = both(shown, header(*data.draw(st.permutations(values)))).json()
    assert answer == {"data": {}, "rejection": "ambiguous"}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", {"example.com"}),
        ("www.example.com:8000", {"www.example.com", "example.com"}),
        ("a.b.example.com", {"a.b.example.com", "b.example.com", "example.com"}),
        ("localhost", {"localhost"}),
        ("xn--bcher-kva.example", {"xn--bcher-kva.example"}),
        ("127.0.0.1", set()),
        ("[::1]:8000", set()),
        ("[2001:db8::a]", set()),
    ],
)
def test_two_sessions_are_deleted_in_every_domain_of_the_host(mine, host, expected):
    lines = both(shown, header(mine, sealed(THEIRS)), host=host).set_cookies
    domains = {line.partition("Domain=")[2].partition(";")[0] for line in lines}

    assert domains == {"", *expected}
    assert all("Max-Age=0" in line for line in lines)


#: Bytes of a response's head that nginx takes as it comes. With more the visitor gets
#: an error page and no deletion, in each request again.
PROXY_BUFFER = 4096


def head(answer) -> int:
    return sum(len(f"{name}: {value}\r\n") for name, value in answer.headers)


@pytest.mark.parametrize("view", [shown, writing(a=1), calling("flush")])
@pytest.mark.parametrize("path", ["/", "/account/log-in/", "/a" * 1000, "//" * 1000])
def test_the_answer_to_two_sessions_fits_through_a_proxy(settings, mine, view, path):
    settings.SESSION_COOKIE_SECURE = settings.SESSION_COOKIE_PARTITIONED = True
    twice = header(mine, sealed(THEIRS))

    assert head(both(view, twice, path=path, secure=True)) < PROXY_BUFFER


@pytest.mark.parametrize("view", [shown, writing(a=1), calling("flush")])
def test_no_number_of_cookies_makes_the_answer_too_large_for_a_proxy(mine, view):
    chunks = "".join(f"; {NAME}.{i}=x" for i in range(200)).encode()
    answer = both(view, header(mine, sealed(THEIRS), *"abcdefgh") + chunks)

    assert head(answer) < PROXY_BUFFER


@pytest.mark.parametrize("server", SERVERS)
def test_two_sessions_are_logged_and_announced_once(server, mine, caplog):
    heard = []

    def receiver(reason, **kwargs):
        heard.append(reason)

    def reading_often(request):
        for _ in range(3):
            list(request.session.items())
            request.session.get("user")
        return HttpResponse(str(request.session.rejection))

    session_rejected.connect(receiver)
    with caplog.at_level(logging.DEBUG, "django_secure_session"):
        server(reading_often, header(mine, sealed(THEIRS), mine, "x"))
    session_rejected.disconnect(receiver)

    assert heard == ["ambiguous"]
    (record,) = [r for r in caplog.records if r.name == "django_secure_session"]
    assert record.getMessage() == "Refused the session cookie 'sessionid': ambiguous"
    assert record.levelno >= logging.INFO


def test_two_sessions_that_nobody_asks_for_are_left_alone(mine, caplog):
    answer = both(lambda request: HttpResponse(), header(mine, sealed(THEIRS)))

    assert answer.set_cookies == []
    assert answer.header("vary") is None


def test_another_session_of_the_request_is_untouched(mine):
    raw = (
        header(mine, sealed(THEIRS))
        + b"; prefs="
        + sealed(MINE, alias="prefs").encode()
    )

    def view(request):
        assert request.session.rejection == "ambiguous"
        return JsonResponse(dict(request.prefs_session.items()))

    answer = both(view, raw)
    assert answer.json() == MINE
    assert not any(line.startswith("prefs=") for line in answer.set_cookies)


# What stays in the browser


@pytest.mark.parametrize("left_alone", ["other key", "from the future"])
@pytest.mark.parametrize("other", ["short", "expired", "tampered nonce", "empty"])
def test_a_cookie_that_may_be_good_elsewhere_is_kept_beside_garbage(
    garbage, left_alone, other
):
    for kinds in itertools.permutations([left_alone, other]):
        answer = both(shown, header(*(garbage[kind] for kind in kinds)))
        assert answer.json()["data"] == {}
        assert answer.set_cookies == []


@pytest.fixture(params=[None, "example.com", "www.example.com", ".example.com"])
def cookie_domain(request, settings):
    settings.SESSION_COOKIE_DOMAIN = request.param
    return request.param


@pytest.fixture(params=SERVERS)
def browser(request):
    return Browser(request.param)


#: Each form that a cookie sent to HOST may have, and who can have set it.
FORMS = {
    "": HOST,
    "; Domain=www.example.com": HOST,
    "; Domain=example.com": SIBLING,
}


@pytest.fixture(params=[(0,), (1,), (0, 1)], ids=["first", "second", "both"])
def toss(request, browser, cookie_domain):
    """Set cookies in other forms than the site's own; that one would be replaced."""
    own = f"; Domain={cookie_domain.lstrip('.')}" if cookie_domain else ""
    forms = [form for form in FORMS if form != own]

    def toss_all(value, attributes="; Path=/"):
        for i in request.param:
            line = f"{NAME}={value}{forms[i]}{attributes}"
            assert browser.store(line, host=FORMS[forms[i]])

    return toss_all


def test_a_session_tossed_at_me_leaves_no_cookie(browser, toss):
    browser.get(writing(**MINE))
    toss(sealed(THEIRS))
    browser.get(shown)

    assert browser.named(NAME) == []


def test_garbage_tossed_at_me_changes_nothing(browser, toss):
    browser.get(writing(**MINE))
    before = len(browser.named(NAME))
    toss("x" * 20)

    for _ in range(3):
        assert browser.get(shown).json()["data"] == MINE
    assert len(browser.named(NAME)) > before == 1


def older(token: str) -> str:
    """Return the token itself, which is the latest state as well."""
    return token


def tampered(token: str) -> str:
    return changed(token, 50)


def expired(token: str) -> str:
    return sealed(MINE, issued=-TWO_WEEKS)


@pytest.mark.parametrize("kind", [older, tampered, expired])
def test_after_a_log_out_no_cookie_of_ours_is_left(browser, toss, kind):
    browser.get(writing(**MINE))
    toss(kind(browser.named(NAME)[0].value))
    browser.get(calling("flush"))

    assert browser.named(NAME) == []


def test_after_a_log_out_the_cookie_of_another_site_signs_nobody_in(browser, toss):
    browser.get(writing(**MINE))
    toss("k" * 32)  # as Django's other engines make them
    browser.get(calling("flush"))

    assert {cookie.value for cookie in browser.named(NAME)} == {"k" * 32}
    assert browser.get(shown).json()["data"] == {}


def test_a_log_in_among_two_sessions_holds(browser, toss):
    browser.get(writing(stage="anonymous"))
    toss(sealed(THEIRS))
    browser.get(writing(**MINE))

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}
    assert len(browser.named(NAME)) == 1


def test_a_log_in_holds_where_the_domain_is_written_in_capitals(browser, settings):
    settings.SESSION_COOKIE_DOMAIN = "WWW.Example.com"
    browser.get(writing(stage="anonymous"))
    line = f"{NAME}={sealed(THEIRS)}; Domain=example.com; Path=/"
    assert browser.store(line, host=SIBLING)
    log_in = writing(**MINE)

    def view(request):
        response = log_in(request)
        response.set_cookie(NAME, "of the view")
        return response

    browser.get(view)
    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


def test_a_log_in_after_two_sessions_holds(browser, toss):
    browser.get(writing(stage="anonymous"))
    toss(sealed(THEIRS))
    browser.get(shown)
    browser.get(writing(**MINE))

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


def test_a_session_tossed_at_nobody_is_replaced_by_the_second_log_in(browser, toss):
    toss(sealed(THEIRS))
    browser.get(writing(**MINE))
    browser.get(shown)
    browser.get(writing(**MINE))

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


def test_a_partitioned_session_tossed_at_me_can_not_keep_me_out(browser, settings):
    browser.secure = settings.SESSION_COOKIE_SECURE = True
    browser.get(writing(**MINE))
    line = f"{NAME}={sealed(THEIRS)}; Domain=example.com; Path=/; Secure; Partitioned"
    assert browser.store(line, host=SIBLING)
    for _ in range(2):
        browser.get(writing(**MINE))

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


@pytest.mark.parametrize("path", ["/account", "/account/", "/account/log-in", "/acc"])
def test_a_session_tossed_with_a_path_can_not_keep_me_out(browser, path):
    browser.get(writing(**MINE), path="/account/log-in")
    line = f"{NAME}={sealed(THEIRS)}; Domain=example.com; Path={path}"
    assert browser.store(line, host=SIBLING)
    for _ in range(2):
        browser.get(writing(**MINE), path="/account/log-in")

    answer = browser.get(shown, path="/account/log-in").json()
    assert answer == {"data": MINE, "rejection": None}


@pytest.mark.parametrize(
    "path",
    [
        "/\u00e9/x",
        "/\u20ac/x",
        "/a\r\nX-Evil: 1/x",
        "/a; Max-Age=99/x",
        "/a;Domain=evil.com/x",
        "/a\0\x7f/x",
        '/a"b/x',
        "/a,b=c/x",
        "/%3B/x",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("view", [shown, writing(a=1), calling("flush")])
def test_no_path_says_anything_else_in_a_cookie(mine, path, view):
    answer = both(view, header(mine, sealed(THEIRS)), path=path)
    known = {NAME, "Max-Age", "Path", "Domain", "HttpOnly", "SameSite", "expires"}

    assert answer.status == 200
    for line in answer.set_cookies:
        assert line.isascii()
        assert line.isprintable()
        said = [part.strip().partition("=")[0] for part in line.split(";")]
        assert len(said) == len(set(said))
        assert set(said) <= known
        assert "Domain=evil" not in line


@pytest.mark.parametrize(
    ("path", "tossed"), [("/\u00e9/x", "/%C3%A9"), ("/a b", "/a%20b")]
)
def test_a_session_tossed_with_an_encoded_path_can_not_keep_me_out(
    browser, path, tossed
):
    browser.get(writing(**MINE), path=path)
    line = f"{NAME}={sealed(THEIRS)}; Domain=example.com; Path={tossed}"
    assert browser.store(line, host=SIBLING)
    assert len(browser.header(tossed).split("; ")) == 2
    for _ in range(2):
        browser.get(writing(**MINE), path=path)

    assert browser.get(shown, path=path).json() == {"data": MINE, "rejection": None}


def test_a_deletion_is_taken_where_the_cookie_was(settings, mine):
    # In a frame of another site a browser takes nothing that says less than this.
    settings.SESSION_COOKIE_SAMESITE, settings.SESSION_COOKIE_SECURE = "None", True
    lines = both(shown, header(mine, sealed(THEIRS)), secure=True).set_cookies

    assert [line for line in lines if "SameSite=None" not in line] == []


def test_no_cookie_of_a_name_for_http_alone_is_left(browser, settings):
    settings.SESSION_COOKIE_NAME = "__Http-sid"
    browser.secure = settings.SESSION_COOKIE_SECURE = True
    browser.get(writing(**MINE))
    line = f"__Http-sid={sealed(THEIRS)}; Domain=example.com; Path=/; Secure; HttpOnly"
    assert browser.store(line, host=SIBLING)
    browser.get(shown)

    assert browser.named("__Http-sid") == []


# Cookies of the site's own, under its settings of yesterday


def visits_twice(browser, **kwargs):
    for _ in range(2):
        browser.get(writing(**MINE), **kwargs)
        browser.get(shown, **kwargs)
    browser.get(writing(**MINE), **kwargs)


@pytest.mark.parametrize("before", [None, "example.com", "www.example.com"])
def test_a_site_may_change_the_domain(cookie_domain, browser, settings, before):
    after, settings.SESSION_COOKIE_DOMAIN = cookie_domain, before
    browser.get(writing(stage="yesterday"))
    settings.SESSION_COOKIE_DOMAIN = after
    visits_twice(browser)

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


@pytest.mark.parametrize("before", [None, "example.com", "www.example.com"])
def test_a_log_out_counts_whatever_the_domain_was(
    cookie_domain, browser, settings, before
):
    after, settings.SESSION_COOKIE_DOMAIN = cookie_domain, before
    browser.get(writing(**MINE))
    settings.SESSION_COOKIE_DOMAIN = after
    browser.get(calling("flush"))

    assert browser.get(shown).json()["data"] == {}


@pytest.mark.parametrize("change", [("/", "/app/"), ("/app/", "/"), ("/app", "/app/")])
def test_a_site_may_change_the_path(browser, settings, change):
    settings.SESSION_COOKIE_PATH, after = change
    browser.get(writing(stage="yesterday"), path="/app/")
    settings.SESSION_COOKIE_PATH = after
    visits_twice(browser, path="/app/")

    assert browser.get(shown, path="/app/").json() == {"data": MINE, "rejection": None}


@pytest.mark.parametrize("before", [True, False])
def test_a_site_may_change_whether_cookies_are_partitioned(browser, settings, before):
    browser.secure = settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_PARTITIONED = before
    browser.get(writing(stage="yesterday"))
    settings.SESSION_COOKIE_PARTITIONED = not before
    visits_twice(browser)

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


@pytest.mark.parametrize("before", [True, False])
def test_a_log_out_removes_partitioned_and_other_cookies(browser, settings, before):
    browser.secure = settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_PARTITIONED = before
    browser.get(writing(stage="yesterday"))
    token = browser.named(NAME)[0].value
    settings.SESSION_COOKIE_PARTITIONED = not before
    form = "; Partitioned" if not before else ""
    assert browser.store(f"{NAME}={token}; Path=/; Secure{form}")

    browser.get(calling("flush"))
    assert browser.named(NAME) == []


# Sessions in the cache


class Down(LocMemCache):
    """A cache that answers nothing."""

    down = True

    def get(self, *args, **kwargs):
        if self.down:
            raise ConnectionError("no cache")
        return super().get(*args, **kwargs)


@pytest.fixture
def spilling(settings, monkeypatch):
    backend = f"{Down.__module__}.{Down.__qualname__}"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "duplicates"}}
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "PLACEMENT": "spill",
        "SPILL_ABOVE": 0,
    }
    return lambda down: monkeypatch.setattr(Down, "down", down)


def reading_in_spite_of_errors(request):
    failures = 0
    for _ in range(3):
        try:
            request.session.get("user")
        except StoreUnavailable:
            failures += 1
    return JsonResponse({"failures": failures})


def test_garbage_beside_a_session_in_a_cache_that_is_down_logs_nobody_out(spilling):
    spilling(False)
    browser = Browser()
    browser.get(writing(**MINE))
    assert browser.store(f"{NAME}={'x' * 500}; Domain=example.com", host=SIBLING)
    spilling(True)
    answer = browser.get(reading_in_spite_of_errors)
    assert (answer.status, answer.json()) == (200, {"failures": 3})
    assert answer.set_cookies == []

    spilling(False)
    assert browser.get(shown).json()["data"] == MINE
