"""Claims: how they are sealed, how long they are believed, and what renews them."""

from __future__ import annotations

import io
import logging
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.http import HttpResponse
from hypothesis import given
from hypothesis import strategies as st

from django_secure_session import (
    Account,
    Org,
    conf,
    session_rejected,
    session_resealed,
)
from django_secure_session.accounts.claims import Seen, dump, parse
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.identity import Claims
from tests.accounts_site import (
    ACME,
    ADA,
    BOB,
    JSON,
    MAX_AGE,
    MIDDLEWARE,
    NOBODY,
    STOCK,
    AsyncPeople,
    Doing,
    Strangers,
    claims_of,
    provider_path,
    says,
    sealed,
)
from tests.accounts_site import ada as ada
from tests.accounts_site import people as people
from tests.accounts_site import visitor as visitor
from tests.conftest import START
from tests.spilling import Recording, entries
from tests.spilling import cache as cache
from tests.visits import NAME, cookie, deletes, max_age

OWNER = Account(id="ada", role="owner", verified=True)


async def touch_nothing(on):
    return None


def old(visitor, data=None, **kwargs):
    """Let a visitor come with claims that are too old."""
    visitor.come_with(claims_of(ADA, age=MAX_AGE), data, **kwargs)


def claims(visitor):
    """Return what is sealed in the visitor's cookie."""
    return parse(visitor.session.claims)


def fresh(visitor, minutes=10):
    """Return how a request is answered that wants a recent log-in."""

    async def prove(on):
        within = timedelta(minutes=minutes)
        await on.call(on.request, "authenticated", fresh=within)

    return visitor.ask(prove, headers=JSON).status


@pytest.fixture
def options(settings):
    """Return a function that sets options of SECURE_SESSION."""

    def set_options(**more):
        settings.SECURE_SESSION = {**settings.SECURE_SESSION, **more}

    return set_options


# Bytes

names = st.text(min_size=1)
accounts = st.builds(Account, id=names, role=names, verified=st.booleans())
times = st.integers(0, 2**63)
all_claims = st.builds(
    Claims,
    accounts,
    st.none() | st.builds(Org, id=names),
    times.filter(bool),
    times,
    st.lists(st.text(), max_size=3).map(tuple),
    st.text(),
    times,
)


@given(all_claims)
def test_claims_come_back_as_they_were_sealed(made):
    assert parse(dump(made)) == made


def test_claims_are_json_with_the_names_of_openid_connect():
    made = Claims(ADA, ACME, 5, 4, ("pwd",), "x")

    assert dump(made) == (
        b'{"sub":"ada","role":"guest","verified":true,"org":"acme","iat":5,'
        b'"auth_time":4,"amr":["pwd"],"log_in":"x"}'
    )


def test_claims_leave_out_what_is_empty():
    assert dump(Claims(BOB, None, 5)) == b'{"sub":"bob","role":"reader","iat":5}'


@pytest.mark.parametrize("raw", [b"", b"\0", b"null", b"5", b"[]", b"{}"])
def test_bytes_that_hold_no_claims_are_none(raw):
    assert parse(raw) is None


# How long they are believed


def test_young_claims_are_believed_unasked(visitor, people):
    visitor.come_with(claims_of(BOB, age=MAX_AGE - 1))

    assert visitor.who() == says(BOB)
    assert people.asked == []


def test_young_claims_send_no_cookie(visitor):
    visitor.come_with(claims_of(BOB))

    assert visitor.ask(Doing.who).set_cookies == []


def test_claims_are_asked_for_again_once(visitor, people):
    old(visitor)

    for _ in range(3):
        assert visitor.who() == says(ADA)
    assert people.asked == [("get_account", "ada", None)]


def test_claims_are_asked_for_once_in_a_request_that_asks_often(visitor, people):
    old(visitor)

    async def ask(on):
        for _ in range(3):
            await on.who()
            await on.call(on.request, "authenticated")

    visitor.do(ask)

    assert people.asked == [("get_account", "ada", None)]


