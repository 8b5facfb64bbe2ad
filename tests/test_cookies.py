"""Which cookie is the session's, and what is said of it: through both handlers."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
from contextlib import ExitStack
from http.cookies import Morsel

import pytest
from django.http import HttpResponse, parse_cookie
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from django_secure_session import cookies
from django_secure_session.conf import CookieAttributes
from tests.http import (
    SECURE_MIDDLEWARE,
    SERVERS,
    Browser,
    asgi,
    ashown,
    both,
    calling,
    sealed,
    shown,
    writing,
)

NAME = b"sessionid"
#: What str.strip() takes from around a name: 29 characters.
STRIPPED = [
    c for c in map(chr, range(0x110000)) if f"x{c}".strip() != f"x{c}" and c != "x"
]
OPTIONAL_SPACES = " \t"  # that may stand before any cookie: RFC 9110 section 5.6.3
MINE, THEIRS = {"user": "me"}, {"user": "attacker"}


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]


@pytest.fixture
def mine() -> bytes:
    return NAME + b"=" + sealed(MINE).encode()


@pytest.fixture
def theirs() -> bytes:
    """A session that is as good as mine; only its name can keep it out."""
    return sealed(THEIRS).encode()


def assert_mine(*headers, view=shown):
    """Each header brings my session alone, and nothing is told to the browser."""
    for header in headers:
        answer = both(view, header)
        assert answer.json() == {"data": MINE, "rejection": None}
        assert answer.set_cookies == []


def assert_nobodys(header):
    assert both(shown, header).json() == {"data": {}, "rejection": None}


def around(mine: bytes, other: bytes) -> list[bytes]:
    return [b"; ".join((other, mine)), b"; ".join((mine, other, mine, other))]


# The name


def test_django_takes_29_characters_for_none_in_a_name():
    for character in STRIPPED:
        parsed = parse_cookie(f"sessionid=real; {character}sessionid{character}=evil")
        assert parsed == {"sessionid": "evil"}

    assert len(STRIPPED) == 29


@pytest.mark.parametrize("space", STRIPPED, ids=ascii)
def test_a_name_with_a_space_before_it_is_another_name(mine, theirs, space):
    raw = space.encode()
    others = [raw + NAME, raw + raw + NAME, b"\t " + raw + b" " + NAME]
    if space in OPTIONAL_SPACES:
        others = []

    for other in others:
        assert_mine(*around(mine, other + b"=" + theirs))


@pytest.mark.parametrize("space", STRIPPED, ids=ascii)
def test_a_name_with_a_space_after_it_is_another_name(mine, theirs, space):
    raw = space.encode()

    for other in (NAME + raw, raw + NAME + raw):
        assert_mine(*around(mine, other + b"=" + theirs))


@pytest.mark.parametrize("raw", [b"\xa0", b"\x85", b"\x1c", b"\x0b", b"\0", b"\x7f"])
def test_a_name_with_a_raw_byte_beside_it_is_another_name(mine, theirs, raw):
    for other in (raw + NAME, NAME + raw, raw + NAME + raw):
        assert_mine(*around(mine, other + b"=" + theirs))


@pytest.mark.parametrize("space", STRIPPED, ids=ascii)
def test_a_name_with_a_space_alone_is_nobodys(theirs, space):
    raw = b"x=y; " + NAME + space.encode() + b"=" + theirs

    assert_nobodys(raw)


@pytest.mark.parametrize("before", [b"", b" ", b"\t", b" \t \t", b"a=b;", b"a=b;\t"])
@pytest.mark.parametrize("after", [b"", b" ", b"\t ", b";", b"; ", b" ;a=b", b";;;"])
def test_optional_spaces_and_semicolons_do_not_matter(mine, before, after):
    assert_mine(before + mine + after)


@pytest.mark.parametrize(
    "name",
    [
        b"SESSIONID",
        b"Sessionid",
        b"sessionID",
        b"xsessionid",
        b"sessionidx",
        b"sessionid.",
        b"sessionid.0",
        b"sessionid.1",
        b"sessionid.x",
        b"sessionid%20",
        b"%73essionid",
        b"sessionid[]",
        b"session",
        b"essionid",
        b"a=sessionid",
        b'"sessionid"',
        b'sessionid"',
        b"$sessionid",
        b"\\sessionid",
        b"session\xc3\xafd",
        b"sessionid\xef\xbb\xbf",
        b"\xef\xbb\xbfsessionid",
        b"sessionid\xcc\xa7",
        "".join(chr(ord(c) + 0xFEE0) for c in "sessionid").encode(),  # full width
        b"a=b, sessionid",
        b"a=b\nsessionid",
        b"a=b\r\nCookie: sessionid",
        b"a=b&sessionid",
        b"",
        b"=sessionid",
    ],
    ids=ascii,
)
def test_a_name_that_resembles_ours_is_another_name(mine, theirs, name):
    assert_mine(*around(mine, name + b"=" + theirs))
    assert_nobodys(name + b"=" + theirs)


@pytest.mark.parametrize("nameless", [b"sessionid", b"=", b"", b"session", b"; ;"])
def test_a_cookie_without_a_name_is_not_ours(mine, nameless):
    assert_mine(*around(mine, nameless))


def test_a_token_without_a_name_is_not_ours(mine, theirs):
    assert_mine(*around(mine, theirs), *around(mine, b"=" + theirs))


@pytest.mark.parametrize(
    "swallowing",
    [b'a="', b'a="b', b"a='", b"a=\\", b'a="\\', b"a=(", b"$Version=1", b"a=%3B"],
)
def test_no_quote_of_another_cookie_swallows_ours(mine, swallowing):
    assert_mine(*around(mine, swallowing), swallowing + b";" + mine + b';b="')


@pytest.mark.parametrize("quoted", [b'"%s"', b"'%s'", b'"%s', b'%s"', b"=%s", b"%s,"])
def test_a_quoted_token_is_none(mine, theirs, quoted):
    assert_mine(*around(mine, NAME + b"=" + quoted % theirs))


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(0, 6))
@example([b"sessionid", b"\xa0"], 1)
@example([b"sessionid.1=", b"sessionid.1=2."], 1)
def test_whatever_else_is_in_the_header_ours_is_found(noise, place):
    noise = [part.replace(b"sessionid=", b"") for part in noise]
    mine = NAME + b"=" + sealed(MINE).encode()

    assert_mine(b";".join([*noise[:place], mine, *noise[place:]]))


names = st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=8)


@given(names, st.lists(names, max_size=8))
def test_only_exactly_our_name_is_ours_whatever_it_is(name, others):
    header = "; ".join(f"{other}={i}" for i, other in enumerate(others))
    expected = [str(i) for i, other in enumerate(others) if other == name]

    assert cookies.values(header, name) == expected


@given(st.text("n=; \t.x\xa0\x85"), st.sampled_from(["n", "nn", "n.n"]))
@example("n=n=;n= n;\tn=x \t;n =;;xn=;n", "n")
def test_a_header_is_cut_at_semicolons_and_spaces_and_nothing_else(header, name):
    pairs = [piece.strip(" \t").partition("=") for piece in header.split(";")]
    expected = [value for key, equals, value in pairs if key == name and equals]

    assert cookies.values(header, name) == expected


@given(names, st.lists(names, max_size=8))
@example("n", ["n.", "n.1", "n.123", "n.1.1", "n.x", "n.-1", "x.n.1", "nn.1", "n1"])
def test_only_our_cookies_are_ever_deleted_whatever_their_name(name, others):
    header = "; ".join(f"{other}={i}" for i, other in enumerate(others))
    ours = re.compile(re.escape(name) + r"(\.\d\d?)?")

    found = cookies.names_of(header, name)

    assert {other for other in found if not ours.fullmatch(other)} == set()
    assert found >= {name, f"{name}.1"} & set(others)


# The header


def test_an_async_view_reads_the_same_cookie(mine, theirs):
    others = around(mine, b"\xa0sessionid=" + theirs)

    assert_mine(mine, [b"a=b", mine], *others, view=ashown)


def test_a_split_header_is_read_whole(mine):
    assert_mine([b"a=b", mine, b"c=d"], [mine, b"a=b"], [b"a=b; c=d", b"e=f; " + mine])


def test_empty_parts_of_a_split_header_do_not_matter(mine):
    assert_mine([b"", mine, b""], [b";", mine + b";", b"; "], [b" ", mine + b" \t"])


def test_a_name_in_another_part_is_seen(mine, theirs):
    answer = both(shown, [mine, NAME + b"=" + theirs])

    assert answer.json() == {"data": {}, "rejection": "ambiguous"}


@pytest.mark.parametrize("cut", [3, len(NAME), len(NAME) + 1, 60])
def test_a_cookie_is_never_put_together_of_two_parts(mine, cut):
    assert both(shown, [mine[:cut], mine[cut:]]).json()["data"] == {}


@pytest.mark.parametrize("name", ["Cookie2", "X-Cookie", "Set-Cookie", "Cookies"])
def test_no_other_header_is_read(mine, name):
    answer = both(shown, headers={name: mine.decode()})

    assert answer.json() == {"data": {}, "rejection": None}


def test_no_header_with_an_underscore_is_taken_for_ours(mine):
    assert asgi(shown, headers={"_cookie": mine.decode()}).json()["data"] == {}


def test_cookies_put_on_a_request_without_a_header_are_read(rf):
    request = rf.get("/")
    request.COOKIES["sessionid"] = "x"
    request.COOKIES["a"] = "b"

    assert cookies.received(request) == "sessionid=x; a=b"


def test_the_header_counts_more_than_cookies_put_on_a_request(rf):
    request = rf.get("/", headers={"cookie": "sessionid=real"})
    request.COOKIES["sessionid"] = "other"

    assert cookies.received(request) == "sessionid=real"


# Prefixes of names


PREFIXED = ["__Host-sid", "__Secure-sid", "__Http-sid", "__Host-Http-sid", "__host-sid"]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", PREFIXED)
def test_a_browser_keeps_and_deletes_a_cookie_with_a_prefix(settings, server, name):
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = name, True
    browser = Browser(server, secure=True)
    browser.get(writing(a=1))
    assert browser.get(shown).json()["data"] == {"a": 1}

    browser.get(calling("flush"))
    assert browser.cookies != {}
    assert browser.named(name) == []


@pytest.mark.parametrize(
    "line",
    [
        "__Host-sid=x; Secure; Path=/; Domain=example.com",
        "__Host-sid=x; Secure; Path=/a",
        "__HOST-sid=x; Path=/",
        "__Secure-sid=x; Path=/",
        "__Http-sid=x; Path=/; Secure",
        "=__Host-sid=x; Secure; Path=/",
        "sid=x; Domain=com",
        "sid=x; Domain=www.example.com",
        "sid=x; Partitioned",
        "sid=x; SameSite=None",
        "sid=" + "x" * 4094,
    ],
)
def test_what_a_browser_does_not_take_from_a_sibling_domain(line):
    assert not Browser(secure=True).store(line, host="evil.example.com")


@pytest.mark.parametrize("name", PREFIXED)
def test_a_prefix_in_other_letters_is_another_name(settings, name):
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = name, True
    mine = f"{name}={sealed(MINE)}".encode()

    for other in {name.lower(), name.upper(), name.swapcase()} - {name}:
        assert_mine(*around(mine, f"{other}={sealed(THEIRS)}".encode()))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "space", [c for c in STRIPPED if c not in " \t\r\n"], ids=ascii
)
def test_a_space_does_not_get_a_cookie_past_a_prefix(settings, server, space):
    settings.SESSION_COOKIE_NAME = "__Host-sid"
    settings.SESSION_COOKIE_SECURE = True
    browser = Browser(server, secure=True)
    browser.get(writing(**MINE))
    name = f"{space}__Host-sid".encode().decode("latin-1")
    line = f"{name}={sealed(THEIRS)}; Secure; Domain=example.com; Path=/"
    assert browser.store(line, host="evil.example.com")

    assert browser.get(shown).json() == {"data": MINE, "rejection": None}


# Out


def attributes(line: str) -> dict[str, str]:
    """Return what a Set-Cookie says, but for the value and its age."""
    pair, *rest = line.split("; ")
    said = dict(part.partition("=")[::2] for part in rest)
    assert len(said) == len(rest), f"an attribute came twice: {line}"
    # HttpOnly is no part of what a browser finds the cookie by.
    skipped = {"max-age", "expires", "httponly"}
    return {"name": pair.partition("=")[0]} | {
        key: value for key, value in said.items() if key.lower() not in skipped
    }


def expected(combination, name, https) -> dict[str, str]:
    secure = combination["COOKIE_SECURE"]
    said = {
        "name": name,
        "Path": combination["COOKIE_PATH"],
        "Domain": combination["COOKIE_DOMAIN"],
        "SameSite": combination["COOKIE_SAMESITE"],
        "Secure": (https if secure == "auto" else secure) and "",
        "Partitioned": combination["COOKIE_PARTITIONED"] and "",
    }
    return {key: value for key, value in said.items() if value not in {None, False}}


def is_deletion(line: str) -> bool:
    return re.match(r'[^=]+=(""|);', line) is not None and "Max-Age=0" in line


COMBINATIONS = [
    {
        "COOKIE_PATH": path,
        "COOKIE_DOMAIN": domain,
        "COOKIE_SAMESITE": samesite,
        "COOKIE_SECURE": secure,
        "COOKIE_HTTPONLY": httponly,
        "COOKIE_PARTITIONED": partitioned,
    }
    for path, domain, samesite, secure, httponly, partitioned in itertools.product(
        ["/", "/app/"],
        [None, "example.com", ".example.com", "www.example.com"],
        ["Lax", "Strict", "None", None],
        [True, False, "auto"],
        [True, False],
        [True, False],
    )
    if secure or not (partitioned or samesite == "None")
]


def write_much(request):
    for session in (request.session, request.prefs_session):
        session["big"] = "x" * 4000
    return HttpResponse()


def flush_all(request):
    request.session.flush()
    request.prefs_session.flush()
    return HttpResponse()


@pytest.fixture
def configure(settings):
    """Change the settings many times; each change ends the one before."""
    with ExitStack() as changes:

        def set_attributes(combination):
            changes.close()
            options = {
                **settings.SECURE_SESSION,
                "PLACEMENT": "chunked",
                "SESSIONS": {"prefs": {**combination, "COOKIE_NAME": "prefs"}},
            }
            named = {f"SESSION_{name}": value for name, value in combination.items()}
            changes.enter_context(override_settings(SECURE_SESSION=options, **named))

        yield set_attributes


@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", ""])
@pytest.mark.parametrize("samesite", ["Lax", "Strict", "None", None])
def test_a_cookie_is_deleted_with_the_attributes_it_was_set_with(
    configure, https, partitioned, samesite
):
    for combination in COMBINATIONS:
        chosen = combination["COOKIE_PARTITIONED"], combination["COOKIE_SAMESITE"]
        if chosen != (partitioned, samesite):
            continue
        configure(combination)
        browser = Browser(secure=https)
        written = browser.get(write_much, path="/app/").set_cookies
        sent = "; ".join(line.partition(";")[0] for line in written)
        deleted = both(flush_all, sent.encode(), path="/app/", secure=https).set_cookies

        assert len(written) == 4
        assert not any(map(is_deletion, written))
        assert all(map(is_deletion, deleted))
        # There may be more, for cookies of other settings than today's.
        said = list(map(attributes, deleted))
        assert [line for line in written if attributes(line) not in said] == []
        assert list(map(attributes, written)) == [
            expected(combination, name, https)
            for name in ("sessionid", "sessionid.1", "prefs", "prefs.1")
        ]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("samesite", ["Lax", "None", None])
def test_a_browser_has_no_cookie_left_after_a_flush(configure, server, samesite):
    for combination in COMBINATIONS:
        if combination["COOKIE_SAMESITE"] != samesite:
            continue
        configure(combination)
        browser = Browser(server, secure=True)
        browser.get(write_much, path="/app/")
        assert len(browser.named("sessionid") + browser.named("prefs")) == 4

        browser.get(flush_all, path="/app/")
        assert browser.named("sessionid") + browser.named("prefs") == []


def test_a_cookie_says_how_long_it_lives_by_max_age_alone():
    (line,) = both(writing(a=1)).set_cookies

    assert "Max-Age=1209600" in line
    assert "expires" not in line.lower()


def test_a_deletion_says_so_in_both_ways(mine):
    *elsewhere, own = both(calling("flush"), mine).set_cookies

    assert "Max-Age=0" in own
    assert "expires=Thu, 01 Jan 1970 00:00:00 GMT" in own
    assert all("Max-Age=0" in line for line in elsewhere)


@pytest.mark.parametrize(("https", "flag"), [(True, True), (False, False)])
def test_secure_auto_is_what_the_request_is(settings, https, flag):
    settings.SESSION_COOKIE_SECURE = "auto"
    (line,) = both(writing(a=1), secure=https).set_cookies

    assert ("Secure" in line.split("; ")) is flag


# Partitioned


def partitioned_response() -> HttpResponse:
    response = HttpResponse()
    attributes = CookieAttributes(
        name="sid",
        path="/",
        domain=None,
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
    )
    cookies.send(response, {"sid": "x"}, attributes, max_age=60, secure=True)
    return response


def said_partitioned(response: HttpResponse) -> int:
    (morsel,) = response.cookies.values()
    return morsel.OutputString().split("; ").count("Partitioned")


@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *(
            lambda response, p=p: pickle.loads(pickle.dumps(response, p))
            for p in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
    ids=["copy", "deepcopy", *map("pickle {}".format, range(6))],
)
def test_a_copy_of_a_response_is_partitioned_too(again):
    assert said_partitioned(again(partitioned_response())) == 1


def test_a_copy_of_a_cookie_is_partitioned_too():
    response = partitioned_response()
    for key, morsel in list(response.cookies.items()):
        response.cookies[key] = morsel.copy()

    assert said_partitioned(response) == 1


def test_a_cookie_is_a_cookie_after_a_copy():
    response = partitioned_response()
    (morsel,) = response.cookies.values()
    (again,) = pickle.loads(pickle.dumps(response)).cookies.values()

    assert again.OutputString() == morsel.OutputString()
    assert again == morsel


@pytest.fixture
def knows_partitioned(monkeypatch):
    """Be Python 3.14; sites do the same to older ones."""
    monkeypatch.setitem(Morsel._reserved, "partitioned", "Partitioned")
    monkeypatch.setattr(Morsel, "_flags", Morsel._flags | {"partitioned"})


def test_partitioned_is_said_once_where_python_knows_it(knows_partitioned):
    assert said_partitioned(partitioned_response()) == 1


def test_partitioned_is_said_once_where_a_site_says_it_too(knows_partitioned):
    response = partitioned_response()
    for morsel in response.cookies.values():
        morsel["partitioned"] = True

    assert said_partitioned(response) == 1


def test_a_site_may_partition_our_cookie_itself(knows_partitioned):
    response = HttpResponse()
    response.set_cookie("other", "x")
    response.cookies["other"]["partitioned"] = True

    assert said_partitioned(response) == 1


@pytest.mark.parametrize("change", [writing(a=1), calling("flush")])
def test_partitioned_is_on_the_wire(settings, change, mine):
    settings.SESSION_COOKIE_PARTITIONED = settings.SESSION_COOKIE_SECURE = True
    lines = both(change, mine, secure=True).set_cookies

    assert lines[-1].split("; ").count("Partitioned") == 1
    assert max(line.split("; ").count("Partitioned") for line in lines) == 1


def test_a_host_that_is_not_allowed_is_sent_no_domain(settings, mine):
    settings.ALLOWED_HOSTS = ["www.example.com"]
    twice = mine + b"; " + mine
    lines = both(calling("flush"), twice, host="evil.com").set_cookies

    assert lines
    assert all(is_deletion(line) and "Domain" not in line for line in lines)
