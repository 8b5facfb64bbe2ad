"""What somebody may send in the place of a good API key, and what it comes to."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from itertools import product
from urllib.parse import quote, urlencode

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_secure_session import Account, Org, any_of, authenticated, authorized
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.tokens import mint
from django_secure_session.middleware.requests import prepare
from django_secure_session.signals import api_key_rejected, api_key_used
from tests.api_keys import (
    ACME,
    ADA,
    BOB,
    EITHER,
    ENTRIES,
    KEYS_ONLY,
    POST,
    atold,
    bearer,
    checked,
    entry_urls,
    key_of,
    new_key,
    told,
)
from tests.api_keys import key_site as key_site
from tests.guarded.provider import Member, Members
from tests.http import asgi, both, wsgi
from tests.http_guards import FETCH, PAGE, REQUIRED, STACK, entered, signed_in, urlconf
from tests.http_guards import view as unguarded

#: What is said where nothing was shown, and where a key that is good for nobody was.
CHALLENGE = 'Bearer realm="api"'
INVALID = f'{CHALLENGE}, error="invalid_token"'

fuzzed = hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture]
)

KEYS = authorized(told)
AKEYS = authorized(atold)


@pytest.fixture(autouse=True)
def _site(key_site, settings):
    settings.ROOT_URLCONF = entry_urls()


@pytest.fixture
def key() -> str:
    return key_of()


@pytest.fixture
def rejections():
    """Give the reasons that the signal tells, as they come."""
    reasons = []

    def receive(reason, **_):
        reasons.append(reason)

    api_key_rejected.connect(receive)
    yield reasons
    api_key_rejected.disconnect(receive)


def assert_refused(answer, challenge=INVALID, case=""):
    """Assert that it is a 401 with nothing in it but that."""
    found = answer.status, answer.header("www-authenticate")
    assert found == (401, challenge), case
    code = "invalid_key" if challenge == INVALID else "not_authenticated"
    assert answer.json()["code"] == code
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    assert "Authorization" in (answer.header("vary") or "")
    assert answer.set_cookies == []


def is_ada_s(answer) -> bool:
    return answer.status == 200 and answer.json()["account"] == "ada"


def request_with(header: str):
    """Return a request as a view gets it; it has no session, a key needs none."""
    request = RequestFactory().get("/", headers={"authorization": header})
    prepare(request)
    return request


def outcome(header: str) -> str | None:
    """Return what a view answers to a header: the challenge, None for the view's own.

    No server is asked, so that there can be many.
    """
    response = KEYS(request_with(header))
    assert response.status_code == (401 if "WWW-Authenticate" in response else 200)
    assert response["Vary"] == "Authorization"  # no middleware has said it here
    return response.get("WWW-Authenticate")


# The text of the header

BYTES = [chr(byte) for byte in range(256)]


def test_every_byte_at_every_position_of_the_header_is_refused_without_a_query(
    key, django_assert_num_queries
):
    header = f"Bearer {key}"
    with django_assert_num_queries(0):
        for place, original in enumerate(header):
            for character in BYTES:
                if character.lower() != original.lower() or place > len("Bearer"):
                    changed = header[:place] + character + header[place + 1 :]
                    wanted = CHALLENGE if place < len("Bearer ") else INVALID
                    if changed != header:
                        assert outcome(changed) == wanted, (place, character)


def test_the_scheme_is_known_in_every_spelling_of_case(key):
    for letters in product(*zip("bearer", "BEARER", strict=True)):
        assert outcome(f"{''.join(letters)} {key}") is None


def test_the_scheme_is_known_in_any_case_on_both_servers(key):
    views = [KEYS, AKEYS, any_of(authenticated, authorized)(told)]
    for scheme, view in product(["BEARER", "bearer", "bEaReR"], views):
        assert is_ada_s(both(view, headers=named(f"{scheme} {key}")))


def test_every_beginning_and_every_end_of_the_header_is_refused(
    key, django_assert_num_queries
):
    header = f"Bearer {key}"
    with django_assert_num_queries(0):
        for cut in range(len(header)):
            assert outcome(header[:cut]) == (INVALID if cut > 7 else CHALLENGE)
        for cut in range(1, len(header)):
            assert outcome(header[cut:]) == CHALLENGE


def test_every_two_neighbours_swapped_are_refused(key, django_assert_num_queries):
    header = f"Bearer {key}"
    with django_assert_num_queries(0):
        for place in range(len(header) - 1):
            one, other = header[place : place + 2]
            changed = header[:place] + other + one + header[place + 2 :]
            if changed.lower() != header.lower() or place >= len("Bearer "):
                assert changed == header or outcome(changed) is not None, place


def test_one_changed_character_is_refused_on_both_servers(
    key, django_assert_num_queries
):
    header = f"Bearer {key}"
    with django_assert_num_queries(0):
        for place in range(len(header)):
            other = "\xe9" if place % 2 else "!"
            changed = header[:place] + other + header[place + 1 :]
            answer = both(AKEYS if place % 3 else KEYS, headers=named(changed))
            assert_refused(answer, CHALLENGE if place < len("Bearer ") else INVALID)


def named(header: str) -> dict[str, str]:
    return {"Authorization": header}


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


#: Headers that show no key, made of a good one.
NO_KEY = {
    "nothing": lambda key: "",
    "a space": lambda key: " ",
    "the scheme alone": lambda key: "Bearer",
    "the scheme and a space": lambda key: "Bearer ",
    "no scheme": lambda key: key,
    "a space before": lambda key: f" Bearer {key}",
    "a tab before": lambda key: f"\tBearer {key}",
    "a tab between": lambda key: f"Bearer\t{key}",
    "a no-break space between": lambda key: f"Bearer\xa0{key}",
    "a colon between": lambda key: f"Bearer:{key}",
    "an equals sign between": lambda key: f"Bearer={key}",
    "a NUL between": lambda key: f"Bearer\x00{key}",
    "a line break between": lambda key: f"Bearer\r\n {key}",
    "the scheme in quotes": lambda key: f'"Bearer" {key}',
    "Basic with the key": lambda key: f"Basic {key}",
    "Basic, the key a name": lambda key: f"Basic {basic(key + ':')}",
    "Basic, the key a password": lambda key: f"Basic {basic('api:' + key)}",
    "Basic junk": lambda key: "Basic !",
    "Digest": lambda key: f'Digest username="{key}", response="{key}"',
    "Token": lambda key: f"Token {key}",
    "Api-Key": lambda key: f"Api-Key {key}",
    "DPoP": lambda key: f"DPoP {key}",
    "Bearers": lambda key: f"Bearers {key}",
    "MAC": lambda key: f'MAC id="{key}"',
    "an encoded word": lambda key: f"=?utf-8?b?{basic('Bearer ' + key)}?=",
    "Basic before it": lambda key: f"Basic {basic('a:b')},Bearer {key}",
    "an empty header before it": lambda key: f",Bearer {key}",
    "the scheme backwards": lambda key: f"{key} Bearer",
    "a million spaces before": lambda key: " " * 10**6 + f"Bearer {key}",
}

#: Headers that show something for a key, made of a good one.
WRONG_KEY = {
    "two spaces": lambda key: f"Bearer  {key}",
    "a space behind": lambda key: f"Bearer {key} ",
    "a tab behind": lambda key: f"Bearer {key}\t",
    "a NUL behind": lambda key: f"Bearer {key}\x00",
    "a NUL before": lambda key: f"Bearer \x00{key}",
    "a line break behind": lambda key: f"Bearer {key}\n",
    "a header behind": lambda key: f"Bearer {key}\r\nX-Scope: admin",
    "a comma behind": lambda key: f"Bearer {key},",
    "a parameter behind": lambda key: f"Bearer {key}, scope=admin",
    "a parameter": lambda key: f'Bearer token="{key}"',
    "quotes": lambda key: f'Bearer "{key}"',
    "angle brackets": lambda key: f"Bearer <{key}>",
    "an encoded word": lambda key: f"Bearer =?utf-8?b?{basic(key)}?=",
    "a Q-encoded word": lambda key: f"Bearer =?utf-8?q?{key}?=",
    "per cent": lambda key: f"Bearer {quote(key, safe='').replace('_', '%5F')}",
    "base64": lambda key: f"Bearer {basic(key)}",
    "twice": lambda key: f"Bearer {key}{key}",
    "twice with a space": lambda key: f"Bearer {key} {key}",
    "the scheme twice": lambda key: f"Bearer Bearer {key}",
    "the key twice, as two headers": lambda key: f"Bearer {key},Bearer {key}",
    "Basic behind it, as two headers": lambda key: f"Bearer {key},Basic {basic('a:b')}",
    "an empty header behind it": lambda key: f"Bearer {key},",
    "another key before it": lambda key: f"Bearer {key_of()},Bearer {key}",
    "upper case": lambda key: f"Bearer {key.upper()}",
    "lower case": lambda key: f"Bearer {key.lower()}",
    "swapped case": lambda key: f"Bearer {key.swapcase()}",
    "wide letters in UTF-8": lambda key: f"Bearer {_wide(key)}",
    "a byte-order mark": lambda key: f"Bearer \xef\xbb\xbf{key}",
    "a soft hyphen": lambda key: f"Bearer {key[:20]}\xad{key[20:]}",
    "junk": lambda key: "Bearer junk",
    "a key of another prefix": lambda key: f"Bearer {mint('abc', 'live').text}",
    "the id alone": lambda key: f"Bearer {key[:21]}",
    "the digest": lambda key: f"Bearer {ApiKey.objects.get(pk=key[9:21]).digest}",
    "a JSON web token": lambda key: f"Bearer {basic('{}')}.{basic('{}')}.",
    "SQL": lambda key: "Bearer dss_live_' OR 1=1 --",
    "a wildcard": lambda key: f"Bearer {key[:9]}%{key[10:]}",
    "a million characters": lambda key: "Bearer " + "a" * 10**6,
    "a million characters behind": lambda key: f"Bearer {key}" + "0" * 10**6,
    "a million beginnings": lambda key: "Bearer " + "dss_" * 250_000,
    "a million underscores": lambda key: "Bearer dss_live" + "_" * 10**6,
    "a million spaces": lambda key: "Bearer" + " " * 10**6 + key,
}


def _wide(key: str) -> str:
    wide = "".join(chr(ord(each) + 0xFEE0) for each in key)
    return wide.encode().decode("latin-1")  # as a server reads it


@pytest.mark.parametrize(
    ("made", "challenge"),
    [(NO_KEY, CHALLENGE), (WRONG_KEY, INVALID)],
    ids=["no key", "a wrong key"],
)
def test_what_is_no_key_is_refused_without_a_query(
    key, made, challenge, django_assert_num_queries
):
    headers = {case: make(key) for case, make in made.items()}

    with django_assert_num_queries(0):
        for case, header in headers.items():
            for view in (KEYS, AKEYS):
                assert_refused(both(view, headers=named(header)), challenge, case)


def test_two_headers_under_asgi_are_refused_whichever_is_good(key):
    for one, other in [
        *((f"Bearer {key}", f"Bearer {key}"), (f"Bearer {key}", "Bearer x")),
        *((f"Bearer {key}", "Basic x"), (f"Bearer {key}", "")),
    ]:
        # Names differ in case here, so that a dict has room for both.
        assert_refused(asgi(KEYS, headers=named(one) | {"authorization": other}))
        turned = asgi(AKEYS, headers=named(other) | {"authorization": one})
        assert_refused(turned, INVALID if "Bearer" in other else CHALLENGE)


def test_characters_beyond_latin_1_are_refused(key):
    for header in [f"Bearer {key[:-1]}\u0661", "Bearer \ud800", f"\u212aearer {key}"]:
        assert outcome(header) is not None
        with_async = async_to_sync(AKEYS)(request_with(header))
        assert with_async.status_code == 401


@fuzzed
@given(st.binary())
def test_no_bytes_are_a_key_by_chance(header):
    text = header.decode("latin-1")

    assert outcome(text) is not None
    assert outcome(f"Bearer {text}") is not None
    assert outcome(f"Bearer dss_live_{text}") == INVALID


def test_a_good_header_is_good(key):
    """So that all the others fail for what they change."""
    assert is_ada_s(both(KEYS, headers=bearer(key)))
    assert outcome(f"Bearer {key}") is None


# Other places


NAMES = ["access_token", "token", "key", "Authorization"]


def test_a_key_in_the_query_is_none(key):
    for name, text in product(NAMES, [key, f"Bearer {key}"]):
        asked = f"/function/?{urlencode({name: text})}"
        assert_refused(both(path=asked, headers=FETCH), CHALLENGE, name)


def test_a_key_in_the_body_is_none(key):
    bodies = [("text/plain", key)]
    for name in NAMES:
        form = urlencode({name: key})
        bodies.append(("application/x-www-form-urlencoded", form))
        bodies.append(("application/json", json.dumps({name: key})))

    for content_type, body in bodies:
        headers = FETCH | {"Content-Type": content_type}
        answer = both(KEYS, method="POST", body=body.encode(), headers=headers)
        assert_refused(answer, CHALLENGE, body)


def test_a_key_in_the_path_is_none(key, settings):
    settings.ROOT_URLCONF = urlconf(path("<str:key>/", KEYS))

    assert_refused(both(path=f"/{key}/"), CHALLENGE)


def test_a_key_in_a_cookie_is_none(key):
    names = ["sessionid", "Authorization", "key"]
    for name, text in product(names, [key, f"Bearer {key}"]):
        answer = both(KEYS, f"{name}={text}".encode())
        assert_refused(answer, CHALLENGE, name)


def test_a_key_as_the_session_cookie_opens_no_session(key):
    cookie = f"sessionid={key}".encode()

    for view in (authenticated(told), any_of(authenticated, authorized)(told)):
        assert both(view, cookie, headers=FETCH).status == 401


OTHER_HEADERS = [
    *("Proxy-Authorization", "X-Authorization", "X-Api-Key", "Api-Key"),
    *("X-Forwarded-Authorization", "Authentication", "WWW-Authenticate"),
    *("Http-Authorization", "Redirect-Http-Authorization"),
]


def test_a_key_in_another_header_is_none(key):
    for name in OTHER_HEADERS:
        answer = both(KEYS, headers={name: f"Bearer {key}"})
        assert_refused(answer, CHALLENGE, name)


def test_a_session_s_token_is_no_key():
    token = signed_in("owner", id="ada").decode().partition("=")[2]

    assert_refused(both(KEYS, headers=bearer(token)))


def test_a_session_s_token_as_a_key_opens_no_guard_that_takes_both():
    token = signed_in("owner", id="ada").decode().partition("=")[2]
    answer = both(any_of(authenticated, authorized)(told), headers=bearer(token))

    assert answer.status in (302, 401)


def test_a_key_opens_no_view_that_takes_none(key, settings):
    def shown(request):
        return told(request) if request.account else unguarded(request)

    headers = FETCH | bearer(key)
    assert entered(both(shown, headers=headers))
    assert both(authenticated(told), headers=headers).status == 401
    settings.MIDDLEWARE = [*STACK, REQUIRED]
    assert both(shown, headers=headers).status == 401


# Keys that were good once, at every entry


def revoke(row, people, clock):
    row.revoke()


def arevoke(row, people, clock):
    async_to_sync(row.arevoke)()


def revoke_all(row, people, clock):
    ApiKey.objects.filter(account_id="ada").revoke()


def delete_row(row, people, clock):
    row.delete()


def change_digest(row, people, clock):
    row.digest = mint("dss", "live").digest
    row.save()


def expire(row, people, clock):
    clock.tick(days=365)


def rotate_out(row, people, clock):
    row.rotate()
    clock.tick(days=7)


def rotate_at_once(row, people, clock):
    row.rotate(overlap=timedelta(0))


def leave(row, people, clock):
    del people.orgs["ada", "acme"]


def end_org(row, people, clock):
    people.orgs.clear()


def move_org(row, people, clock):
    people.orgs["ada", "acme"] = POST


def change_case_of_org(row, people, clock):
    people.orgs["ada", "acme"] = Org(id="ACME")


def disable(row, people, clock):
    del people.accounts["ada"]


def be_another(row, people, clock):
    people.accounts["ada"] = BOB


def be_nearly_the_same(row, people, clock):
    people.accounts["ada"] = Account(id="Ada", role="owner", verified=True)


ENDS = {
    revoke: "revoked",
    arevoke: "revoked",
    revoke_all: "revoked",
    delete_row: "unknown",
    change_digest: "unknown",
    expire: "expired",
    rotate_out: "expired",
    rotate_at_once: "expired",
    leave: "no_org",
    end_org: "no_org",
    move_org: "no_org",
    change_case_of_org: "no_org",
    disable: "no_account",
    be_another: "no_account",
    be_nearly_the_same: "no_account",
}
#: Every way to end a key that has a reason of its own; entries are tried with these.
EVERYWHERE = [revoke, delete_row, expire, rotate_out, leave, move_org, disable]
EVERYWHERE += [be_another]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_key_that_has_ended_is_refused(end, key_site, clock, rejections):
    row, text = new_key(org_id="acme")
    assert is_ada_s(both(KEYS, headers=bearer(text)))
    end(row, key_site, clock)

    for view in (KEYS, AKEYS):
        assert_refused(both(view, headers=bearer(text)))
    assert rejections == [ENDS[end]] * 4


@pytest.mark.parametrize("end", EVERYWHERE, ids=lambda end: end.__name__)
def test_a_key_that_has_ended_is_refused_at_every_entry_and_no_cookie_helps(
    end, key_site, clock
):
    row, text = new_key(org_id="acme")
    end(row, key_site, clock)
    cookie = signed_in(id="bob")

    for entry in ENTRIES:
        assert_refused(both(None, cookie, path=entry, headers=PAGE | bearer(text)))


def test_a_good_key_is_good_at_every_entry_whatever_cookie_comes_with_it():
    headers = PAGE | bearer(key_of(org_id="acme"))
    who = {"account": "ada", "org": "acme", "via": "api_key"}

    for entry in ENTRIES:
        for cookie in ((), signed_in(id="bob"), b"sessionid=junk"):
            answer = both(None, cookie, path=entry, headers=headers)
            assert (answer.status, answer.json()) == (200, who), entry
            assert answer.set_cookies == []


def test_nobody_enters_without_a_key_or_a_session():
    for entry in ENTRIES:
        answer = both(path=entry, headers=FETCH)
        offered = sorted((answer.header("www-authenticate") or "").split(", "))
        cookie = ['Cookie realm="session"'] if entry in EITHER else []
        assert (answer.status, offered) == (401, [CHALLENGE, *cookie]), entry


def test_a_session_alone_enters_only_where_sessions_do():
    for entry in ENTRIES:
        answer = both(None, signed_in(id="bob"), path=entry, headers=FETCH)
        if entry in EITHER:
            assert answer.json() == {"account": "bob", "org": None, "via": "session"}
        else:
            assert_refused(answer, CHALLENGE)


def test_what_begins_as_a_key_decides_alone():
    cookie = signed_in(id="bob")
    for entry, text in product(ENTRIES, ["dss_", "DSS_x", "Dss_live_x", "dss__x"]):
        answer = both(None, cookie, path=entry, headers=bearer(text))
        assert_refused(answer, INVALID, entry)


def test_two_headers_that_begin_as_a_key_decide_alone(key):
    headers = named(f"Bearer {key},Basic x")

    for entry in EITHER:
        assert_refused(both(None, signed_in(id="bob"), path=entry, headers=headers))


def test_what_does_not_begin_as_a_key_leaves_it_to_the_session():
    cookie = signed_in(id="bob")
    others = ["Bearer junk", "Bearer ", "Bearer dss", "Basic eDp5", "dss_", ""]
    for entry, header in product(EITHER, others):
        answer = both(None, cookie, path=entry, headers=named(header))
        assert answer.json() == {"account": "bob", "org": None, "via": "session"}


def test_a_session_without_the_role_is_not_let_in_as_a_key_would_be():
    owners = authenticated(roles=["owner"])
    for guard in (any_of(owners, authorized), any_of(authorized, owners)):
        for view in (guard(told), guard(atold)):
            answer = both(view, signed_in("reader", id="bob"), headers=FETCH)
            assert (answer.status, answer.json()["code"]) == (403, "wrong_role")


def test_a_key_is_not_let_in_as_a_session_would_be(key):
    def asks(request):
        request.authenticated()
        return told(request)

    @authorized
    async def aasks(request):
        await request.aauthenticated()
        return told(request)

    for view in (authorized(authenticated(told)), authorized(asks), aasks):
        answer = both(view, signed_in(id="bob"), headers=PAGE | bearer(key))
        assert (answer.status, answer.set_cookies) == (401, [])
        assert answer.header("www-authenticate") == 'Cookie realm="session"'


def test_a_prefix_of_the_site_s_own_is_the_one_that_counts(settings, key):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "API_KEY_PREFIX": "shop"}
    own, cookie = key_of(), signed_in(id="bob")

    assert own.startswith("shop_")
    for entry in EITHER:
        assert is_ada_s(both(None, cookie, path=entry, headers=bearer(own)))
        old = both(None, cookie, path=entry, headers=bearer(key))
        assert old.json()["via"] == "session"
    for entry in KEYS_ONLY:
        assert_refused(both(path=entry, headers=bearer(key)))


# At what moment


def test_a_key_is_good_until_it_expires_and_not_then(clock):
    text = key_of(lifetime=timedelta(hours=1))
    clock.tick(hours=1, seconds=-0.001)
    assert is_ada_s(both(KEYS, headers=bearer(text)))
    clock.tick(0.001)

    assert_refused(both(KEYS, headers=bearer(text)))


def test_a_key_without_an_end_does_not_expire(clock):
    text = key_of(lifetime=None)
    clock.tick(days=36_500)

    assert is_ada_s(both(KEYS, headers=bearer(text)))


def test_old_and_new_are_good_in_the_overlap_and_then_the_new_alone(clock):
    row, old = new_key()
    new = row.rotate(overlap=timedelta(hours=1)).text
    clock.tick(hours=1, seconds=-1)
    for entry in ENTRIES:
        assert is_ada_s(wsgi(path=entry, headers=bearer(old)))
        assert is_ada_s(wsgi(path=entry, headers=bearer(new)))
    clock.tick(1)

    for entry in ENTRIES:
        assert_refused(wsgi(path=entry, headers=bearer(old)))
        assert is_ada_s(wsgi(path=entry, headers=bearer(new)))


def test_the_overlap_makes_no_life_longer(clock):
    row, old = new_key(lifetime=timedelta(days=1))
    row.rotate(overlap=timedelta(days=7))
    clock.tick(days=1)

    assert_refused(both(KEYS, headers=bearer(old)))


def test_a_revoked_successor_leaves_the_old_key_as_it_is():
    row, old = new_key()
    new = row.rotate()
    new.api_key.revoke()

    assert_refused(both(KEYS, headers=bearer(new.text)))
    assert is_ada_s(both(KEYS, headers=bearer(old)))


def test_a_key_that_comes_back_with_its_owner_is_good_again(key_site):
    text = key_of(org_id="acme")
    disable(None, key_site, None)
    assert_refused(both(KEYS, headers=bearer(text)))
    key_site.accounts["ada"] = ADA

    assert is_ada_s(both(KEYS, headers=bearer(text)))


# Rows and owners


def test_the_id_of_one_key_with_the_secret_of_another_is_refused(key):
    other = key_of(account_id="bob")
    body = key[:21] + other[21:-6]

    assert_refused(both(KEYS, headers=bearer(checked(body))))


def test_a_key_that_was_never_made_here_is_refused(rejections):
    assert_refused(both(KEYS, headers=bearer(mint("dss", "live").text)))
    assert rejections == ["unknown", "unknown"]


def test_the_environment_is_part_of_the_key(key):
    assert_refused(both(KEYS, headers=bearer(checked(f"dss_test{key[8:-6]}"))))


def test_a_row_that_the_database_has_compared_loosely_is_refused(key, monkeypatch):
    row = ApiKey.objects.get()
    row.digest = row.digest.upper()

    async def afind(self, digest):
        return row

    monkeypatch.setattr(type(ApiKey.objects), "find", lambda self, *_: row)
    monkeypatch.setattr(type(ApiKey.objects), "afind", afind)
    for view in (KEYS, AKEYS):
        assert_refused(both(view, headers=bearer(key)))


def test_a_provider_is_not_asked_for_a_membership_that_is_lost(settings):
    """Most look the role up by the organisation, and a member has none there."""
    provider = f"{Members.__module__}.{Members.__qualname__}"
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ACCOUNT_PROVIDER": provider}
    Members.reset()
    Members.members["ada"] = Member(roles={})
    text = key_of(org_id="acme")

    for view in (KEYS, AKEYS):
        assert_refused(both(view, headers=bearer(text)))


@pytest.fixture
def own_users(settings):
    """Let the accounts be Django's users."""
    settings.SECURE_SESSION = {
        name: value
        for name, value in settings.SECURE_SESSION.items()
        if name != "ACCOUNT_PROVIDER"
    }
    return get_user_model().objects