def test_claims_of_a_django_user_are_asked_for_again_once(visitor, ada, people, clock):
    visitor.do(lambda on: on.log_in_django(ada))
    clock.tick(MAX_AGE)
    people.asked.clear()

    for _ in range(3):
        assert visitor.who() == says(OWNER, "acme")
    assert people.asked == [
        ("get_org", "ada", "acme"),
        ("account_for_user", "ada", "acme"),
    ]


def test_claims_that_were_asked_for_again_are_sent_once(visitor):
    old(visitor)

    answers = [visitor.ask(Doing.who) for _ in range(3)]

    assert [len(answer.set_cookies) for answer in answers] == [1, 0, 0]


def test_a_request_that_asks_nobody_leaves_old_claims_alone(visitor, people):
    old(visitor)

    assert visitor.ask(touch_nothing).set_cookies == []
    assert people.asked == []


def test_old_claims_are_asked_for_by_the_twins(visitor, options, people):
    options(ACCOUNT_PROVIDER=provider_path(AsyncPeople))
    visitor.come_with(claims_of(OWNER, ACME, age=MAX_AGE))
    visitor.who()

    twin = "a" if visitor.view(touch_nothing).__name__ == "aview" else ""
    assert people.asked == [
        (f"{twin}get_org", "ada", "acme"),
        (f"{twin}get_account", "ada", "acme"),
    ]


@pytest.mark.parametrize("age", [60, timedelta(minutes=1), timedelta(seconds=60.9)])
def test_the_site_says_how_long_claims_are_believed(visitor, options, people, age):
    options(CLAIMS_MAX_AGE=age)
    visitor.come_with(claims_of(ADA, age=59))
    visitor.who()
    assert people.asked == []

    visitor.come_with(claims_of(ADA, age=60))
    visitor.who()
    assert people.asked == [("get_account", "ada", None)]


def test_claims_can_be_believed_for_good(visitor, options, people, clock):
    options(CLAIMS_MAX_AGE=None)
    visitor.come_with(claims_of(BOB))
    clock.tick(days=13)

    assert visitor.who() == says(BOB)
    assert people.asked == []


@pytest.mark.parametrize("zero", [0, timedelta(0)])
def test_claims_can_be_asked_for_in_each_request(visitor, options, people, zero):
    options(CLAIMS_MAX_AGE=zero)
    visitor.come_with(claims_of(ADA))

    async def ask(on):
        await on.who()
        return await on.who()

    for _ in range(3):
        assert visitor.do(ask) == says(ADA)
    assert people.asked == [("get_account", "ada", None)] * 3


@pytest.mark.parametrize("age", [-1, "300", True, timedelta(-1)])
def test_an_age_of_claims_that_can_not_be_does_not_boot(options, age):
    options(CLAIMS_MAX_AGE=age)

    with pytest.raises(ImproperlyConfigured, match="CLAIMS_MAX_AGE"):
        conf.get_config()


def test_claims_from_a_clock_that_is_a_little_ahead_are_believed(visitor, people):
    visitor.come_with(claims_of(ADA, age=-59))

    assert visitor.who() == says(ADA)
    assert people.asked == []


def test_claims_from_a_clock_far_ahead_are_asked_for_again(visitor, people):
    visitor.come_with(claims_of(ADA, age=-3600))

    assert visitor.who() == says(ADA)
    assert people.asked == [("get_account", "ada", None)]


def test_claims_to_ask_for_each_time_are_not_believed_from_a_clock_ahead(
    visitor, options, people
):
    options(CLAIMS_MAX_AGE=0)
    visitor.come_with(claims_of(ADA, age=-30))

    visitor.who()
    assert people.asked == [("get_account", "ada", None)]


def test_a_clock_that_steps_back_makes_nobody_ask_for_ever(visitor, people, clock):
    visitor.come_with(claims_of(ADA))
    clock.tick(-50)
    visitor.who()
    clock.tick(50 + MAX_AGE)
    visitor.who()
    visitor.who()

    assert people.asked == [("get_account", "ada", None)]


# What is read again


