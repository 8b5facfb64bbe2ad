"""Keys as rows: made, found, rotated and ended, on any site that can have them."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, models
from django.utils import timezone

import django_secure_session
from django_secure_session import any_of, authenticated, authorized
from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.managers import CreatedKey
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.conf import get_configs
from tests.api_keys import Owners, bearer, key_of, new_key, told
from tests.api_keys import key_site as key_site
from tests.http import both
from tests.visits import site

pytestmark = pytest.mark.usefixtures("key_site")

YEAR, WEEK, NONE = timedelta(days=365), timedelta(days=7), timedelta(0)
TEXTS = {"name": "ci", "account_id": "ada"}


def opens(text: str) -> bool:
    """Tell whether a key lets a request in."""
    return both(authorized(told), headers=bearer(text)).status == 200


def stored(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


# Making


def made_by_twin(**options):
    return async_to_sync(ApiKey.objects.acreate_key)(**options)


MAKE = {"sync": lambda **o: ApiKey.objects.create_key(**o), "async": made_by_twin}
MADE = pytest.mark.parametrize("kind", MAKE)


@MADE
def test_a_key_has_what_it_was_given(clock, kind):
    created = MAKE[kind](
        name="nightly export",
        account_id="ada",
        org_id="acme",
        scopes=("b", "a", "b"),
        lifetime=timedelta(hours=1),
        env="test",
    )
    key, now = stored(created.api_key), clock.datetime()
    assert (key.name, key.account_id, key.org_id) == ("nightly export", "ada", "acme")
    assert (key.scopes, key.scope_set, key.env) == (["b", "a"], {"a", "b"}, "test")
    assert (key.created, key.expires) == (now, now + timedelta(hours=1))
    assert (key.revoked_at, key.last_used_at, key.successor) == (None, None, None)
    assert created.text.startswith(f"dss_test_{key.pk}_")
    assert tokens.parse(created.text, "dss") == (key.pk, key.digest)


@MADE
def test_a_key_lives_a_year_and_may_nothing_unless_told_otherwise(clock, kind):
    key = stored(MAKE[kind](**TEXTS).api_key)
    assert (key.org_id, key.scopes, key.env) == ("", [], "live")
    assert key.expires == clock.datetime() + YEAR


@MADE
def test_a_key_may_live_for_ever(clock, kind):
    created = MAKE[kind](**TEXTS, lifetime=None)
    clock.tick(days=36500)
    assert stored(created.api_key).is_usable


LONGEST = {"name": 100, "account_id": 255, "org_id": 255}
WRONG = [
    ({"name": None}, TypeError, "name is of type NoneType"),
    ({"account_id": 7}, TypeError, "account_id is of type int"),
    ({"org_id": 7}, TypeError, "org_id is of type int"),
    *(
        ({name: text}, ValueError, f"{name} must have 1 to {longest} ")
        for name, longest in LONGEST.items()
        for text in (
            *([""] if name != "org_id" else []),
            " ",
            "a\n",
            "\x1b[31m",
            "\0",
            "\u202e",
            "x" * (longest + 1),
        )
    ),
    ({"org_id": ""}, ValueError, "org_id is empty; None is for no organisation"),
    *(
        ({"scopes": scopes}, TypeError, "it is a list")
        for scopes in ("a", b"a", None, 5, iter(["a"]))
    ),
    *(
        ({"scopes": [scope]}, ValueError, "is no scope")
        for scope in ("", " ", "a b", 'a"', "a\\", "\xe9", "a\n", "a\0", 5, None, [])
    ),
    *(
        ({"lifetime": lifetime}, ValueError, "lifetime is")
        for lifetime in (
            5,
            365.0,
            "1",
            timedelta(0),
            timedelta(milliseconds=999),
            -YEAR,
        )
    ),
    *(
        ({"env": env}, ValueError, "env is")
        for env in ("", "Live", "1a", "a_b", "a-b", "a\n", " a", "x" * 17, "\xe9")
    ),
]


@MADE
def test_no_key_is_made_of_what_is_none(kind):
    for wrong, error, text in WRONG:
        with pytest.raises(error, match=text):
            MAKE[kind](**{**TEXTS, **wrong})
    for missing in TEXTS:
        with pytest.raises(TypeError, match=missing):
            MAKE[kind](**{n: v for n, v in TEXTS.items() if n != missing})
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("longest", [timedelta.max, timedelta(days=3_000_000)])
def test_no_key_outlives_the_calendar(longest):
    with pytest.raises((TypeError, ValueError)):
        ApiKey.objects.create_key(**TEXTS, lifetime=longest)


def test_the_longest_texts_and_the_shortest_life_are_good(clock):
    longest = {name: "x" * length for name, length in LONGEST.items()}
    key = ApiKey.objects.create_key(
        **longest, lifetime=timedelta(seconds=1), env="x" * 16
    ).api_key
    assert stored(key).is_usable
    assert (len(key.name), len(key.org_id), len(key.env)) == (100, 255, 16)


def test_keys_have_nothing_in_common():
    one, other = new_key(), new_key()
    assert one.api_key.pk != other.api_key.pk
    assert one.text[-49:-6] != other.text[-49:-6]


def test_a_key_is_shown_by_its_name_and_id_alone():
    created = new_key(name="nightly")
    assert str(created.api_key) == f"nightly ({created.api_key.pk})"
    assert repr(created) == f"<CreatedKey {created.api_key.pk}>"
    assert created == CreatedKey(created.api_key, created.text)


def test_keys_are_listed_with_the_newest_first(clock):
    made = []
    for _ in range(3):
        made.insert(0, new_key().api_key)
        clock.tick(1)
    assert list(ApiKey.objects.all()) == made


# Ending

END = {
    "sync": lambda each: each.revoke(),
    "async": lambda each: async_to_sync(each.arevoke)(),
}
ENDED = pytest.mark.parametrize("kind", END)


@ENDED
def test_a_revoked_key_is_over_at_once_and_for_good(clock, kind):
    created = new_key()
    assert opens(created.text)
    END[kind](created.api_key)
    first = clock.datetime()
    assert created.api_key.revoked_at == stored(created.api_key).revoked_at == first
    assert not opens(created.text)
    clock.tick(60)
    END[kind](created.api_key)
    assert stored(created.api_key).revoked_at == first


@ENDED
def test_revoking_writes_nothing_else(kind):
    key = new_key().api_key
    ApiKey.objects.filter(pk=key.pk).update(name="renamed", scopes=["a"])
    END[kind](key)
    assert (stored(key).name, stored(key).scopes) == ("renamed", ["a"])


@ENDED
def test_revoking_ends_no_other_key(kind):
    key, other = new_key(), new_key()
    END[kind](key.api_key)
    assert opens(other.text)


@ENDED
def test_many_keys_end_together_and_are_counted_once(clock, kind):
    of_ada = [new_key().api_key for _ in range(3)]
    of_bob = new_key(account_id="bob").api_key
    of_ada[0].revoke()
    first = clock.datetime()
    clock.tick(60)
    keys = ApiKey.objects.filter(account_id="ada")
    assert [END[kind](keys), END[kind](keys)] == [2, 0]
    assert [stored(key).is_usable for key in [*of_ada, of_bob]] == [False] * 3 + [True]
    assert stored(of_ada[0]).revoked_at == first


@pytest.mark.parametrize(
    ("lifetime", "revoked", "reason"),
    [
        (10, False, "expired"),
        (11, False, None),
        (None, False, None),
        (10, True, "revoked"),
        (11, True, "revoked"),
        (None, True, "revoked"),
    ],
)
def test_a_key_ends_on_the_second_and_says_why(clock, lifetime, revoked, reason):
    lasting = None if lifetime is None else timedelta(seconds=lifetime)
    created = new_key(lifetime=lasting)
    key = created.api_key
    if revoked:
        key.revoke()
    clock.tick(10)
    assert key.end_reason(clock.datetime()) == reason
    assert key.is_usable == (reason is None) == opens(created.text)
    assert ApiKey.objects.usable().filter(pk=key.pk).exists() == (reason is None)


# Finding, and noting the use


async def afind(*args):
    return await ApiKey.objects.afind(*args)


FIND = {
    "sync": lambda *args: ApiKey.objects.find(*args),
    "async": async_to_sync(afind),
}


@pytest.mark.parametrize("kind", FIND)
def test_a_key_is_found_by_its_digest_alone(kind, django_assert_num_queries):
    key, other = new_key().api_key, new_key().api_key
    with django_assert_num_queries(4):
        assert FIND[kind](key.digest) == key
        assert FIND[kind](other.digest) == other
        assert FIND[kind](key.pk) is None
        assert FIND[kind]("") is None
    found = vars(FIND[kind](key.digest)) | {"_state": None}
    assert found == vars(stored(key)) | {"_state": None}


def test_a_use_is_noted_once_a_minute(clock):
    key, other = new_key().api_key, new_key().api_key
    hits = []
    for seconds in (0, 0, 59, 0.999, 0.001, 1):
        clock.tick(seconds)
        due = stored(key).is_use_to_note()
        hits.append(ApiKey.objects.note_use(key.pk, clock.datetime()))
        assert due == bool(hits[-1])
    assert hits == [1, 0, 0, 0, 1, 0]
    assert stored(key).last_used_at == clock.datetime() - timedelta(seconds=1)
    assert stored(other).last_used_at is None


def test_the_note_of_a_key_that_is_gone_is_nothing():
    assert ApiKey.objects.note_use("x" * 12, timezone.now()) == 0


JUNK = [None, "a", {"a": 1}, 5, True, [["a"]], [None], [""], ["a b"], ["\xe9"], [5]]


def test_junk_in_a_row_is_no_scope():
    for junk in JUNK:
        assert ApiKey(scopes=junk).scope_set == set()
    assert ApiKey(scopes=[*JUNK, "good"]).scope_set == {"a", "good"}


# Rotating

ROTATE = {
    "sync": lambda key, *args: key.rotate(*args),
    "async": lambda key, *args: async_to_sync(key.arotate)(*args),
}
ROTATED = pytest.mark.parametrize("kind", ROTATE)


@ROTATED
def test_a_successor_may_what_its_key_might(clock, kind):
    month = timedelta(days=30)
    old = new_key("b", "a", org_id="acme", name="x", lifetime=month, env="test")
    clock.tick(days=1)
    created = ROTATE[kind](old.api_key)
    new, now = stored(created.api_key), clock.datetime()
    same = ("name", "account_id", "org_id", "scopes", "env")
    assert [getattr(new, each) for each in same] == [
        "x",
        "ada",
        "acme",
        ["b", "a"],
        "test",
    ]
    assert (new.created, new.expires) == (now, now + month)
    assert new.pk != old.api_key.pk
    assert created.text.startswith(f"dss_test_{new.pk}_")
    assert stored(old.api_key).successor == old.api_key.successor == new
    assert new.predecessor == old.api_key


@ROTATED
def test_both_keys_work_during_the_overlap_and_one_after_it(clock, kind):
    old = new_key()
    new = ROTATE[kind](old.api_key)
    assert opens(old.text)
    assert opens(new.text)
    clock.tick(WEEK.total_seconds() - 1)
    assert opens(old.text)
    clock.tick(1)
    assert not opens(old.text)
    assert opens(new.text)


@ROTATED
@pytest.mark.parametrize(
    ("lifetime", "overlap", "rest"),
    [
        (YEAR, WEEK, WEEK),
        (None, WEEK, WEEK),
        (WEEK, YEAR, WEEK),
        (None, timedelta(0), timedelta(0)),
    ],
)
def test_a_key_ends_after_the_overlap_or_sooner(clock, kind, lifetime, overlap, rest):
    old = new_key(lifetime=lifetime).api_key
    new = ROTATE[kind](old, overlap).api_key
    assert stored(old).expires == old.expires == clock.datetime() + rest
    assert old.is_usable == bool(rest)
    assert new.expires == (None if lifetime is None else clock.datetime() + lifetime)


def assert_refused(kind, key, text, *args):
    before = list(ApiKey.objects.values())
    with pytest.raises(ValueError, match=text):
        ROTATE[kind](key, *args)
    assert list(ApiKey.objects.values()) == before


@ROTATED
def test_no_ended_or_rotated_key_is_rotated(clock, kind):
    revoked, expired = new_key().api_key, new_key(lifetime=timedelta(seconds=5)).api_key
    rotated = new_key().api_key
    revoked.revoke()
    clock.tick(5)
    new = rotated.rotate().api_key
    assert_refused(kind, revoked, f"The key {revoked.pk} is revoked; make a new one")
    assert_refused(kind, expired, f"The key {expired.pk} is expired; make a new one")
    assert_refused(kind, rotated, f"has the successor {new.pk}; rotate that")
    for wrong in (timedelta(seconds=-1), timedelta(days=365.001), timedelta.max):
        assert_refused(kind, new, "from 0 to 365 days", wrong)
    assert ROTATE[kind](new).api_key.pk != new.pk


@ROTATED
def test_what_another_process_did_to_a_key_counts(kind):
    key = new_key().api_key
    stale, staler = stored(key), stored(key)
    key.rotate()
    assert_refused(kind, stale, "has the successor")
    key.revoke()
    assert_refused(kind, staler, "is revoked")


def test_a_rotation_holds_the_row_meanwhile(monkeypatch):
    """Two at once would make two successors; SQLite, as here, locks without asking."""
    locked = []
    select_for_update = models.QuerySet.select_for_update

    def spy(self, *args, **kwargs):
        locked.append(self.model)
        return select_for_update(self, *args, **kwargs)

    monkeypatch.setattr(models.QuerySet, "select_for_update", spy)
    new_key().api_key.rotate()
    assert locked == [ApiKey]


def test_a_rotation_that_fails_has_made_nothing(monkeypatch):
    key = new_key().api_key

    def fail(self, *args):
        raise OperationalError("no connection")

    monkeypatch.setattr(ApiKey, "_end_in", fail)
    with pytest.raises(OperationalError):
        key.rotate()
    assert list(ApiKey.objects.all()) == [key]
    assert (key.successor, stored(key).expires) == (None, key.expires)


def test_a_rotation_writes_nothing_of_an_old_copy():
    stale = new_key("a").api_key
    ApiKey.objects.filter(pk=stale.pk).update(name="renamed", scopes=["b"])
    new = stale.rotate().api_key
    assert (stored(stale).name, new.name, new.scopes) == ("renamed", "renamed", ["b"])


def test_a_key_whose_successor_is_deleted_can_be_rotated_again():
    key = new_key().api_key
    key.rotate().api_key.delete()
    assert stored(key).rotate().api_key.account_id == "ada"


# Time zones, and the table


def test_a_site_without_time_zones_has_keys_too(
    settings, django_capture_on_commit_callbacks
):
    settings.USE_TZ = False
    created = new_key(lifetime=timedelta(seconds=2))
    with django_capture_on_commit_callbacks(execute=True):
        assert opens(created.text)
    key = stored(created.api_key)
    assert timezone.is_naive(key.last_used_at)
    assert key.is_usable
    assert opens(key.rotate().text)
    key.revoke()
    assert timezone.is_naive(key.revoked_at)
    assert list(ApiKey.objects.usable()) == [key.successor]
    ApiKey.objects.update(expires=dt.datetime(2020, 1, 1))  # noqa: DTZ001
    assert not ApiKey.objects.usable().exists()


def test_the_migrations_make_the_whole_table():
    call_command(
        "makemigrations",
        "secure_session_api_keys",
        check=True,
        dry_run=True,
        verbosity=0,
    )


# The prefix


def test_keys_begin_as_the_site_says(settings):
    settings.SECURE_SESSION = site(API_KEY_PREFIX="acme2")
    text = key_of()
    assert text.startswith("acme2_live_")
    assert opens(text)


def test_another_prefix_ends_the_keys_of_the_old_one(settings):
    old = key_of()
    settings.SECURE_SESSION = site(API_KEY_PREFIX="acme")
    assert not opens(old)
    either = any_of(authenticated(), authorized())(told)
    accept = {"Accept": "application/json"}
    assert both(either, headers={**accept, **bearer(old)}).status == 401
    settings.SECURE_SESSION = site(API_KEY_PREFIX="dss")
    assert opens(old)


@pytest.mark.parametrize("prefix", ["aa", "a1", "a" * 16])
def test_a_prefix_is_a_short_word(settings, prefix):
    settings.SECURE_SESSION = site(API_KEY_PREFIX=prefix)
    assert opens(key_of())


WRONG_PREFIXES = ["", "a", "A1", "1a", "a_b", "a-b", "a\n", "a" * 17, "\xe9a", None, 5]


@pytest.mark.parametrize("prefix", WRONG_PREFIXES)
def test_a_site_does_not_start_with_a_prefix_that_no_key_has(settings, prefix):
    settings.SECURE_SESSION = site(API_KEY_PREFIX=prefix)
    with pytest.raises(ImproperlyConfigured, match="API_KEY_PREFIX"):
        get_configs()


def test_no_named_session_has_a_prefix_of_its_own(settings):
    settings.SECURE_SESSION = site(SESSIONS={"area": {"API_KEY_PREFIX": "area"}})
    with pytest.raises(ImproperlyConfigured, match="the whole site's"):
        get_configs()


# A site without Django's users

WITHOUT_USERS = """
import io, os, sys
import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django_secure_session", "django_secure_session.api_keys"],
    MIDDLEWARE=[
        "django_secure_session.middleware.SecureSessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django_secure_session.middleware.AccountMiddleware",
    ],
    ROOT_URLCONF="__main__",
    SECRET_KEY=os.urandom(32).hex(),
    SECURE_SESSION={"KEY": os.urandom(32), "ACCOUNT_PROVIDER": "__main__.Directory"},
    SESSION_ENGINE="django_secure_session.backends.encrypted_cookies",
    USE_TZ=True,
)

