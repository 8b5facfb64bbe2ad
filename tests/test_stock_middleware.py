"""The engine behind Django's own SessionMiddleware, through whole requests."""

from __future__ import annotations

import json
import secrets

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model, update_session_auth_hash
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from django_secure_session import create_session

NAME = "sessionid"


def set_cookie(client, data) -> str:
    token = create_session(data).session_key
    client.cookies[NAME] = token
    return token


def write(client, **data):
    return client.get("/write/", {"data": json.dumps(data)})


@pytest.fixture
def user(db):
    return User.objects.create_user("ada", password="pw")


# Writing and reading


def test_what_one_request_writes_the_next_one_reads(client):
    write(client, cart=[1, 2])

    assert client.get("/read/").json() == {"cart": [1, 2]}


async def test_what_one_async_request_writes_the_next_one_reads(async_client):
    await async_client.get("/awrite/", {"data": '{"cart": [1, 2]}'})

    assert (await async_client.get("/aread/")).json() == {"cart": [1, 2]}
    assert (await async_client.get("/read/")).json() == {"cart": [1, 2]}


def test_an_untouched_request_sets_no_cookie_and_does_not_vary(client):
    set_cookie(client, {"a": 1})
    response = client.get("/untouched/")

    assert NAME not in response.cookies
    assert "Vary" not in response.headers


def test_an_anonymous_read_sets_no_cookie(client):
    response = client.get("/read/")

    assert NAME not in response.cookies
    assert response.headers["Vary"] == "Cookie"


def test_a_read_does_not_send_the_cookie_again(client):
    set_cookie(client, {"a": 1})

    assert NAME not in client.get("/read/").cookies


@pytest.mark.parametrize("path", ["/call/", "/acall/"])
def test_touch_sends_the_cookie_again(client, path):
    token = set_cookie(client, {"a": 1})
    response = client.get(path, {"methods": "touch"})

    assert response.cookies[NAME].value not in {token, ""}
    assert client.get("/read/").json() == {"a": 1}


@pytest.mark.parametrize("path", ["/call/", "/acall/"])
def test_touching_an_empty_session_sets_no_cookie(client, path):
    assert NAME not in client.get(path, {"methods": "touch"}).cookies


@pytest.mark.parametrize("path", ["/call/", "/acall/"])
@pytest.mark.parametrize("methods", ["flush", "touch,flush", "flush,flush", "delete"])
def test_flush_deletes_the_cookie(client, path, methods):
    set_cookie(client, {"a": 1})
    morsel = client.get(path, {"methods": methods}).cookies[NAME]

    assert (morsel.value, morsel["max-age"]) == ("", 0)


@pytest.mark.parametrize("path", ["/call/", "/acall/"])
@pytest.mark.parametrize("method", ["cycle_key", "save", "create", "regenerate"])
def test_a_new_key_reaches_the_browser(client, path, method):
    token = set_cookie(client, {"a": 1})
    response = client.get(path, {"methods": method})

    assert response.cookies[NAME].value not in {token, ""}


def test_a_failed_request_saves_nothing(client):
    assert NAME not in client.get("/write_then_500/").cookies


def test_max_age_follows_the_seal(client, settings):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ABSOLUTE_TIMEOUT": 100}

    assert write(client, a=1).cookies[NAME]["max-age"] == 100


def test_save_every_request_keeps_a_session_alive(client, settings, clock):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.SESSION_COOKIE_AGE = 100
    write(client, a=1)
    for _ in range(5):
        clock.tick(99)
        assert client.get("/read/").json() == {"a": 1}


# Refused cookies


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
@pytest.mark.parametrize(
    "cookie",
    [
        "x",
        "junk-junk",
        "A" * 128,
        "AQ" + "A" * 126,
        "%00%ff" * 10,
        '"quoted value"',
        "é" * 40,
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.",
        "A" * 100_000,
        ("\u2028" * 30).encode().decode("latin-1"),  # as a server hands it on
    ],
    ids=lambda cookie: f"{cookie[:12]!r} of {len(cookie)}",
)
def test_junk_is_an_empty_session_and_never_an_error(cookie, path):
    client = Client(headers={"cookie": f"{NAME}={cookie}"})
    response = client.get(path)

    assert (response.status_code, response.json()) == (200, {})


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_every_changed_character_of_a_cookie_is_an_empty_session(client, path):
    token = create_session({"a": 1}).session_key
    for position in range(0, len(token), 7):
        other = "B" if token[position] == "A" else "A"
        client.cookies[NAME] = token[:position] + other + token[position + 1 :]
        assert client.get(path).json() == {}


def test_a_tampered_cookie_is_deleted(client):
    token = create_session({"a": 1}).session_key
    client.cookies[NAME] = token[:-1] + ("A" if token[-1] != "A" else "B")

    assert client.get("/read/").cookies[NAME].value == ""


def test_an_expired_cookie_is_deleted(client, clock, settings):
    set_cookie(client, {"a": 1})
    clock.tick(settings.SESSION_COOKIE_AGE)

    assert client.get("/read/").cookies[NAME].value == ""