def test_a_new_role_counts_when_claims_are_read_again(visitor, people, clock):
    visitor.come_with(claims_of(ADA))
    people.known["ada"].role = "admin"
    assert visitor.who() == says(ADA)

    clock.tick(MAX_AGE)
    assert visitor.who() == says(Account(id="ada", role="admin", verified=True))


def test_a_new_password_counts_when_claims_are_read_again(visitor, ada, clock):
    visitor.do(lambda on: on.log_in_django(ada))
    ada.set_password("another")
    ada.save()
    assert visitor.who() == says(OWNER, "acme")

    clock.tick(MAX_AGE)
    assert visitor.who() == NOBODY


def test_a_disabled_user_is_nobody_when_claims_are_read_again(visitor, ada, clock):
    visitor.do(lambda on: on.log_in_django(ada))
    ada.is_active = False
    ada.save()
    clock.tick(MAX_AGE)

    assert visitor.who() == NOBODY


def test_whoever_is_gone_is_nobody_and_keeps_the_session(visitor, people):
    old(visitor, {"cart": [1]})
    people.known.clear()
    answer = visitor.ask(Doing.who)

    assert answer.json() == NOBODY
    assert answer.set_cookies == []
    assert visitor.told()["data"] == {"cart": [1]}


def test_whoever_comes_back_is_there_again(visitor, people):
    old(visitor)
    gone = people.known.pop("ada")
    assert visitor.who() == NOBODY

    people.known["ada"] = gone
    assert visitor.who() == says(ADA)


def test_a_lost_membership_leaves_no_org_and_the_role_outside(visitor, people):
    visitor.come_with(claims_of(OWNER, ACME, age=MAX_AGE))
    del people.known["ada"].orgs["acme"]  # "post" is left

    assert visitor.who() == says(ADA)
    assert visitor.who() == says(ADA)


def test_a_new_membership_makes_nobody_act_for_it(visitor, people):
    old(visitor)

    assert visitor.who()["org"] is None


def test_an_id_that_changes_is_another_account_that_has_proved_nothing(
    visitor, ada, people, clock
):
    visitor.do(lambda on: on.log_in_django(ada))
    ada.username = "bob"
    ada.save()
    clock.tick(MAX_AGE)

    assert visitor.who() == says(BOB)
    assert claims(visitor).authenticated_at == 0
    assert fresh(visitor) == 401


def test_an_id_that_changes_takes_no_org_along(visitor, ada, people, clock):
    visitor.do(lambda on: on.log_in_django(ada))
    people.known["bob"].orgs = {"post": "clerk", "acme": "reader"}
    ada.username = "bob"
    ada.save()
    clock.tick(MAX_AGE)

    clerk = Account(id="bob", role="clerk", verified=False)
    assert visitor.who() == says(clerk, "post")


def test_what_an_account_has_proved_stays_proved(visitor, clock):
    visitor.come_with(claims_of(ADA, methods=("hwk", "pin")))
    clock.tick(MAX_AGE)
    visitor.who()

    sealed_now = claims(visitor)
    assert sealed_now.read_at == START + MAX_AGE
    assert sealed_now.authenticated_at == START
    assert sealed_now.methods == ("hwk", "pin")


def test_reading_claims_again_makes_no_log_in_fresh(visitor, clock):
    visitor.come_with(claims_of(ADA))
    clock.tick(599)
    assert fresh(visitor) == 200
    clock.tick(1)
    assert fresh(visitor) == 401


def test_claims_read_again_keep_the_sid_the_age_and_the_data(visitor, clock):
    visitor.come_with(claims_of(ADA), {"cart": [1]})
    before = visitor.told()
    clock.tick(MAX_AGE)

    assert visitor.told() == before
    assert visitor.told() == before


def test_claims_are_read_again_where_the_session_was_written(visitor):
    old(visitor)

    async def act(on):
        await on.set("cart", [1])
        await on.who()
        await on.set("more", True)

    answer = visitor.ask(act)

    assert len(answer.set_cookies) == 1
    assert visitor.session.data() == {"cart": [1], "more": True}
    assert claims(visitor).read_at == START


