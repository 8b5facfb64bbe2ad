"""Nothing that a client sends creates or changes an account, or breaks a page."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_secure_session import (
    Account,
    DjangoUserProvider,
    create_session,
    encode_session,
)
from django_secure_session.accounts.claims import dump, parse
from tests.accounts_site import (
    ACME,
    ADA,
    BACKEND,
    BOB,
    JSON,
    MAX_AGE,
    NOBODY,
    Doing,
    OwnUsers,
    claims_of,
    provider_path,
    says,
    sealed,
)
from tests.accounts_site import ada as ada
from tests.accounts_site import bob as bob
from tests.accounts_site import people as people
from tests.accounts_site import visitor as visitor
from tests.visits import NAME, site

USER_ID, USED_BACKEND, HASH = "_auth_user_id", "_auth_user_backend", "_auth_user_hash"
OWNER = {"account": {"id": "ada", "role": "owner", "verified": True}}
DEEP = json.loads("[" * 40 + "]" * 40)
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _between_seconds(clock):
    """Let the time be no whole number, as ever."""
    clock.tick(0.5)


# It is about the request that finds whatever it is, not about what the test has left.
several = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["anonymous", "own", "django"])
def identity(request, visitor, ada):
    """Let the visitor be someone; return what requests say of that."""

    async def come(on):
        await on.set("cart", [1])
        if request.param == "own":
            await on.login(ADA)
        if request.param == "django":
            await on.log_in_django(ada)
        return await on.who()

    return visitor.do(come)


def writing(content):
    """Return a view that puts a client's JSON into the session, as it should not."""

    async def write(on):
        await on.session("update", content)
        return await on.who()

    return write


def assert_nobody_else(visitor, identity, content, *, gone=False):
    """Assert who it is with this in the session, in this request and the next."""
    expected = [NOBODY] if gone else [identity]
    assert visitor.do(writing(content)) in expected
    assert visitor.who() in expected


# Requests

HEADERS = {
    "Account": "ada",
    "X-Account": "ada",
    "X-Account-Id": "ada",
    "X-Org": "acme",
    "X-User": "ada",
    "X-Remote-User": "ada",
    "Remote-User": "ada",
    "X-Forwarded-User": "ada",
    "Session": "ada",
    "Authorization": "Bearer dss_live_ada",
}


def test_no_header_makes_an_account(visitor, identity):
    assert visitor.who(headers=HEADERS) == identity


@pytest.mark.parametrize("scheme", ["Basic YWRhOnB3", "Cookie ada", "Session ada", ""])
def test_no_scheme_of_authorization_makes_an_account(visitor, identity, scheme):
    assert visitor.who(headers={"Authorization": scheme}) == identity


def test_no_form_and_no_query_make_an_account(visitor, identity):
    body = b"account=bob&org=acme&role=admin&auth_via=session&_auth_user_id=1"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"/?{body.decode()}"

    assert visitor.who(path=path, headers=headers, body=body) == identity


@pytest.mark.parametrize("name", ["account", "org", "claims", "sub", "csrftoken"])
def test_no_other_cookie_makes_an_account(visitor, identity, name):
    visitor.put(sealed(claims_of(BOB)), name)

    assert visitor.who() == identity


# Cookies

OTHER_CONTEXTS = [
    {"purpose": "encode"},
    {"purpose": "spill"},
    {"purpose": "reset"},
    {"alias": "prefs"},
]


@pytest.mark.parametrize("context", OTHER_CONTEXTS, ids=str)
def test_a_token_of_another_purpose_or_session_is_nobody_s(visitor, settings, context):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "SESSIONS": {"prefs": {}}}
    visitor.put(sealed(claims_of(ADA), **context))

    assert visitor.who() == NOBODY


def test_a_token_of_another_audience_is_nobody_s(visitor, settings):
    ours = settings.SECURE_SESSION
    settings.SECURE_SESSION = {**ours, "AUDIENCE": "elsewhere"}
    token = sealed(claims_of(ADA))
    settings.SECURE_SESSION = ours
    visitor.put(token)

    assert visitor.who() == NOBODY