def test_a_disabled_or_deleted_user_ends_the_key(own_users):
    user = own_users.create_user("ada")
    text = key_of(account_id=str(user.pk))
    assert both(KEYS, headers=bearer(text)).json()["account"] == str(user.pk)
    own_users.update(is_active=False)
    assert_refused(both(KEYS, headers=bearer(text)))
    own_users.update(is_active=True)
    own_users.get().delete()

    for view in (KEYS, AKEYS):
        assert_refused(both(view, headers=bearer(text)))


SPELLINGS = [
    *(" {}", "{} ", "+{}", "0{}", "{}.0", "{}_0", "-{}", "{}e0", "ada", "None"),
    *("99999999999999999999", "\u0661", "\uff11", "\xb2", "True", "1' OR '1'='1"),
]


def test_another_spelling_of_a_user_s_id_is_no_owner(own_users):
    for pk in (1, 10):
        own_users.create_user(f"ada{pk}", pk=pk)

    for spelling in SPELLINGS:
        headers = bearer(key_of(account_id=spelling.format(1)))
        for view in (KEYS, AKEYS):
            assert_refused(both(view, headers=headers), case=spelling)


def test_django_s_users_have_no_organisations(own_users):
    user = own_users.create_user("ada")
    text = key_of(account_id=str(user.pk), org_id="acme")

    assert_refused(both(KEYS, headers=bearer(text)))


