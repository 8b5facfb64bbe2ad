"""How long a session lives, on the server and in the browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import HttpResponse

from tests.conftest import START
from tests.http import SECURE_MIDDLEWARE, SERVERS
from tests.visits import (
    NAME,
    Visitor,
    call,
    cookie,
    deletes,
    does,
    max_age,
    read,
    sent,
    sent_data,
    site,
    untouched,
    value,
    write,
)

TWO_WEEKS = 1209600
#: Seconds before and after the moment of death, and whether the session lives then.
BOUNDARY = pytest.mark.parametrize(
    ("second", "alive"), [(-1, True), (0, False), (1, False)]
)


class Stubborn(Visitor):
    """A client that sends its cookies however old they are, unless told to delete."""

    def _forget(self) -> None:
        for identity, each in list(self.cookies.items()):
            if each.expires == float("-inf"):
                del self.cookies[identity]


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def visitor(request, settings, clock) -> Stubborn:
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    return Stubborn(request.param)


def expiring(expiry, **data):
    """Return a view that writes data and calls set_expiry()."""

    def view(request):
        request.session.update(data)
        request.session.set_expiry(expiry)
        return HttpResponse()

    return view


def rejection(visitor):
    return visitor.get(does(lambda s: s.rejection)).body.decode().strip("'")


def assert_lives(visitor, alive, reason):
    """The session is there, or was refused for this reason and is deleted."""
    if alive:
        assert visitor.get(does(lambda s: s["a"])).body == b"1"
    else:
        answer = visitor.get(does(lambda s: (dict(s.items()), s.rejection)))
        assert answer.body.decode() == repr(({}, reason))
        assert deletes(answer)


# The moment of death


@BOUNDARY
def test_session_cookie_age_counts_from_the_last_save(
    visitor, settings, clock, second, alive
):
    settings.SESSION_COOKIE_AGE = 3600
    visitor.get(write(a=1))
    clock.tick(3000)
    visitor.get(write(b=1))
    clock.tick(3600 + second)

    assert_lives(visitor, alive, "expired")


@BOUNDARY
def test_idle_timeout_counts_from_the_last_save(
    visitor, settings, clock, second, alive
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)
    visitor.get(write(a=1))
    clock.tick(3000)
    visitor.get(write(b=1))
    clock.tick(3600 + second)

    assert_lives(visitor, alive, "idle")


@BOUNDARY
def test_idle_timeout_counts_from_the_last_refresh(
    visitor, settings, clock, second, alive
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)
    visitor.get(write(a=1))
    clock.tick(3000)
    visitor.get(read)
    clock.tick(3600 + second)

    assert_lives(visitor, alive, "idle")


@BOUNDARY
def test_absolute_timeout_counts_from_the_beginning(
    visitor, settings, clock, second, alive
):
    settings.SECURE_SESSION = site(ABSOLUTE_TIMEOUT=5000, IDLE_TIMEOUT=1000)
    visitor.get(write(a=1))
    for _ in range(9):
        clock.tick(500)
        assert sent_data(visitor.get(read)) == {"a": 1}
    clock.tick(500 + second)

    assert_lives(visitor, alive, "expired")


@BOUNDARY
@pytest.mark.parametrize("seconds", [60, 3600, 86400 * 20])
@pytest.mark.parametrize("idle", [None, 1800])
def test_set_expiry_in_seconds_counts_from_the_last_save(
    visitor, settings, clock, second, alive, seconds, idle
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=idle, ABSOLUTE_TIMEOUT=None)
    visitor.get(expiring(seconds, a=1))
    clock.tick(seconds - 1)
    visitor.get(write(b=1))
    clock.tick(seconds + second)

    assert_lives(visitor, alive, "expired")


@BOUNDARY
@pytest.mark.parametrize("seconds", [60, 3600, 86400 * 20])
@pytest.mark.parametrize("idle", [None, 1800])
def test_set_expiry_to_a_date_ends_at_that_date(
    visitor, settings, clock, second, alive, seconds, idle
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=idle)
    visitor.get(expiring(clock.datetime() + timedelta(seconds=seconds), a=1))
    clock.tick(seconds - 2)
    visitor.get(write(b=1))
    clock.tick(2 + second)

    assert_lives(visitor, alive, "expired")


@BOUNDARY
@pytest.mark.parametrize(
    "expiry", [86400 * 40, timedelta(days=40)], ids=["seconds", "date"]
)
def test_set_expiry_gives_way_to_absolute_timeout(
    visitor, settings, clock, second, alive, expiry
):
    settings.SECURE_SESSION = site(ABSOLUTE_TIMEOUT=timedelta(days=30))
    visitor.get(expiring(expiry, a=1))
    clock.tick(days=20)
    visitor.get(write(b=1))
    clock.tick(second, days=10)

    assert_lives(visitor, alive, "expired")


@BOUNDARY
@pytest.mark.parametrize(
    ("idle", "reason", "age"), [(None, "expired", TWO_WEEKS), (1800, "idle", 1800)]
)
def test_what_ends_with_the_browser_ends_on_the_server_too(
    visitor, settings, clock, second, alive, idle, reason, age
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=idle)
    visitor.get(expiring(0, a=1))
    clock.tick(age + second)

    assert_lives(visitor, alive, reason)


@BOUNDARY
@pytest.mark.parametrize("cookie_age", [100, 100_000])
def test_idle_timeout_takes_the_place_of_session_cookie_age(
    visitor, settings, clock, second, alive, cookie_age
):
    settings.SESSION_COOKIE_AGE = cookie_age
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)
    visitor.get(write(a=1))
    clock.tick(3600 + second)

    assert_lives(visitor, alive, "idle")


@BOUNDARY
def test_an_expiry_that_was_taken_back_leaves_the_idle_timeout(
    visitor, settings, clock, second, alive
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)
    visitor.get(expiring(86400, a=1))
    visitor.get(expiring(None))
    clock.tick(3600 + second)

    assert_lives(visitor, alive, "idle")


@BOUNDARY
@pytest.mark.parametrize(
    ("options", "reason"),
    [({"IDLE_TIMEOUT": 60}, "idle"), ({"ABSOLUTE_TIMEOUT": 60}, "expired")],
)
def test_a_shorter_timeout_counts_for_cookies_that_are_out(
    visitor, settings, clock, second, alive, options, reason
):
    visitor.get(write(a=1))
    settings.SECURE_SESSION = site(**options)
    clock.tick(60 + second)

    assert_lives(visitor, alive, reason)


def test_what_is_too_old_in_both_ways_is_expired(visitor, settings, clock):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=100, ABSOLUTE_TIMEOUT=1000)
    visitor.get(write(a=1))
    clock.tick(1000)

    assert rejection(visitor) == "expired"


# Refresh


@pytest.fixture
def idling(visitor, settings) -> Stubborn:
    """A visitor of a site with an idle timeout of 1000 seconds."""
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000, ABSOLUTE_TIMEOUT=5000)
    visitor.get(write(a=1))
    return visitor


@pytest.mark.parametrize(("second", "refreshed"), [(-1, False), (0, False), (1, True)])
def test_a_cookie_older_than_a_tenth_of_the_timeout_is_refreshed(
    idling, clock, second, refreshed
):
    clock.tick(100 + second)

    assert sent_data(idling.get(read)) == ({"a": 1} if refreshed else None)


@pytest.mark.parametrize(("second", "refreshed"), [(-1, False), (0, False), (1, True)])
def test_the_next_refresh_is_a_tenth_of_the_timeout_after_the_last(
    idling, clock, second, refreshed
):
    clock.tick(500)
    idling.get(read)
    clock.tick(100 + second)

    assert bool(cookie(idling.get(read))) == refreshed


@pytest.mark.parametrize(("second", "refreshed"), [(-1, False), (0, False), (1, True)])
@pytest.mark.parametrize("seconds", [500, 2000])
def test_an_expiry_in_seconds_is_refreshed_after_a_tenth_of_those(
    idling, clock, second, refreshed, seconds
):
    idling.get(expiring(seconds))
    clock.tick(seconds / 10 + second)
    answer = idling.get(read)

    assert bool(cookie(answer)) == refreshed
    assert max_age(answer) == (seconds if refreshed else None)


def test_an_expiry_at_a_date_is_never_refreshed(idling, clock):
    idling.get(expiring(timedelta(seconds=2000)))
    for _ in range(4):
        clock.tick(499)
        assert not idling.get(read).set_cookies


def test_a_session_that_ends_with_the_browser_is_refreshed(idling, clock):
    idling.get(expiring(0))
    clock.tick(101)
    answer = idling.get(read)

    assert cookie(answer)
    assert max_age(answer) is None


def test_a_request_that_leaves_the_session_alone_refreshes_nothing(idling, clock):
    clock.tick(999)

    assert not idling.get(untouched).set_cookies


def test_without_an_idle_timeout_nothing_is_refreshed(visitor, settings, clock):
    visitor.get(write(a=1))
    clock.tick(TWO_WEEKS - 1)

    assert not visitor.get(read).set_cookies


def test_an_expiry_in_seconds_without_an_idle_timeout_is_not_refreshed(visitor, clock):
    visitor.get(expiring(60, a=1))
    clock.tick(59)

    assert not visitor.get(read).set_cookies


def test_a_refresh_saves_nothing_after_a_5xx(idling, clock):
    clock.tick(500)

    assert not idling.get(call("items", status=500)).set_cookies


@pytest.mark.parametrize("status", [302, 304, 404])
def test_a_refresh_needs_no_200(idling, clock, status):
    clock.tick(500)

    assert sent_data(idling.get(call("items", status=status))) == {"a": 1}


def test_a_session_that_is_used_often_enough_lives_on(visitor, settings, clock):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000)
    visitor.get(write(a=1))
    for _ in range(20):
        clock.tick(999)
        assert sent_data(visitor.get(read)) == {"a": 1}


def test_a_visit_within_a_tenth_of_the_timeout_does_not_count(idling, clock):
    clock.tick(100)
    idling.get(read)
    clock.tick(900)

    assert rejection(idling) == "idle"


def test_a_refresh_keeps_the_data_the_sid_and_the_beginning(idling, clock):
    before = sent(idling.get(call("touch")))
    clock.tick(500)
    after = sent(idling.get(read))

    assert (after.data(), after.sid) == (before.data(), before.sid)
    assert after.created_at == before.created_at
    assert after.issued_at == before.issued_at + timedelta(seconds=500)


def test_neither_refresh_nor_write_nor_touch_moves_the_absolute_timeout(idling, clock):
    for view in [read, write(b=1), call("touch"), call("save"), read]:
        clock.tick(500)
        session = sent(idling.get(view))
        assert session.created_at.timestamp() == START
    clock.tick(900)
    idling.get(read)
    clock.tick(900)
    answer = idling.get(read)

    assert max_age(answer) == 700
    assert sent(answer).expires_at.timestamp() == START + 5000


def test_a_refreshed_cookie_and_the_one_before_it_both_work(idling, clock):
    """Parallel requests bring the old one for a while."""
    before = idling.header().removeprefix(f"{NAME}=")
    clock.tick(500)
    assert value(idling.get(read)) != before

    idling.put(before)
    assert idling.get(does(lambda s: s["a"])).body == b"1"


# Max-Age


IN_A_MINUTE = timedelta(seconds=60)
LIFETIMES = {
    "nothing set": ({}, {}, "unset", TWO_WEEKS),
    "cookie age": ({"AGE": 100}, {}, "unset", 100),
    "idle": ({}, {"IDLE_TIMEOUT": 500}, "unset", 500),
    "idle beyond cookie age": ({"AGE": 100}, {"IDLE_TIMEOUT": 500}, "unset", 500),
    "absolute": ({}, {"ABSOLUTE_TIMEOUT": 100}, "unset", 100),
    "idle beyond absolute": (
        {},
        {"IDLE_TIMEOUT": 500, "ABSOLUTE_TIMEOUT": 300},
        "unset",
        300,
    ),
    "no absolute": ({"AGE": 86400 * 90}, {"ABSOLUTE_TIMEOUT": None}, "unset", 7776000),
    "seconds": ({}, {}, 60, 60),
    "seconds beyond idle": ({}, {"IDLE_TIMEOUT": 30}, 60, 60),
    "seconds below idle": ({}, {"IDLE_TIMEOUT": 90}, 60, 60),
    "seconds beyond absolute": ({}, {"ABSOLUTE_TIMEOUT": 30}, 60, 30),
    "date": ({}, {}, IN_A_MINUTE, 60),
    "date beyond absolute": ({}, {"ABSOLUTE_TIMEOUT": 30}, IN_A_MINUTE, 30),
    "None": ({}, {}, None, TWO_WEEKS),
    "browser": ({}, {}, 0, None),
    "browser and idle": ({}, {"IDLE_TIMEOUT": 500}, 0, None),
    "every browser": ({"BROWSER": True}, {}, "unset", None),
    "every browser and idle": ({"BROWSER": True}, {"IDLE_TIMEOUT": 5}, "unset", None),
    "every browser but seconds": ({"BROWSER": True}, {}, 60, 60),
    "every browser but a date": ({"BROWSER": True}, {}, IN_A_MINUTE, 60),
}


@pytest.mark.parametrize("name", LIFETIMES)
def test_max_age_is_how_long_the_session_lives(visitor, settings, name):
    of_django, ours, expiry, expected = LIFETIMES[name]
    settings.SESSION_COOKIE_AGE = of_django.get("AGE", TWO_WEEKS)
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = of_django.get("BROWSER", False)
    settings.SECURE_SESSION = site(**ours)
    view = write(a=1) if expiry == "unset" else expiring(expiry, a=1)

    assert max_age(visitor.get(view)) == expected


@pytest.mark.parametrize("name", LIFETIMES)
def test_expiry_age_and_date_are_how_long_the_session_lives(
    visitor, settings, clock, name
):
    of_django, ours, expiry, expected = LIFETIMES[name]
    settings.SESSION_COOKIE_AGE = of_django.get("AGE", TWO_WEEKS)
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = of_django.get("BROWSER", False)
    settings.SECURE_SESSION = site(**ours)
    visitor.get(write(a=1) if expiry == "unset" else expiring(expiry, a=1))

    def view(request):
        session = request.session
        in_seconds = session.get_expiry_date() - clock.datetime()
        return HttpResponse(
            f"{session.get_expiry_age()} {in_seconds.total_seconds():.0f} "
            f"{(session.expires_at - clock.datetime()).total_seconds():.0f} "
            f"{session.get_expire_at_browser_close()}"
        )

    age, to_date, to_expiry, closes = visitor.get(view).body.decode().split()
    assert age == to_date == to_expiry
    assert closes == str(expected is None)
    if expected is not None:
        assert age == str(expected)


def test_max_age_shrinks_towards_a_fixed_end(visitor, settings, clock):
    settings.SECURE_SESSION = site(ABSOLUTE_TIMEOUT=100)
    visitor.get(write(a=1))
    clock.tick(40)

    assert max_age(visitor.get(write(b=1))) == 60


def test_max_age_shrinks_towards_a_date(visitor, clock):
    visitor.get(expiring(IN_A_MINUTE, a=1))
    clock.tick(40)

    assert max_age(visitor.get(write(b=1))) == 20


def test_a_date_in_the_past_leaves_nothing_in_the_browser(visitor):
    answer = visitor.get(expiring(timedelta(seconds=-10), a=1))

    assert max_age(answer) <= 0


def test_a_cookie_that_lives_says_max_age_alone(visitor):
    """A client's clock may be wrong; what it counts itself is not."""
    assert "expires" not in cookie(visitor.get(write(a=1))).lower()