def test_claims_are_read_again_where_the_session_was_saved(visitor):
    old(visitor)

    async def act(on):
        await on.set("cart", [1])
        await on.session("save")
        await on.who()

    answer = visitor.ask(act)

    assert len(answer.set_cookies) == 1
    assert visitor.session.data() == {"cart": [1]}
    assert claims(visitor).read_at == START


@pytest.mark.parametrize("status", [500, 502, 503])
def test_claims_read_for_an_error_are_asked_for_again(visitor, people, status):
    old(visitor)

    async def fail(on):
        await on.who()
        return HttpResponse(status=status)

    assert visitor.ask(fail).set_cookies == []
    visitor.who()
    assert people.asked == [("get_account", "ada", None)] * 2


# How long the session lives


def test_claims_read_again_begin_the_cookie_s_age_anew(visitor, settings, clock):
    settings.SESSION_COOKIE_AGE = 1000
    visitor.come_with(claims_of(ADA))
    clock.tick(MAX_AGE)

    assert max_age(visitor.ask(Doing.who)) == 1000
    assert visitor.session.expires_at == clock.datetime() + timedelta(seconds=1000)


def test_claims_read_again_begin_the_idle_time_anew(visitor, options, clock):
    options(IDLE_TIMEOUT=500)
    visitor.come_with(claims_of(ADA))
    for _ in range(4):
        clock.tick(MAX_AGE)
        assert visitor.who() == says(ADA)


def test_claims_read_again_keep_a_custom_age(visitor, clock):
    async def begin(on):
        await on.login(ADA)
        await on.session("set_expiry", 1000)

    visitor.do(begin)
    clock.tick(MAX_AGE)

    assert max_age(visitor.ask(Doing.who)) == 1000


def test_claims_read_again_keep_a_fixed_end(visitor, clock):
    end = datetime.fromtimestamp(START + 1000, UTC)

    async def begin(on):
        await on.login(ADA)
        await on.session("set_expiry", end)

    visitor.do(begin)
    clock.tick(MAX_AGE)

    assert max_age(visitor.ask(Doing.who)) == 1000 - MAX_AGE
    assert visitor.session.expires_at == end


def test_claims_read_again_keep_the_end_with_the_browser(visitor, clock):
    async def begin(on):
        await on.login(ADA)
        await on.session("set_expiry", 0)

    visitor.do(begin)
    clock.tick(MAX_AGE)
    answer = visitor.ask(Doing.who)

    assert cookie(answer)
    assert max_age(answer) is None


def test_claims_read_again_do_not_outlive_the_absolute_timeout(visitor, options, clock):
    options(ABSOLUTE_TIMEOUT=700)
    visitor.come_with(claims_of(ADA))
    clock.tick(MAX_AGE)
    visitor.who()
    clock.tick(MAX_AGE)

    assert max_age(visitor.ask(Doing.who)) == 100
    clock.tick(100)
    assert visitor.who() == NOBODY


# Size


@pytest.fixture
def full(visitor, people):
    """Let the visitor's cookie be full, and its old claims grow."""
    visitor.come_with(claims_of(ADA, age=MAX_AGE), {"big": "x" * 2820})
    people.known["ada"].role = "r" * 200
    (before,) = visitor.named(NAME)
    return before.value


def test_claims_that_grew_out_of_the_cookie_count_in_the_request(visitor, full):
    account = Account(id="ada", role="r" * 200, verified=True)

    assert visitor.who() == says(account)


def test_claims_that_grew_out_of_the_cookie_leave_it_as_it_was(visitor, full):
    assert visitor.ask(Doing.who).set_cookies == []
    assert [each.value for each in visitor.named(NAME)] == [full]


def test_claims_that_grew_out_of_the_cookie_are_logged_without_a_value(
    visitor, full, caplog
):
    visitor.who()

    (record,) = [r for r in caplog.records if r.name == "django_secure_session"]
    assert record.levelno == logging.WARNING
    assert "Kept the session cookie" in record.getMessage()
    assert "rrr" not in caplog.text