def test_an_account_without_an_organisation_s_key_acts_for_none(key):
    assert both(KEYS, headers=bearer(key)).json()["org"] is None


@pytest.mark.parametrize("server", [wsgi, asgi])
def test_a_note_of_the_use_that_fails_fails_no_request(key, server, caplog):
    def fail(execute, sql, *rest):
        if sql.startswith("UPDATE"):
            raise OperationalError("it can only be read")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        assert is_ada_s(server(KEYS, headers=bearer(key)))
    assert "The use of an API key could not be noted." in caplog.messages


# What it costs


def test_a_key_that_may_be_good_costs_one_query(key, django_assert_num_queries):
    wsgi(KEYS, headers=bearer(key))  # which is noted
    for text in (key, mint("dss", "live").text):
        with django_assert_num_queries(2):  # one for each server
            both(KEYS, headers=bearer(text))


def test_an_unknown_id_and_a_wrong_secret_take_the_same_query(key):
    stranger = mint("dss", "live").text
    texts = [stranger, checked(key[:21] + stranger[21:-6])]
    for view in (KEYS, AKEYS):
        asked = [question(view, text) for text in texts]
        assert asked[0] == asked[1]
        assert asked[0] == 'SELECT * FROM "?" WHERE "digest" = ?'


def question(view, text):
    """Return the one query that a wrong key costs, without what differs."""
    with CaptureQueriesContext(connection) as queries:
        assert_refused(wsgi(view, headers=bearer(text)))
    (query,) = queries
    where = query["sql"].replace(ApiKey._meta.db_table, "?")
    return re.sub(r"'[^']*'|\b\d+$", "?", where)


def test_a_refused_key_notes_no_use_and_is_in_no_signal_of_use(key, clock):
    used = []

    def receive(key_id, **_):
        used.append(key_id)

    ApiKey.objects.all().revoke()
    api_key_used.connect(receive)
    try:
        assert_refused(both(KEYS, headers=bearer(key)))
    finally:
        api_key_used.disconnect(receive)
    assert used == []
    assert ApiKey.objects.get().last_used_at is None


def test_no_answer_to_a_wrong_key_tells_why(key_site, clock):
    answers = set()
    for end in ENDS:
        key_site.reset()
        row, text = new_key(org_id="acme")
        end(row, key_site, clock)
        answers.add(wsgi(KEYS, headers=bearer(text)).body)

    assert answers == {wsgi(KEYS, headers=bearer("junk")).body}


def test_what_the_provider_says_of_the_owner_is_what_the_view_is_told(key_site):
    key_site.orgs["bob", "acme"] = ACME
    text = key_of(account_id="bob", org_id="acme")

    answer = both(KEYS, headers=bearer(text))
    assert answer.json() == {"account": "bob", "org": "acme", "via": "api_key"}