def test_a_browser_forgets_the_cookie_when_the_server_would_refuse_it(settings, clock):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    settings.SESSION_COOKIE_AGE = 100
    visitor = Visitor()
    visitor.get(write(a=1))
    clock.tick(99)
    assert visitor.get(read).body == b"{'a': 1}"

    clock.tick(1)
    assert visitor.header() == ""


@pytest.mark.parametrize("of_the_site", [True, False])
def test_each_session_says_itself_whether_it_ends_with_the_browser(
    visitor, settings, of_the_site
):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = of_the_site
    settings.SECURE_SESSION = site(
        SESSIONS={"prefs": {"EXPIRE_AT_BROWSER_CLOSE": not of_the_site}}
    )

    def view(request):
        request.session["a"] = request.prefs_session["b"] = 1
        return HttpResponse()

    answer = visitor.get(view)
    ages = [max_age(answer), max_age(answer, "prefs_session")]
    assert ages == ([None, TWO_WEEKS] if of_the_site else [TWO_WEEKS, None])


# Clocks that are wrong


def count_visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@pytest.mark.parametrize("offset", [30, -30, 60, -60])
@pytest.mark.parametrize(
    "expiry", ["unset", 600, timedelta(hours=2)], ids=["policy", "seconds", "date"]
)
def test_two_hosts_whose_clocks_differ_log_nobody_out(
    visitor, settings, clock, offset, expiry
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=600)
    visitor.get(write(a=1) if expiry == "unset" else expiring(expiry, a=1))
    for visit in range(1, 51):
        clock.tick(20)
        elsewhere = offset if visit % 2 else 0
        clock.tick(elsewhere)
        assert visitor.get(count_visits).body == str(visit).encode()
        clock.tick(-elsewhere)