def test_claims_that_grew_out_of_the_cookie_break_a_page_that_writes(visitor, full):
    async def act(on):
        await on.who()
        await on.set("big", "y" * 2820)

    answer = visitor.ask(act)
    assert (answer.status, answer.set_cookies) == (500, [])


# Where the session is


def test_claims_are_read_again_in_chunks(visitor, options, clock):
    options(PLACEMENT="chunked")

    async def begin(on):
        await on.set("big", "x" * 4000)
        await on.login(ADA)

    visitor.do(begin)
    assert len(visitor.named(NAME)) == 2
    clock.tick(MAX_AGE)

    assert len(visitor.ask(Doing.who).set_cookies) == 2
    assert visitor.ask(Doing.who).set_cookies == []
    assert visitor.told().items() >= says(ADA).items()


def test_claims_of_a_session_in_the_cache_are_in_the_cookie(visitor, cache):
    visitor.do(lambda on: on.login(ADA))
    before = entries(cache)
    assert len(before) == 1

    content = cache.get(before[0])
    assert isinstance(content, bytes)
    codec = conf.get_codec("default", conf.SPILL_PURPOSE)
    assert codec.unseal_bytes(content)[1] == b""
    assert visitor.who() == says(ADA)


def test_claims_of_a_session_in_the_cache_are_read_again(visitor, cache, people, clock):
    visitor.do(lambda on: on.login(ADA))
    clock.tick(MAX_AGE)

    assert [len(visitor.ask(Doing.who).set_cookies) for _ in range(2)] == [1, 0]
    assert people.asked == [("get_account", "ada", None)]


def test_an_account_of_a_session_in_the_cache_is_not_there_while_that_is_down(
    visitor, cache
):
    visitor.do(lambda on: on.login(ADA))
    Recording.fail()
    answer = visitor.ask(Doing.who)

    assert (answer.status, answer.set_cookies) == (503, [])
    assert answer.header("retry-after")
    Recording.recover()
    assert visitor.who() == says(ADA)


def test_an_account_whose_session_is_lost_is_nobody(visitor, cache):
    visitor.do(lambda on: on.login(ADA))
    cache.clear()

    assert visitor.who() == NOBODY


# Named sessions

STAFF = {"URL_PREFIX": "/admin/", "ACCOUNT_PROVIDER": provider_path(Strangers)}


@pytest.fixture
def staff(options):
    options(SESSIONS={"staff": STAFF})


def test_below_a_prefix_it_is_the_account_of_that_session(visitor, staff):
    visitor.come_with(claims_of(ADA))
    assert visitor.who(path="/admin/") == NOBODY

    visitor.do(lambda on: on.login(BOB), path="/admin/")
    assert visitor.who(path="/admin/") == says(BOB)
    assert visitor.who() == says(ADA)


def test_below_a_prefix_it_is_the_provider_of_that_session(visitor, staff, clock):
    visitor.come_with(claims_of(ADA))
    visitor.come_with(claims_of(BOB), alias="staff")
    clock.tick(MAX_AGE)

    stranger = Account(id="bob", role="stranger", verified=False)
    assert visitor.who(path="/admin/") == says(stranger)
    assert visitor.who() == says(ADA)


def test_below_a_prefix_a_log_in_of_django_asks_the_provider_of_that_session(
    visitor, staff, ada
):
    async def act(on):
        await on.log_in_django(ada)
        return await on.who()

    stranger = Account(id="ada", role="stranger", verified=False)
    assert visitor.do(act, path="/admin/") == says(stranger, "acme")
    assert visitor.who() == NOBODY


def test_a_session_may_believe_its_claims_for_a_time_of_its_own(
    visitor, options, people
):
    options(SESSIONS={"staff": {**STAFF, "CLAIMS_MAX_AGE": 10}})
    visitor.come_with(claims_of(ADA, age=10))
    visitor.come_with(claims_of(BOB, age=10), alias="staff")
    visitor.who()
    assert people.asked == []

    visitor.who(path="/admin/")
    assert people.asked == [("get_account", "bob", None)]