def test_a_token_of_another_key_is_nobody_s(visitor, settings):
    ours = settings.SECURE_SESSION
    settings.SECURE_SESSION = {**ours, "KEY": secrets.token_bytes(32)}
    token = sealed(claims_of(ADA))
    settings.SECURE_SESSION = ours
    visitor.put(token)

    assert visitor.who() == NOBODY


def test_a_token_that_the_site_gave_away_for_something_else_logs_nobody_in(visitor):
    async def give(on):
        await on.login(ADA)
        return encode_session(on.request.session, purpose="download")

    token = visitor.do(give)
    visitor.put(token)

    assert visitor.who() == NOBODY


def test_what_a_client_can_have_encoded_logs_nobody_in(visitor):
    claims = json.loads(dump(claims_of(ADA)))
    visitor.put(create_session({**claims, "claims": claims, "account": "ada"}).sid)
    assert visitor.who() == NOBODY

    visitor.begin({**claims, "claims": claims, "account": "ada"})
    assert visitor.who() == NOBODY


def test_two_sessions_under_one_name_are_nobody_s(visitor):
    header = f"{NAME}={sealed(claims_of(ADA))}; {NAME}={sealed(claims_of(BOB))}"
    answer = visitor.server(visitor.view(Doing.who), cookie=header.encode())

    assert answer.json() == NOBODY


# A client's JSON in the session

CLAIMS = {
    "account": {"id": "bob", "role": "admin", "verified": True},
    "org": "acme",
    "claims": {"sub": "bob", "role": "admin", "iat": 1800000000},
    "sub": "bob",
    "role": "admin",
    "verified": True,
    "iat": 1800000000,
    "auth_time": 1800000000,
    "amr": ["pwd"],
    "log_in": "",
    "auth_via": "session",
    "_claims": '{"sub":"bob","role":"admin","iat":1800000000}',
    "_sealed_claims": "x",
    "_secure_session_identity": [1, 2, 3],
    "_log_in_was_written": True,
    "sid": "bob",
    "created": 0,
}


def test_no_key_of_the_session_makes_an_account(visitor, identity):
    assert_nobody_else(visitor, identity, CLAIMS)


def stays(identity) -> bool:
    """Tell whether Django's keys in the session have no say: in a log-in without it."""
    return identity["account"] == {"id": "ada", "role": "guest", "verified": True}


def of(user, hash_):
    return {USER_ID: str(user.pk), USED_BACKEND: BACKEND, HASH: hash_}


@pytest.mark.parametrize("hash_", ["", "0" * 64, "wrong", None, True, 0, [], {}, 1e308])
def test_another_user_s_id_with_a_wrong_hash_is_nobody_s(visitor, identity, bob, hash_):
    gone = not stays(identity)
    assert_nobody_else(visitor, identity, of(bob, hash_), gone=gone)


def test_another_user_s_id_with_one_s_own_hash_is_nobody_s(visitor, identity, ada, bob):
    content = of(bob, ada.get_session_auth_hash())

    assert_nobody_else(visitor, identity, content, gone=not stays(identity))


def test_another_user_s_id_alone_is_nobody_s(visitor, identity, bob):
    content = {USER_ID: str(bob.pk)}

    assert_nobody_else(visitor, identity, content, gone=not stays(identity))


def test_an_earlier_hash_is_nobody_s(visitor, ada):
    old = ada.get_session_auth_hash()
    ada.set_password("another")
    ada.save()

    assert_nobody_else(visitor, NOBODY, of(ada, old))


@pytest.mark.parametrize("backend", ["", "os.system", "x", None, 5, "django", BACKEND])
def test_no_text_in_the_place_of_the_backend_makes_an_account(
    visitor, identity, bob, backend
):
    content = {USER_ID: str(bob.pk), USED_BACKEND: backend, HASH: "wrong"}

    assert_nobody_else(visitor, identity, content, gone=not stays(identity))