def test_a_cookie_of_an_unknown_key_is_left_for_the_host_that_knows_it(
    client, settings
):
    ours = settings.SECURE_SESSION
    settings.SECURE_SESSION = {"KEY": secrets.token_bytes(32)}
    set_cookie(client, {"a": 1})
    settings.SECURE_SESSION = ours

    assert NAME not in client.get("/read/").cookies


def test_a_cookie_from_the_future_is_left_until_the_clock_recovers(client, clock):
    set_cookie(client, {"a": 1})
    clock.tick(-3600)
    assert NAME not in client.get("/read/").cookies

    clock.tick(3600)
    assert client.get("/read/").json() == {"a": 1}


@pytest.mark.parametrize("path", ["/call/", "/acall/"])
def test_log_out_deletes_even_a_cookie_that_was_left_alone(client, clock, path):
    set_cookie(client, {"a": 1})
    clock.tick(-3600)

    assert client.get(path, {"methods": "flush"}).cookies[NAME].value == ""


def test_writing_replaces_a_cookie_that_was_left_alone(client, clock):
    set_cookie(client, {"a": 1})
    clock.tick(-3600)
    write(client, b=2)

    assert client.get("/read/").json() == {"b": 2}


# Saving fails


@pytest.mark.parametrize("path", ["/too_large/", "/unserializable/"])
def test_a_session_that_cannot_be_saved_is_an_error_and_sends_nothing(path):
    client = Client(raise_request_exception=False)
    response = client.get(path)

    assert response.status_code == 500
    assert NAME not in response.cookies


# Django's own users of sessions


def test_messages_survive_a_redirect(client):
    client.get("/add_message/")

    assert client.get("/show_messages/").json() == ["Saved."]
    assert client.get("/show_messages/").json() == []


def test_csrf_tokens_live_in_the_session(settings, user):
    settings.CSRF_USE_SESSIONS = True
    client = Client(enforce_csrf_checks=True)
    token = client.get("/csrf_token/").content.decode()
    assert "csrftoken" not in client.cookies

    form = {"username": "ada", "password": "pw"}
    assert client.post("/login/", form).status_code == 403
    form["csrfmiddlewaretoken"] = token
    assert client.post("/login/?next=/user/", form).status_code == 302
    assert client.get("/user/").content == b"ada"


def test_log_in_and_log_out(client, user):
    form = {"username": "ada", "password": "pw"}
    client.post("/login/?next=/user/", form)
    assert client.get("/user/").content == b"ada"

    response = client.post("/logout/")
    assert response.cookies[NAME].value == ""
    assert client.get("/user/").content == b"AnonymousUser"


def test_log_in_gives_a_new_sid_and_keeps_the_cart(client, user, clock):
    write(client, cart=[1])
    before = client.session.sid
    clock.tick(days=1)
    client.force_login(user)

    assert client.session.sid != before
    assert client.session["cart"] == [1]
    assert client.session.created_at == clock.datetime()


def test_another_user_gets_nothing_of_the_session_before(client, user):
    client.force_login(user)
    write(client, cart=[1])
    client.force_login(User.objects.create_user("grace"))

    assert "cart" not in client.session


def test_a_changed_password_ends_other_sessions_and_keeps_this_one(user, rf):
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.force_login(user)
    request = rf.get("/")
    request.session, request.user = here.session, user
    created = request.session.created_at
    user.set_password("new")
    user.save()
    update_session_auth_hash(request, user)
    request.session.save()
    here.cookies[NAME] = request.session.session_key

    assert here.get("/user/").content == b"ada"
    assert here.session.created_at == created
    assert elsewhere.get("/user/").content == b"AnonymousUser"


@pytest.mark.django_db(transaction=True)
async def test_async_log_in_and_log_out():
    user = await User.objects.acreate(username="ada")
    client = AsyncClient()
    await client.aforce_login(user)
    assert (await client.get("/auser/")).content == b"ada"

    await client.alogout()
    assert (await client.get("/auser/")).content == b"AnonymousUser"


def test_the_admin_works(client, db):
    get_user_model().objects.create_superuser("root", password="pw")
    form = {"username": "root", "password": "pw"}
    client.post("/admin/login/?next=/admin/", form)
    change = {"username": "new", "password1": "Xy7pq!zz", "password2": "Xy7pq!zz"}
    response = client.post(
        "/admin/auth/user/add/", {**change, "usable_password": "true"}, follow=True
    )

    assert "was added successfully" in response.content.decode()
    assert client.get("/admin/").status_code == 200


def test_no_request_queries_the_database_for_a_session(
    client, user, django_assert_num_queries
):
    with django_assert_num_queries(0):
        write(client, a=1)
        client.get("/read/")
        client.get("/call/", {"methods": "cycle_key,flush"})


def test_there_is_no_session_table(db):
    from django.db import connection

    tables = set(connection.introspection.table_names())

    optional = {*apps.get_app_config("secure_session_api_keys").get_models()}
    optional |= {*apps.get_app_config("secure_session_registry").get_models()}
    assert {t for t in tables if "session" in t} == {
        model._meta.db_table for model in optional
    }