def test_the_same_claims_in_another_session_are_asked_for_by_its_own_rules(
    visitor, options
):
    options(SESSIONS={"staff": {**STAFF, "CLAIMS_MAX_AGE": 10}})
    both = claims_of(ADA, age=10)
    visitor.come_with(both)
    visitor.come_with(both, alias="staff")

    async def act(on):
        first = await on.who()
        on.request.session = on.request.staff_session
        return [first, await on.who()]

    stranger = Account(id="ada", role="stranger", verified=False)
    assert visitor.do(act) == [says(ADA), says(stranger)]


def test_a_log_out_below_a_prefix_leaves_the_site_s_log_in(visitor, staff):
    visitor.come_with(claims_of(ADA))
    visitor.come_with(claims_of(BOB), alias="staff")
    visitor.do(lambda on: on.logout(), path="/admin/")

    assert visitor.who(path="/admin/") == NOBODY
    assert visitor.who() == says(ADA)


# Keys


def test_claims_live_on_under_a_new_key(visitor, options, settings):
    old_key, new_key = settings.SECURE_SESSION["KEY"], secrets.token_bytes(32)
    visitor.come_with(claims_of(ADA, ACME, methods=("hwk",)))
    options(KEY=new_key, KEY_FALLBACKS=[old_key])
    assert visitor.who() == says(ADA, "acme")

    options(KEY_FALLBACKS=[])
    assert visitor.who() == says(ADA, "acme")
    assert claims(visitor) == claims_of(ADA, ACME, methods=("hwk",))


def test_old_claims_under_an_old_key_are_sealed_once(visitor, options, settings):
    old_key, new_key = settings.SECURE_SESSION["KEY"], secrets.token_bytes(32)
    old(visitor)
    options(KEY=new_key, KEY_FALLBACKS=[old_key])

    assert [len(visitor.ask(Doing.who).set_cookies) for _ in range(2)] == [1, 0]


def test_a_new_secret_key_does_not_log_a_django_user_out(visitor, ada, settings, clock):
    visitor.do(lambda on: on.log_in_django(ada))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = secrets.token_urlsafe()
    clock.tick(MAX_AGE)
    assert visitor.who() == says(OWNER, "acme")

    settings.SECRET_KEY_FALLBACKS = []
    clock.tick(MAX_AGE)
    assert visitor.who() == says(OWNER, "acme")
    assert claims(visitor).authenticated_at == START


# Django's own middleware


@pytest.fixture
def stock(settings):
    settings.MIDDLEWARE = [STOCK, *MIDDLEWARE[1:]]


def test_accounts_work_under_django_s_session_middleware(visitor, stock):
    visitor.do(lambda on: on.login(ADA, ACME))
    assert visitor.who() == says(ADA, "acme")

    visitor.do(lambda on: on.logout())
    assert visitor.who() == NOBODY


def test_a_log_in_of_django_works_under_django_s_session_middleware(
    visitor, stock, ada
):
    visitor.do(lambda on: on.log_in_django(ada))

    assert visitor.who() == says(OWNER, "acme")


def test_old_claims_are_read_again_under_django_s_session_middleware(
    visitor, stock, people
):
    old(visitor)
    answers = [visitor.ask(Doing.who) for _ in range(3)]

    assert [len(answer.set_cookies) for answer in answers] == [1, 0, 0]
    assert people.asked == [("get_account", "ada", None)]


def test_a_log_out_deletes_the_cookie_under_django_s_session_middleware(visitor, stock):
    visitor.come_with(claims_of(ADA))

    assert deletes(visitor.ask(lambda on: on.logout()))


def test_a_log_in_gives_a_new_sid_under_django_s_session_middleware(visitor, stock):
    visitor.do(lambda on: on.set("cart", [1]))
    before = visitor.session.sid
    visitor.do(lambda on: on.login(ADA))

    assert visitor.session.sid != before
    assert visitor.session.data() == {"cart": [1]}


# Where claims are not

SECRET = secrets.token_hex(8)
MARKED = Account(id=f"id-{SECRET}", role=f"role-{SECRET}", verified=True)
MARKED_ORG = Org(id=f"org-{SECRET}")


