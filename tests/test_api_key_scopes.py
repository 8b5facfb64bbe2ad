"""What an API key may do: all of the scopes, exactly, and nothing by a resemblance."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import JSONField, Value
from django.urls import include, path
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_secure_session import NotAuthorized, any_of, authenticated, authorized
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.identity import is_scope
from django_secure_session.signals import api_key_rejected, api_key_used
from tests.api_keys import (
    ENTRIES,
    ain_view,
    atold,
    bearer,
    entry_urls,
    in_view,
    key_of,
    new_key,
    told,
)
from tests.api_keys import key_site as key_site
from tests.http import both
from tests.http_guards import FETCH, PAGE, signed_in, views_in

READ, WRITE = "invoices:read", "invoices:write"

READING = authorized(scopes=[READ])(told)
AREADING = authorized(scopes=[READ])(atold)
BARE = authorized(told)

fuzzed = hypothesis_settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _site(key_site):
    pass


def enters(view, text, **how) -> bool:
    """Tell whether a key opens a view; if it does not, it is for a scope."""
    answer = both(view, headers=bearer(text), **how)
    assert answer.status in (200, 403)
    return answer.status == 200 and answer.json()["via"] == "api_key"


def challenge(*scopes: str) -> str:
    named = " ".join(scopes)
    return f'Bearer realm="api", error="insufficient_scope", scope="{named}"'


def assert_lacks(answer, *scopes: str) -> None:
    """Assert that it is a 403 which names the scopes that the key has to have."""
    assert (answer.status, answer.header("www-authenticate")) == (
        *(403, challenge(*scopes)),
    )
    assert answer.json()["code"] == "insufficient_scope"
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    assert answer.set_cookies == []


def key_with_row(scopes) -> str:
    """Return a key whose row somebody has edited by hand."""
    row, text = new_key()
    ApiKey.objects.filter(pk=row.pk).update(scopes=Value(scopes, JSONField()))
    return text


# All of, exactly

GRANTED = [
    ([READ], [READ], True),
    ([READ, WRITE], [READ], True),
    ([READ], [READ, WRITE], False),
    ([WRITE], [READ, WRITE], False),
    ([READ, WRITE], [READ, WRITE], True),
    ([WRITE, READ], [READ, WRITE], True),
    ([WRITE, "users:read", READ], [READ, WRITE], True),
    ([WRITE, "users:read"], [READ], False),
    ([], [READ], False),
    ([], [READ, WRITE], False),
]


@pytest.mark.parametrize(("granted", "wanted", "passes"), GRANTED, ids=str)
def test_all_of_the_scopes_are_wanted(granted, wanted, passes):
    text = key_of(*granted)

    for view in (told, atold):
        assert enters(authorized(scopes=wanted)(view), text) is passes
    assert enters(in_view(scopes=wanted), text) is passes
    assert enters(ain_view(scopes=wanted), text) is passes


NEARLY = [
    *("invoices:rea", "nvoices:read", "invoices:reads", "xinvoices:read"),
    *("invoices", "invoices:", ":read", "read", "invoices:read:", "invoices:read:all"),
    *("Invoices:read", "INVOICES:READ", "invoices:Read", "invoices.read"),
    *("invoices/read", "invoices::read", "read:invoices", "invoices-read"),
    *("*", "**", "*:*", "invoices:*", "*:read", "invoices*", "invoices:rea?"),
    *("invoices:[r]ead", "invoices:.*", ".*", "%", "invoices:%", "all", "admin"),
    *("invoices:read,invoices:write", "invoices:read+invoices:write", "!invoices:read"),
    *("invoices:read|", "^invoices:read$", "(invoices:read)", "+invoices:read"),
    *("invoices%3Aread", "invoices&#58;read", "=?utf-8?q?invoices:read?="),
]


def test_a_scope_that_is_nearly_right_is_another():
    for granted in NEARLY:
        text = key_of(granted)
        assert not enters(READING, text), granted
        assert not enters(AREADING, text), granted
    assert not enters(READING, key_of(*NEARLY))


def test_a_guard_means_what_it_says():
    """A wildcard there is no wildcard either."""
    text = key_of(READ, WRITE)
    for wanted in NEARLY:
        view = authorized(scopes=[wanted])(told)
        assert not enters(view, text), wanted
        assert enters(view, key_of(wanted)), wanted


#: What is no scope at all, so no key can be made of it, but a row may have it.
NO_SCOPES = [
    *("", " ", f" {READ}", f"{READ} ", f"\t{READ}", f"{READ}\t", f"{READ}\n", "\x00"),
    *(f"{READ}\x00", f"{READ} {WRITE}", f"{READ}\r\n{WRITE}", "invoices :read"),
    *(f'"{READ}"', "invoices\\:read", f"{READ}\x7f", f"{READ}\x1b", f"{READ}\x85"),
    "".join(chr(ord(each) + 0xFEE0) for each in READ),  # wide letters: NFKC is READ
    "invo\u0456ces:read",  # a Cyrillic letter
    "\u0131nvoices:read",  # a Turkish one
    "invoices\ua789read",  # another colon
    "invoices:re\u0430d",
    "invoices:rea\u0501",
    "invoice\u017f:read",  # in capitals it is right
    "\u2170nvoices:read",  # a Roman numeral: NFKC is READ
    "invoices:read\u200b",
    "\ufeffinvoices:read",
    "invoices\xad:read",
    "invoices:read\u0301",
    "invoices:read\xa0",
    "\u202einvoices:read",
]


def test_what_is_no_scope_can_be_given_to_no_key():
    for scope in NO_SCOPES:
        with pytest.raises(ValueError, match="is no scope"):
            key_of(READ, scope)
    assert not ApiKey.objects.exists()


def test_what_is_no_scope_is_no_guard_s():
    for scope in NO_SCOPES:
        with pytest.raises(TypeError, match="scope"):
            authorized(scopes=[READ, scope])


def test_what_is_no_scope_opens_nothing_from_a_row():
    for scope in NO_SCOPES:
        text = key_with_row([scope])
        assert not enters(READING, text), ascii(scope)
        assert not enters(AREADING, text), ascii(scope)
    assert not enters(READING, key_with_row(NO_SCOPES))


def test_what_is_no_scope_takes_none_away():
    assert enters(READING, key_with_row([*NO_SCOPES, READ]))


@given(st.text())
def test_only_what_a_header_can_hold_is_a_scope(text):
    """RFC 6749 section 3.3 says which characters those are."""
    allowed = {chr(n) for n in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))}

    assert is_scope(text) == (text != "" and set(text) <= allowed)


@fuzzed
@given(st.from_regex(r"[!#-\[\]-~]{1,20}", fullmatch=True))
def test_any_other_scope_opens_nothing(granted):
    row, text = new_key(granted)

    assert row.scope_set == {granted}
    assert (granted == READ) == enters(READING, text)


# A key with none


def test_a_key_without_scopes_opens_what_wants_none_and_nothing_else(settings):
    text = key_of()
    settings.ROOT_URLCONF = entry_urls()
    for entry in ENTRIES:
        assert enters(None, text, path=entry)
    settings.ROOT_URLCONF = entry_urls(scopes=[READ])

    for entry in ENTRIES:
        assert not enters(None, text, path=entry)


def test_a_key_with_the_scopes_opens_every_entry(settings):
    settings.ROOT_URLCONF = entry_urls(scopes=[READ, WRITE])
    text = key_of(WRITE, READ)

    for entry in ENTRIES:
        assert enters(None, text, path=entry)


# Rows that were edited by hand

ROWS = [
    *(READ, f"{READ} {WRITE}", f'["{READ}"]', "", "*"),
    *({READ: True}, {"scopes": [READ]}, {READ: None}, {}),
    *([[READ]], [{READ: READ}], [[[[[[READ]]]]]], list(READ), ["invoices", "read"]),
    *([1, 0, -1.5], [True, False, None], 1, True, False, None, []),
]


def test_a_row_of_something_else_gives_nobody_anything():
    for scopes in ROWS:
        text = key_with_row(scopes)
        for view in (READING, AREADING):
            assert_lacks(both(view, headers=bearer(text)), READ)
        assert enters(BARE, text), scopes


def test_what_else_is_in_a_row_takes_no_scope_away():
    assert enters(READING, key_with_row([None, 1, {}, [WRITE], READ, True]))
    assert not enters(
        authorized(scopes=[WRITE])(told), key_with_row([None, 1, {}, [WRITE], READ])
    )


def test_what_is_no_text_in_a_row_is_no_scope_of_that_spelling():
    text = key_with_row([1, -1.5, True, None, [1], {"a": 1}])

    for spelling in ["1", "-1.5", "True", "true", "None", "null", "[1]"]:
        assert not enters(authorized(scopes=[spelling])(told), text), spelling


def write_raw(scopes: str) -> None:
    """Write what the database would not let in."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        try:
            cursor.execute(f"UPDATE {ApiKey._meta.db_table} SET scopes = %s", [scopes])
        finally:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def test_a_row_that_is_no_json_gives_nobody_anything():
    text = key_of(READ)
    for raw in [READ, "", "[", f'["{READ}"', "\\", "NaN", "'", f"['{READ}']"]:
        write_raw(raw)
        for view in (READING, AREADING):
            assert_lacks(both(view, headers=bearer(text)), READ)
        assert enters(BARE, text), raw