WRONG = {
    "null": None,
    "true": True,
    "huge": 10**30,
    "infinity": float("inf"),
    "nan": float("nan"),
    "nested": DEEP,
    "object": {"1": 1},
    "nothing": "",
    "letters": "abc",
    "nul": "1\0",
    "surrogate": "\ud800",
    "newline": "1\n2",
    "digits": "9" * 30,
    "very long": "9" * 800,
    "other digits": "\uff19\uff19",
    "inf": "inf",
    "invisible": "9\u200d9",
}
each_wrong = pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)


@each_wrong
@pytest.mark.parametrize("key", [USER_ID, USED_BACKEND, HASH])
def test_a_wrong_value_among_django_s_keys_is_nobody_s(visitor, ada, key, value):
    visitor.do(lambda on: on.log_in_django(ada))

    assert_nobody_else(visitor, NOBODY, {key: value})


@each_wrong
def test_wrong_values_for_django_s_keys_change_no_other_log_in(visitor, value):
    visitor.come_with(claims_of(ADA))
    content = {USER_ID: value, USED_BACKEND: value, HASH: value}

    assert_nobody_else(visitor, says(ADA), content)


@pytest.mark.parametrize("value", [[1], "abc", "", float("inf"), None, 5])
def test_a_wrong_user_id_does_not_keep_anybody_from_logging_in(visitor, ada, value):
    visitor.begin(of(ada, ada.get_session_auth_hash()) | {USER_ID: value})

    async def log_in(on):
        await on.login(BOB)
        return await on.who()

    assert visitor.do(log_in) == says(BOB)
    assert visitor.who() == says(BOB)


@pytest.mark.parametrize("value", [[1], "abc", "", float("inf"), None, 5])
def test_a_wrong_user_id_does_not_keep_anybody_from_logging_out(visitor, db, value):
    visitor.come_with(claims_of(ADA), {USER_ID: value})

    async def log_out(on):
        await on.logout()
        return await on.who()

    assert visitor.do(log_out) == NOBODY
    assert visitor.named(NAME) == []


@each_wrong
def test_an_account_of_an_id_that_can_not_be_is_nobody_s(visitor, settings, db, value):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider_path(OwnUsers))
    content = {"sub": value, "role": "admin", "iat": 1}
    visitor.come_with(json.dumps(content).encode())

    assert visitor.who() == NOBODY


texts = st.text(st.characters(), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=5,
)
keys = st.sampled_from([*CLAIMS, USER_ID, USED_BACKEND, HASH]) | texts
values = json_values | st.sampled_from(["1", "2", "ada", "bob", BACKEND])


@several
@example({USER_ID: "1", USED_BACKEND: BACKEND, HASH: "\u20ac"})
@given(st.dictionaries(keys, values, max_size=5))
def test_whatever_is_in_the_session_makes_no_account(visitor, ada, content):
    visitor.begin({"cart": []})
    assert_nobody_else(visitor, NOBODY, content)


@several
@given(st.dictionaries(keys, values, max_size=5))
def test_whatever_is_in_the_session_of_an_account_changes_nothing(visitor, content):
    visitor.come_with(claims_of(ADA, ACME))

    assert_nobody_else(visitor, says(ADA, "acme"), content)


@several
@given(st.dictionaries(keys, values, max_size=5))
def test_whatever_is_in_the_session_of_a_user_makes_nobody_else(
    visitor, ada, bob, content
):
    logged_in = of(ada, ada.get_session_auth_hash())
    visitor.begin(logged_in)
    first = visitor.do(writing(content))

    assert first in (NOBODY, {**OWNER, "org": "acme", "via": "session"})
    assert visitor.who() == first


# Claims that only a holder of the key can have sealed

WHOLE = {
    "sub": "ada",
    "role": "guest",
    "verified": True,
    "iat": 1_800_000_000,
    "auth_time": 1_800_000_000,
    "amr": ["password"],
}