from django_secure_session import Account, AccountProvider, authorized


class Directory(AccountProvider):
    def get_account(self, account_id, org_id):
        if account_id == "ada":
            return Account(id="ada", role="owner", verified=True)


django.setup()

from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from asgiref.sync import async_to_sync

from django_secure_session.api_keys.models import ApiKey


@authorized(scopes=["a"])
def view(request):
    return HttpResponse(f"{request.account.id} {hasattr(request, 'user')}")


@authorized(scopes=["a"])
async def aview(request):
    return HttpResponse((await request.aaccount()).id)


urlpatterns = [path("", view), path("a/", aview)]
call_command("check", fail_level="WARNING", stdout=io.StringIO())
call_command("migrate", verbosity=0)
ask = Client().get
for key in [
    ApiKey.objects.create_key(name="x", account_id="ada", scopes=["a"]),
    ApiKey.objects.create_key(name="x", account_id="bob", scopes=["a"]),
]:
    headers = {"Authorization": f"Bearer {key.text}"}
    for url in ("/", "/a/"):
        answer = ask(url, headers=headers)
        assert not answer.cookies
        print(answer.status_code, answer.content.decode()[:9])
assert "django.contrib.auth.models" not in sys.modules
"""
PACKAGE = Path(django_secure_session.__file__).parents[1]


def test_keys_need_no_users_of_django():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_USERS],
        env=os.environ | {"PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines() == [
        "200 ada False",
        "200 ada",
        *['401 {"type": '] * 2,
    ]


def test_an_owner_that_is_gone_takes_the_key_along_and_back():
    text = key_of()
    ada = Owners.accounts.pop("ada")
    assert not opens(text)
    Owners.accounts["ada"] = ada
    assert opens(text)