def test_scopes_that_are_taken_from_a_row_count_at_once():
    text = key_of(READ, WRITE)
    assert enters(READING, text)
    ApiKey.objects.update(scopes=[WRITE])

    assert not enters(READING, text)


def test_a_successor_has_the_scopes_of_its_predecessor_and_no_more():
    row, _ = new_key(READ)
    text = row.rotate().text

    assert enters(READING, text)
    assert not enters(authorized(scopes=[WRITE])(told), text)


# What is answered


@pytest.mark.parametrize("headers", [{}, FETCH, PAGE], ids=["curl", "fetch", "page"])
def test_a_missing_scope_is_a_problem_and_never_a_page(settings, headers):
    settings.ROOT_URLCONF = entry_urls(scopes=[READ, WRITE])
    headers = headers | bearer(key_of(READ))

    for entry in ENTRIES:
        assert_lacks(both(path=entry, headers=headers), READ, WRITE)


def test_no_session_makes_up_for_a_scope(settings):
    settings.ROOT_URLCONF = entry_urls(scopes=[READ])
    cookie, headers = signed_in("owner", id="ada"), PAGE | bearer(key_of(WRITE))

    for entry in ENTRIES:
        assert_lacks(both(None, cookie, path=entry, headers=headers), READ)


def test_scopes_are_named_in_the_order_of_the_guard():
    wanted = ["z", "a", "m"]
    answer = both(authorized(scopes=wanted)(told), headers=bearer(key_of("a")))

    assert_lacks(answer, *wanted)