@pytest.fixture
def marked(visitor):
    visitor.come_with(claims_of(MARKED, MARKED_ORG), {"cart": [1]})


def test_claims_are_no_part_of_the_session_s_data(visitor, marked):
    async def look(on):
        return [
            dict(await on.session("items")),
            list(await on.session("keys")),
            list(await on.session("values")),
            await on.session("data"),
            list(on.request.session),
            len(on.request.session),
        ]

    data = {"cart": [1]}
    assert visitor.do(look) == [data, ["cart"], [[1]], data, ["cart"], 1]


def test_claims_are_in_no_repr(visitor, marked):
    async def look(on):
        await on.who()
        return f"{on.request.session!r} {on.request.session} {on.request!r}"

    assert SECRET not in visitor.do(look)


def test_claims_are_in_no_log(visitor, marked, caplog, people, clock, options):
    old_key = secrets.token_bytes(32)
    with caplog.at_level(logging.DEBUG):
        visitor.who()
        options(KEY_FALLBACKS=[old_key])
        clock.tick(MAX_AGE)
        visitor.who()
        people.error = RuntimeError("it fails")
        visitor.ask(Doing.who)
        visitor.ask(lambda on: on.switch_org("acme"))
        (stored,) = visitor.named(NAME)
        visitor.put(stored.value[:-1] + ("A" if stored.value[-1] != "A" else "B"))
        visitor.ask(Doing.who)

    assert "Refused the session cookie" in caplog.text
    assert SECRET not in caplog.text


def test_claims_are_in_no_error_of_size():
    session = SessionStore()
    session["big"] = "x" * 4000
    session.replace_claims(dump(claims_of(MARKED)))

    with pytest.raises(ValueError, match="big") as caught:
        session.save()
    assert SECRET not in str(caught.value)


def test_claims_are_in_no_signal(visitor, options, settings):
    told = []

    def receive(**named):
        told.append(str(named))

    old_key, new_key = settings.SECURE_SESSION["KEY"], secrets.token_bytes(32)
    visitor.come_with(claims_of(MARKED))
    options(KEY=new_key, KEY_FALLBACKS=[old_key])
    for signal in (session_resealed, session_rejected):
        signal.connect(receive)
    try:
        visitor.who()
        options(KEY=secrets.token_bytes(32), KEY_FALLBACKS=[])
        visitor.who()
    finally:
        for signal in (session_resealed, session_rejected):
            signal.disconnect(receive)

    assert len(told) == 2
    assert SECRET not in "".join(told)


def test_claims_are_on_no_debug_page(visitor, marked, settings):
    settings.DEBUG = True

    async def fail(on):
        session = on.request.session
        raise RuntimeError(f"a view failed {session.accessed}")

    answer = visitor.ask(fail, headers={"Accept": "text/html"})

    assert answer.status == 500
    assert b"a view failed" in answer.body
    assert SECRET.encode() not in answer.body


def inspected(token, *arguments) -> str:
    stdout = io.StringIO()
    call_command("inspectsession", token, *arguments, stdout=stdout)
    return stdout.getvalue()


def test_inspectsession_tells_that_there_is_an_account_but_not_whose():
    said = inspected(sealed(claims_of(MARKED, MARKED_ORG)))

    assert "account" in said
    assert SECRET not in said


def test_inspectsession_reveals_the_account_when_it_is_told_to():
    said = inspected(sealed(claims_of(MARKED, MARKED_ORG)), "--reveal")

    assert f'"sub":"id-{SECRET}"' in said
    assert f'"org":"org-{SECRET}"' in said


def test_inspectsession_reveals_claims_that_are_no_text():
    assert "account" in inspected(sealed(b"\xff\x00{"), "--reveal")


def test_inspectsession_says_nothing_of_an_account_where_there_is_none():
    assert "account" not in inspected(sealed(b""))


def test_what_is_looked_at_shows_no_session_hash():
    assert "hash" not in repr(Seen(b"", "1", "backend", "a-session-hash"))