@pytest.mark.parametrize("offset", [30, -30, 60, -60])
def test_two_hosts_whose_clocks_differ_refresh_the_session_too(
    visitor, settings, clock, offset
):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=600, ABSOLUTE_TIMEOUT=None)
    visitor.get(write(a=1))
    for visit in range(50):
        elsewhere = offset if visit % 3 == 0 else 0
        clock.tick(200 + elsewhere)
        assert visitor.get(read).body == b"{'a': 1}"
        clock.tick(-elsewhere)


@pytest.mark.parametrize("offset", [30, -30])
def test_differing_clocks_hardly_move_the_beginning(visitor, settings, clock, offset):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=600)
    visitor.get(write(a=1))
    for _ in range(20):
        clock.tick(offset)
        visitor.get(count_visits)
        clock.tick(-offset)
        session = sent(visitor.get(count_visits))
        assert abs(session.created_at.timestamp() - START) <= 30


@pytest.mark.parametrize(("second", "alive"), [(-1, True), (0, True), (1, False)])
def test_a_cookie_may_come_from_a_minute_ahead(visitor, clock, second, alive):
    visitor.get(write(a=1))
    clock.tick(-60 - second)

    assert rejection(visitor) == ("None" if alive else "future")


@pytest.mark.parametrize("every", [False, True])
def test_a_clock_that_steps_back_refuses_and_recovers_by_itself(
    visitor, settings, clock, every
):
    settings.SESSION_SAVE_EVERY_REQUEST = every
    visitor.get(write(a=1))
    clock.tick(hours=-1)
    for _ in range(59):
        answer = visitor.get(does(lambda s: (s.rejection, dict(s.items()))))
        assert answer.body == b"('future', {})"
        assert not answer.set_cookies
        clock.tick(minutes=1)

    assert visitor.get(read).body == b"{'a': 1}"


def test_a_clock_that_steps_back_a_little_makes_no_session_undecodable(visitor, clock):
    visitor.get(write(a=1))
    clock.tick(-30)
    session = sent(visitor.get(write(b=2)))

    assert session.data() == {"a": 1, "b": 2}
    assert session.created_at <= session.issued_at
