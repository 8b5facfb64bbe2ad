"""What the pages about the registry say is so: their site is built and used."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory
from django.urls import clear_url_caches, path
from django.utils import timezone

from django_secure_session import create_session, decode_session, registry
from django_secure_session.registry import active_sessions, revoke
from django_secure_session.registry.checks import (
    check_registry,
    check_registry_deployment,
)
from django_secure_session.registry.models import (
    AccountState,
    Adoption,
    SessionRecord,
)
from django_secure_session.signals import session_revoked
from tests.pages import PAGES, blocks_of
from tests.test_docs_accounts import GUARDS, files_of, site_with

HOWTO = "docs/howto/log-out-everywhere.md"
DEPLOY = "docs/howto/deploy.md"
REFERENCE = PAGES["docs/reference/registry.md"]
FILES = ["views", "urls", "passwords", "staff", "members", "receivers"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(settings, monkeypatch, tmp_path):
    """Build the site of the page."""
    namespace: dict = {}
    exec(files_of(GUARDS)["mysite/settings.py"], namespace)
    settings.MIDDLEWARE = namespace["MIDDLEWARE"]
    page = files_of(HOWTO)["mysite/templates/sessions.html"]
    (tmp_path / "sessions.html").write_text(page, "utf-8")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    # Only for this test.
    monkeypatch.setattr(session_revoked, "receivers", [*session_revoked.receivers])
    settings.ROOT_URLCONF = "mysite.urls"
    built = site_with(monkeypatch, dict.fromkeys(["views", "urls"], HOWTO))
    built.urls.urlpatterns += [path("who/", who), path("write/", write)]
    clear_url_caches()
    return built


def who(request):
    return HttpResponse(request.account.role if request.account else "nobody")


def write(request):
    request.session["cart"] = [3]
    return HttpResponse()


def page_module(monkeypatch, name):
    return getattr(site_with(monkeypatch, {name: HOWTO}), name)


@pytest.fixture
def ada(site) -> User:
    return User.objects.create_user("ada", password="secret")


def logged_in(user: User, browser: str) -> Client:
    client = Client(headers={"user-agent": browser})
    client.force_login(user)
    SessionRecord.objects.filter(user_agent="").update(user_agent=browser)
    return client


@pytest.fixture
def laptop(ada) -> Client:
    return logged_in(ada, "laptop")


@pytest.fixture
def phone(ada) -> Client:
    return logged_in(ada, "phone")


def name_of(client: Client) -> str:
    return client.get("/who/").content.decode()


def handle_of(browser: str) -> str:
    return SessionRecord.objects.get(user_agent=browser).handle


# The page with one's sessions


def test_the_page_lists_the_sessions_and_ends_one(laptop, phone):
    shown = laptop.get("/sessions/").content.decode()
    laptop.post(f"/sessions/{handle_of('phone')}/")

    assert re.search(r"laptop,[^<]*\(this one\)", shown)
    assert re.search(r"phone,[^<]*<form", shown)
    assert (name_of(laptop), name_of(phone)) == ("user", "nobody")


def test_the_page_shows_neither_sid_nor_token(laptop):
    token = laptop.cookies["sessionid"].value
    shown = laptop.get("/sessions/").content.decode()

    assert token not in shown
    assert decode_session(token).sid not in shown


def test_a_session_of_somebody_else_is_404(laptop, phone):
    bob = logged_in(User.objects.create(username="bob"), "tablet")

    assert laptop.post(f"/sessions/{handle_of('tablet')}/").status_code == 404
    assert name_of(bob) == "user"


def test_looking_at_what_ends_sessions_ends_none(laptop, phone):
    for url in (f"/sessions/{handle_of('phone')}/", "/sessions/others/"):
        assert laptop.get(url)["Location"] == "/sessions/"
    laptop.get("/sessions/all/")

    assert (name_of(laptop), name_of(phone)) == ("user", "user")


def test_an_old_log_in_is_asked_for_the_password_first(clock, ada, phone):
    laptop = Client()
    laptop.force_login(ada)
    clock.tick(minutes=11)
    url = "/sessions/others/"

    confirm = laptop.post(url)["Location"]
    assert confirm == f"/confirm/?next={url}"
    assert name_of(phone) == "user"
    assert laptop.post(confirm, {"password": "secret"})["Location"] == url
    laptop.post(url)

    assert (name_of(laptop), name_of(phone)) == ("user", "nobody")


def test_all_others_are_ended(laptop, phone):
    laptop.post("/sessions/others/")

    assert (name_of(laptop), name_of(phone)) == ("user", "nobody")


def test_all_are_ended(laptop, phone):
    laptop.post("/sessions/all/")

    assert (name_of(laptop), name_of(phone)) == ("nobody", "nobody")


# The recipes


def test_after_a_new_password_only_this_session_goes_on(
    site, ada, laptop, phone, monkeypatch
):
    view = page_module(monkeypatch, "passwords").PasswordChange
    site.urls.urlpatterns.append(path("password/", view.as_view(success_url="/who/")))
    clear_url_caches()
    new = {"new_password1": "other secret", "new_password2": "other secret"}

    done = laptop.post("/password/", {"old_password": "secret"} | new)

    assert done.status_code == 302
    assert (name_of(laptop), name_of(phone)) == ("user", "nobody")
    assert active_sessions(str(ada.pk)).count() == 1


def test_somebody_who_is_disabled_has_no_session_left(ada, laptop, monkeypatch):
    page_module(monkeypatch, "staff").disable(ada)

    assert name_of(laptop) == "nobody"
    assert not active_sessions(str(ada.pk)).exists()


def test_a_role_that_was_updated_shows_in_the_next_request(ada, laptop, monkeypatch):
    assert name_of(laptop) == "user"

    page_module(monkeypatch, "members").promote([ada.pk])

    assert name_of(laptop) == "staff"


def test_the_receiver_hears_of_ends(
    site, laptop, phone, monkeypatch, caplog, django_capture_on_commit_callbacks
):
    page_module(monkeypatch, "receivers")
    caplog.set_level(logging.INFO, "mysite.sessions")
    handle = handle_of("phone")

    with django_capture_on_commit_callbacks(execute=True):
        laptop.post(f"/sessions/{handle}/")
    with django_capture_on_commit_callbacks(execute=True):
        laptop.post("/sessions/others/")

    said = [record.message.partition(" of ")[0] for record in caplog.records]
    assert said == [f"ended {handle}", "ended all sessions"]


def test_the_moment_is_moved_as_the_page_says():
    [moving] = [b.text for b in blocks_of(HOWTO) if "import Adoption" in b.text]
    Adoption.objects.update(sealed_before=timezone.now() - timedelta(days=1))
    token = create_session({"_auth_user_id": "7"}).session_key
    SessionRecord.objects.all().delete()
    assert decode_session(token) is None

    exec(moving, {})

    assert decode_session(token) is not None


# The threat model: who may write to the cache


@pytest.fixture
def replay(clock, ada):
    """Return a thief whose session has ended, and what puts back what was cached."""
    thief = logged_in(ada, "laptop")
    assert name_of(thief) == "user"
    kept = dict(cache._cache), dict(cache._expire_info)
    revoke(handle_of("laptop"))
    assert name_of(thief) == "nobody"

    def put_back():
        cache._cache.update(kept[0])
        cache._expire_info.update(kept[1])

    return thief, put_back


def test_an_entry_that_was_put_back_is_believed_for_its_time(replay, clock):
    thief, put_back = replay
    put_back()

    assert name_of(thief) == "user"
    clock.tick(31)
    put_back()
    assert name_of(thief) == "nobody"


def test_a_session_that_an_entry_let_in_can_not_be_saved(replay):
    thief, put_back = replay
    put_back()

    assert "sessionid" not in thief.get("/write/").cookies


# The settings for Redis and PostgreSQL


def settings_on_the_page(name: str) -> dict:
    [block] = [b.text for b in blocks_of(DEPLOY) if f"\n{name} = " in b.text]
    namespace: dict = {}
    exec(block, namespace)
    return namespace[name]


def test_the_cache_on_the_page_is_one_that_the_checks_like(settings):
    settings.CACHES = settings_on_the_page("CACHES")

    assert [*check_registry(), *check_registry_deployment()] == []


def test_the_database_on_the_page_gives_up_waiting():
    options = settings_on_the_page("DATABASES")["default"]["OPTIONS"]

    assert options.keys() >= {"connect_timeout", "options"}
    given = dict(re.findall(r"-c (\w+)=(\d+)", options["options"]))
    assert given.keys() == {"lock_timeout", "statement_timeout"}
    assert int(given["lock_timeout"]) < int(given["statement_timeout"])


# Behind a proxy


@pytest.fixture
def real_address(monkeypatch):
    return site_with(monkeypatch, {"proxy": DEPLOY}).proxy.real_address


SENT = {"x-real-ip": "192.0.2.7"}


def address_of(request):
    return HttpResponse(request.META["REMOTE_ADDR"])


def test_the_address_is_the_one_that_the_proxy_has_seen(real_address):
    answer = real_address(address_of)

    assert answer(RequestFactory().get("/", headers=SENT)).content == b"192.0.2.7"
    assert answer(RequestFactory().get("/")).content == b"127.0.0.1"


async def test_the_address_is_that_in_async_code(real_address):
    async def aaddress_of(request):
        return address_of(request)

    response = await real_address(aaddress_of)(
        AsyncRequestFactory().get("/", headers=SENT)
    )

    assert response.content == b"192.0.2.7"


# The reference


@pytest.mark.parametrize("name", registry.__all__)
def test_every_function_is_in_the_reference(name):
    table = REFERENCE.partition("| function |")[2].partition("\n\n")[0]

    assert re.search(rf"`{name}[(`]", table)


@pytest.mark.parametrize("model", [SessionRecord, AccountState])
def test_every_column_is_in_the_reference(model):
    section = REFERENCE.partition(f"### {model.__name__}\n")[2].partition("\n### ")[0]
    table = section.partition("|---|---|")[2]

    shown = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]+) \|", table, re.M)))
    assert sorted(shown) == sorted(field.name for field in model._meta.fields)