def changed(**claims) -> bytes:
    """Return good claims but for some; what is ... is missing."""
    content = {**WHOLE, **claims}
    return json.dumps({k: v for k, v in content.items() if v is not ...}).encode()


HOPELESS = {
    "a nul": b"\0",
    "no json": b"junk",
    "cut": changed()[:-1],
    "more": changed() + b"x",
    "no utf-8": changed().replace(b"ada", b"\xff\xfe"),
    "a mark": b"\xef\xbb\xbf" + changed(),
    "utf-16": changed().decode().encode("utf-16"),
    "null": b"null",
    "a number": b"5",
    "a text": b'"ada"',
    "a list": b'["ada"]',
    "empty": b"{}",
    "deep": b"[" * 60_000,
    "deep and closed": b"[" * 30_000 + b"]" * 30_000,
    "deep inside": changed(amr=[])[:-1] + b',"x":' + b"[" * 50_000,
    "a huge number": b'{"iat":' + b"9" * 5000 + b"}",
    "no sub": changed(sub=...),
    "no role": changed(role=...),
    "no iat": changed(iat=...),
    "empty sub": changed(sub=""),
    "sub a number": changed(sub=5),
    "sub a list": changed(sub=["ada"]),
    "role null": changed(role=None),
    "role a list": changed(role=["admin"]),
    "verified a text": changed(verified="true"),
    "verified one": changed(verified=1),
    "org a number": changed(org=5),
    "org an object": changed(org={"id": "acme"}),
    "iat a text": changed(iat="now"),
    "iat null": changed(iat=None),
    "iat infinite": changed(iat=float("inf")),
    "iat no number": changed(iat=float("nan")),
    "auth_time a list": changed(auth_time=[]),
    "auth_time no number": changed(auth_time=float("nan")),
    "amr a number": changed(amr=5),
    "log_in a number": changed(log_in=5),
    "log_in a list": changed(log_in=["x"]),
    "log_in an object": changed(log_in={"x": 1}),
}


@pytest.mark.parametrize("raw", HOPELESS.values(), ids=HOPELESS)
def test_bytes_that_are_no_claims_hold_none(raw):
    assert parse(raw) is None


SOME = {
    **{name: HOPELESS[name] for name in ("a nul", "no utf-8", "a list", "sub a list")},
    "deep": b"[" * 2_000 + b"]" * 2_000,
}
some_hopeless = pytest.mark.parametrize("raw", SOME.values(), ids=SOME)


@some_hopeless
def test_claims_that_can_not_be_read_are_nobody_s(visitor, raw):
    visitor.come_with(raw, {"cart": [1]})

    assert visitor.told().items() >= {**NOBODY, "data": {"cart": [1]}}.items()


@some_hopeless
def test_claims_that_can_not_be_read_are_read_anew_for_a_user(visitor, ada, raw):
    visitor.come_with(raw, of(ada, ada.get_session_auth_hash()))

    assert visitor.who() == {**OWNER, "org": "acme", "via": "session"}
    assert visitor.session.claims != raw


@some_hopeless
def test_claims_that_can_not_be_read_keep_nobody_from_logging_in(visitor, raw):
    visitor.come_with(raw)
    visitor.do(lambda on: on.login(BOB))

    assert visitor.who() == says(BOB)


OTHERS_LOG_INS = ["x", "\u20ac", "\ud800", "None", "0" * 22]
each_other = pytest.mark.parametrize("log_in", OTHERS_LOG_INS, ids=ascii)


@each_other
def test_claims_of_another_log_in_of_django_are_nobody_s(visitor, log_in):
    visitor.come_with(changed(log_in=log_in))

    assert visitor.who() == NOBODY


@each_other
def test_claims_of_another_log_in_of_django_are_read_anew(visitor, ada, log_in, people):
    visitor.come_with(changed(log_in=log_in), of(ada, ada.get_session_auth_hash()))

    assert visitor.who() == says(ADA)
    assert people.asked == [("account_for_user", "ada", None)]