def test_scopes_of_a_set_are_named_in_one_order():
    answer = both(authorized(scopes={"z", "a", "m"})(told), headers=bearer(key_of()))

    assert_lacks(answer, "a", "m", "z")


def test_a_wrong_key_is_not_told_which_scopes_there_are():
    answer = both(READING, headers=bearer("junk"))

    assert answer.status == 401
    assert READ not in str(answer)


def test_a_missing_scope_is_not_told_with_those_that_the_key_has():
    answer = both(READING, headers=bearer(key_of("secret:plans")))

    assert "secret:plans" not in str(answer)


# Several guards


def test_one_guard_of_several_is_enough():
    view = any_of(authorized(scopes=[READ]), authorized(scopes=[WRITE]))(told)

    assert enters(view, key_of(READ))
    assert enters(view, key_of(WRITE))
    assert not enters(view, key_of("other"))


def test_the_scopes_of_two_guards_are_not_mixed():
    guard = any_of(authorized(scopes=["a", "b"]), authorized(scopes=["c", "d"]))

    for granted in (["a", "c"], ["b", "d"], ["a", "d"], ["b", "c"]):
        assert not enters(guard(told), key_of(*granted))


def test_of_several_guards_the_scopes_of_the_first_are_named():
    one, other = authorized(scopes=[READ, "a"]), authorized(scopes=[WRITE])
    headers = PAGE | bearer(key_of())

    assert_lacks(both(any_of(one, other)(told), headers=headers), READ, "a")
    assert_lacks(both(any_of(other, one)(told), headers=headers), WRITE)
    for guard in (any_of(authenticated, other, one), any_of(other, authenticated, one)):
        assert_lacks(both(guard(atold), headers=headers), WRITE)


def test_a_bare_guard_among_others_wants_no_scope():
    view = any_of(authorized(scopes=[READ]), authorized)(told)

    assert enters(view, key_of())


def test_each_of_two_guards_has_to_pass():
    (tree,) = views_in(authorized(scopes=[WRITE])(include([path("", READING)])))
    twice = authorized(scopes=[WRITE])(READING)
    then_asked = authorized(scopes=[WRITE])(in_view(scopes=[READ]))

    for view in (tree, twice, then_asked):
        assert enters(view, key_of(READ, WRITE))
        assert_lacks(both(view, headers=PAGE | bearer(key_of(WRITE))), READ)
        assert_lacks(both(view, headers=PAGE | bearer(key_of(READ))), WRITE)


def test_an_async_view_that_asks_for_more_has_to_get_it():
    view = authorized(scopes=[WRITE])(ain_view(scopes=[READ]))

    assert enters(view, key_of(READ, WRITE))
    assert_lacks(both(view, headers=PAGE | bearer(key_of(WRITE))), READ)


def test_a_view_that_was_refused_a_scope_may_go_on_with_less():
    def view(request):
        with pytest.raises(NotAuthorized, match="scopes"):
            request.authorized(scopes=[READ])
        assert (request.account, request.auth_via) == (None, None)
        request.authorized()
        return told(request)

    assert enters(view, key_of())


# What is told of it


@pytest.fixture
def events():
    heard = []

    def used(key_id, **_):
        heard.append(("used", key_id))

    def rejected(key_id, reason, **_):
        heard.append((reason, key_id))

    api_key_used.connect(used)
    api_key_rejected.connect(rejected)
    yield heard
    api_key_used.disconnect(used)
    api_key_rejected.disconnect(rejected)


def test_a_missing_scope_is_told_as_a_rejection_and_not_as_a_use(events):
    row, text = new_key(WRITE)
    both(READING, headers=bearer(text))

    assert events == [("insufficient_scope", row.pk)] * 2


def test_a_second_guard_tells_of_a_refusal_and_not_of_a_use(events):
    row, text = new_key(WRITE)
    both(authorized(scopes=[WRITE])(READING), headers=bearer(text))

    assert events == [("used", row.pk), ("insufficient_scope", row.pk)] * 2


def test_a_second_guard_that_passes_tells_of_nothing(events):
    row, text = new_key(WRITE)
    for view in (in_view(scopes=[WRITE]), ain_view(scopes=[WRITE])):
        events.clear()
        both(authorized(scopes=[WRITE])(view), headers=bearer(text))
        assert events == [("used", row.pk)] * 2