ODD = {
    "iat of long ago": changed(iat=0),
    "iat before the world": changed(iat=-(10**12)),
    "iat at the end of time": changed(iat=10**12),
    "iat too large": changed(iat=10**400),
    "iat too small": changed(iat=-(10**400)),
    "iat a large fraction": changed(iat=1.7e308),
    "auth_time too large": changed(auth_time=10**400),
    "auth_time too small": changed(auth_time=-(10**400)),
    "auth_time a large fraction": changed(auth_time=-1.7e308),
    "amr a text": changed(amr="password"),
    "amr of numbers": changed(amr=[1, None, 2.5]),
    "amr of lists": changed(amr=[[["x"]]]),
    "amr an object": changed(amr={"a": 1}),
    "sub no utf-8": changed(sub="\ud800"),
    "role no utf-8": changed(role="\ud800"),
    "org no utf-8": changed(org="\ud800"),
    "sub with nul": changed(sub="a\0b"),
    "twice": changed()[:-1] + b',"role":"guest"}',
    "more than is known": changed(epoch=5, exp=0, aud="x"),
}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
def test_odd_claims_break_no_page(visitor, raw):
    visitor.come_with(raw)
    answer = visitor.ask(Doing.who)

    assert answer.status == 200
    assert visitor.error is None


ODD_TIMES = [name for name in ODD if "iat" in name or "auth_time" in name]


@pytest.mark.parametrize("raw", [ODD[each] for each in ODD_TIMES], ids=ODD_TIMES)
def test_odd_times_break_no_guard(visitor, raw):
    visitor.come_with(raw)

    async def prove(on):
        await on.call(on.request, "authenticated", fresh=TEN_MINUTES)

    assert visitor.ask(prove, headers=JSON).status in (200, 401)


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
def test_odd_claims_break_nothing_when_they_are_old(visitor, raw, clock):
    visitor.come_with(raw)
    clock.tick(MAX_AGE)

    assert visitor.who() in (NOBODY, says(ADA))


@several
@given(st.binary(max_size=200))
def test_whatever_bytes_the_claims_are_nobody_is_let_in(visitor, raw):
    visitor.come_with(raw)

    assert visitor.who() == NOBODY


fields = st.dictionaries(st.sampled_from([*WHOLE, "org", "log_in"]), json_values)


@several
@given(fields)
def test_whatever_json_the_claims_are_they_break_no_page(visitor, content):
    visitor.come_with(json.dumps({**WHOLE, **content}).encode())
    first = visitor.who()

    assert visitor.who() == first


@several
@given(fields)
def test_whatever_json_the_claims_are_they_break_no_page_of_a_user(
    visitor, ada, content
):
    raw = json.dumps({**WHOLE, "log_in": "x", **content}).encode()
    visitor.come_with(raw, of(ada, ada.get_session_auth_hash()))
    first = visitor.who()

    assert visitor.who() == first


# What only a mistake of the site lets a visitor try


@pytest.fixture
def only_users(settings):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider_path(DjangoUserProvider))


def test_an_account_from_elsewhere_never_becomes_the_user_of_its_number(
    visitor, only_users, ada
):
    ada.is_superuser = True
    ada.save()
    guest = Account(id=str(ada.pk), role="guest", verified=False)
    visitor.come_with(claims_of(guest, age=MAX_AGE))
    answer = visitor.ask(Doing.who)

    assert answer.status == 500
    assert isinstance(visitor.error, ImproperlyConfigured)
    assert "ACCOUNT_PROVIDER" in str(visitor.error)


def test_an_account_from_elsewhere_is_itself_while_its_claims_are_fresh(
    visitor, only_users, ada
):
    guest = Account(id=str(ada.pk), role="guest", verified=False)
    visitor.come_with(claims_of(guest))

    assert visitor.who() == says(guest)
