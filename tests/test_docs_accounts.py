"""What the pages on accounts and guards say is so: their sites are built and used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unittest
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.management import call_command
from django.dispatch import Signal
from django.http import HttpResponse
from django.template import Context, Template
from django.test import Client
from django.urls import clear_url_caches, path
from django.views import View

import django_secure_session
from django_secure_session import (
    Account,
    NotAuthenticated,
    NotAuthorized,
    context_processors,
)
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.guards.policy import session_policy
from django_secure_session.identity import Identity
from tests.pages import PAGES, blocks_of

CUSTOM = "docs/howto/custom-provider.md"
EXTERNAL = "docs/howto/without-a-user-model.md"
GUARDS = "docs/howto/guard-views.md"


def files_of(page: str) -> dict[str, str]:
    """Return the files on a page; one with several blocks is the sum of these."""
    files: dict[str, str] = {}
    for block in blocks_of(page):
        name = block.caption.partition(",")[0]
        if name.endswith((".py", ".html")):
            files[name] = f"{files.get(name, '')}{block.text}\n\n"
    return files


# Sites that are run on their own, because their settings are read at start-up

BASE = """
SECRET_KEY = "only for this test"
USE_TZ = True
"""
#: What a site of Django's startproject has, as far as it matters here.
DJANGO = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django_secure_session", "people"]
INSTALLED_APPS += ["django.contrib.auth", "django.contrib.contenttypes"]
MIDDLEWARE = [
    "django_secure_session.middleware.SecureSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_secure_session.middleware.AccountMiddleware",
]
MIGRATION_MODULES = {"auth": None, "contenttypes": None, "people": None}
ROOT_URLCONF = "mysite.urls"
SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
"""


def run_tests_of(page: str, folder: Path, settings: str, **others: str) -> str:
    """Make the files of a page and run the tests among them; return the output."""
    files = files_of(page) | {
        f"mysite/{name}.py": text for name, text in others.items()
    }
    files["mysite/settings.py"] = BASE + settings + files["mysite/settings.py"]
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "--noinput"],
        cwd=folder,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(PACKAGE)]),
            "SESSION_KEY": os.urandom(32).hex(),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


PACKAGE = Path(django_secure_session.__file__).parents[1]


def test_the_site_with_organisations_passes_its_own_tests(tmp_path):
    assert "Ran 7 tests" in run_tests_of(CUSTOM, tmp_path, DJANGO)


STANDING_FOR = {
    "oidc": "def authorization_url(request): ...\ndef claims_of(request): ...",
    "directory": "def find(account_id, timeout): ...\nUnreachable = OSError",
}


def test_the_site_without_a_user_model_passes_its_own_tests(tmp_path):
    output = run_tests_of(EXTERNAL, tmp_path, "", **STANDING_FOR)

    assert "Ran 6 tests" in output


def test_the_provider_is_as_short_as_it_should_be():
    lines = files_of(CUSTOM)["people/accounts.py"].rstrip().splitlines()

    assert len([line for line in lines if line]) <= 20


def test_the_provider_for_a_directory_answers_from_it(monkeypatch):
    class Unreachable(Exception):
        pass

    people = {"ada": SimpleNamespace(is_active=True, role="administrator")}
    people["bob"] = SimpleNamespace(is_active=False, role="user")
    directory = ModuleType("mysite.directory")
    directory.Unreachable = Unreachable
    directory.find = lambda account_id, timeout: people.get(account_id)
    provider = site_with(monkeypatch, {"accounts": EXTERNAL}, directory=directory)
    accounts = provider.accounts.Accounts()

    assert accounts.get_account("ada", None).role == "administrator"
    assert accounts.get_account("bob", None) is None
    assert accounts.get_account("eve", None) is None

    def unreachable(account_id, timeout):
        raise Unreachable

    directory.find = unreachable
    with pytest.raises(django_secure_session.StoreUnavailable):
        accounts.get_account("ada", None)


# The recipes


def site_with(monkeypatch, pages: dict[str, str], **others: ModuleType) -> ModuleType:
    """Return the package ``mysite`` with modules from pages, by their names."""
    package = ModuleType("mysite")
    monkeypatch.setitem(sys.modules, "mysite", package)
    for name, module in others.items():
        monkeypatch.setitem(sys.modules, f"mysite.{name}", module)
        setattr(package, name, module)
    for name, page in pages.items():
        module = ModuleType(f"mysite.{name}")
        monkeypatch.setitem(sys.modules, f"mysite.{name}", module)
        exec(files_of(page)[f"mysite/{name}.py"], vars(module))
        setattr(package, name, module)
    return package


@pytest.fixture
def site(settings, monkeypatch, db) -> ModuleType:
    """Build the site of the page with the recipes."""
    namespace: dict = {}
    exec(files_of(GUARDS)["mysite/settings.py"], namespace)
    settings.MIDDLEWARE = namespace["MIDDLEWARE"]
    package = site_with(monkeypatch, dict.fromkeys(["views", "urls", "typed"], GUARDS))
    settings.ROOT_URLCONF = "mysite.urls"
    return package


@pytest.fixture
def anyone(site) -> Client:
    return Client()


def logged_in(name: str = "bob", **fields: bool) -> Client:
    client = Client()
    client.force_login(User.objects.create(username=name, **fields))
    return client


@pytest.fixture
def user(site) -> Client:
    return logged_in()


@pytest.fixture
def superuser(site) -> Client:
    return logged_in("ada", is_superuser=True)


def test_the_tests_of_the_recipes_pass(site):
    namespace: dict = {"__name__": "mysite.tests"}
    exec(files_of(GUARDS)["mysite/tests.py"], namespace)
    tests = unittest.TestLoader().loadTestsFromTestCase(namespace["GuardTests"])
    result = unittest.TestResult()

    tests.run(result)

    assert result.testsRun == 4
    assert not [*result.failures, *result.errors], result


#: For each URL of the page: what nobody, a user and a superuser get of a GET.
STATUS = {
    "/profile/": (302, 200, 200),
    "/invoices/": (302, 403, 200),
    "/order/": (302, 403, 403),
    "/report/": (302, 403, 200),
    "/document/": (200, 200, 200),
    "/old-report/": (302, 302, 302),
    "/billing/": (302, 403, 200),
    "/billing/profile/": (302, 403, 200),
    "/imprint/": (200, 200, 200),
    "/transfer/10/": (302, 403, 403),
    "/atransfer/10/": (302, 403, 403),
    "/close-account/": (302, 200, 200),
    "/confirm/": (302, 200, 200),
}


@pytest.mark.parametrize("url", STATUS)
def test_the_recipes_let_in_who_may_enter(url, anyone, user, superuser):
    statuses = tuple(who.get(url).status_code for who in (anyone, user, superuser))

    assert statuses == STATUS[url]


def test_all_urls_of_the_page_are_tried(site):
    shown = re.findall(r'path\("([^"]+)"', files_of(GUARDS)["mysite/urls.py"])

    assert {f"/{path.replace('<int:amount>', '10')}" for path in shown} <= STATUS.keys()


def test_one_method_of_a_class_is_guarded(anyone, user, superuser):
    statuses = [who.post("/document/").status_code for who in (anyone, user, superuser)]

    assert statuses == [302, 403, 200]


def test_a_view_of_somebody_else_is_guarded(anyone, user):
    assert anyone.get("/old-report/")["Location"].startswith("/accounts/login/")
    assert user.get("/old-report/")["Location"] == "/report/"


@pytest.fixture
def all_verified(monkeypatch):
    monkeypatch.setattr(User, "verified", True, raising=False)


@pytest.mark.parametrize("url", ["/transfer/{}/", "/atransfer/{}/"])
def test_the_guard_in_a_view_returns_the_account(url, all_verified, user):
    assert user.get(url.format(1000)).content.startswith(b"1000 sent by ")


def test_the_second_guard_in_a_view_refuses(all_verified, user, superuser):
    assert user.get("/transfer/1001/").status_code == 403
    assert superuser.get("/transfer/1001/").status_code == 200


def test_the_page_for_403_tells_the_reason(user):
    assert b"administrator" in user.get("/report/").content
    assert b"e-mail" in user.get("/order/").content


def test_with_the_middleware_for_the_whole_site_all_else_is_closed(settings, site):
    required = "django_secure_session.middleware.AccountRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]

    assert Client().get("/document/").status_code == 302
    assert Client().get("/imprint/").status_code == 200


def test_confirming_goes_back_to_where_it_was_wanted(site, clock):
    User.objects.create_user("bob", password="secret")
    client = Client()
    client.login(username="bob", password="secret")
    clock.tick(minutes=10)

    way = client.get("/close-account/")["Location"]
    back = client.post(way, {"password": "secret"})

    assert (way, back["Location"]) == (
        "/confirm/?next=/close-account/",
        "/close-account/",
    )
    assert client.get("/close-account/").status_code == 200


def test_a_page_of_the_sites_own_confirms_too(site, clock, monkeypatch):
    passkeys = ModuleType("mysite.passkeys")
    passkeys.check = lambda request, account_id: None
    others = {"passkeys": passkeys}
    confirming = site_with(monkeypatch, {"confirming": GUARDS}, **others).confirming
    site.urls.urlpatterns.insert(0, path("own/", confirming.confirm))
    clear_url_caches()
    client = logged_in()
    clock.tick(minutes=10)
    assert client.get("/close-account/").status_code == 302

    assert client.get("/own/")["Location"] == "/profile/"

    assert client.get("/close-account/").status_code == 200


@pytest.mark.parametrize(
    ("said", "status"), [({}, 302), ({"reauthenticated": True}, 200)]
)
def test_what_allauth_says_counts(site, clock, monkeypatch, said, status):
    names = ["allauth", "allauth.account", "allauth.account.signals"]
    modules = {name: ModuleType(name) for name in names}
    signal = modules[names[-1]].authentication_step_completed = Signal()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    receivers = site_with(monkeypatch, {"receivers": GUARDS}).receivers

    def step(request):
        signal.send(None, request=request, user=request.user, method="password", **said)
        return HttpResponse(receivers.__name__)

    site.urls.urlpatterns.insert(0, path("step/", step))
    clear_url_caches()
    client = logged_in()
    clock.tick(minutes=10)

    client.get("/step/")

    assert client.get("/close-account/").status_code == status


def test_the_command_shows_which_methods_are_open(site, capsys):
    call_command("guards")

    row = next(x for x in capsys.readouterr().out.splitlines() if "/document/" in x)
    assert "  get: -; post: authenticated(roles=['superuser'])  " in row


@pytest.mark.parametrize(
    ("error", "page", "other"),
    [
        (NotAuthenticated, "302 to /accounts/login/?next=/raise/", "not_authenticated"),
        (NotAuthorized, "403", "not_allowed"),
    ],
)
def test_a_view_may_refuse_itself(site, anyone, error, page, other):
    def refuse(request):
        raise error

    site.urls.urlpatterns.insert(0, path("raise/", refuse))
    clear_url_caches()

    assert told(anyone.get("/raise/")) == page
    problem = anyone.get("/raise/", headers={"accept": "application/json"}).json()
    assert problem["code"] == other


def test_the_template_shows_what_the_account_may_see(site, anyone, user, superuser):
    template = Template(files_of(GUARDS)["mysite/templates/menu.html"])

    def menu(request):
        return HttpResponse(
            template.render(Context(context_processors.account(request)))
        )

    site.urls.urlpatterns.insert(0, path("menu/", menu))
    clear_url_caches()
    pages = [who.get("/menu/").content.decode() for who in (anyone, user, superuser)]

    assert [re.findall(">([^<]+)</a>", page) for page in pages] == [
        ["Log in"],
        [],
        ["Report"],
    ]


# The tables of the reference

GUARDS_REFERENCE = "docs/reference/guards.md"


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the table that begins so."""
    table = PAGES[GUARDS_REFERENCE].partition(heading)[2].partition("\n\n")[0]
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in table.splitlines()[2:]
    ]


def view(request):
    return HttpResponse()


PUBLIC = django_secure_session.__all__
NAMES = {
    **{each: getattr(django_secure_session, each) for each in PUBLIC},
    **{"timedelta": timedelta, "view": view, "View": View, "LoginView": LoginView},
}
ANSWERS = rows_of("| who | guard |")
WRONG = rows_of("| guard | text |")


def test_the_tables_are_found():
    assert len(ANSWERS) >= 15
    assert len(WRONG) >= 15


@pytest.fixture
def visit(site, clock):
    """Return what asks a guarded view, at ``/here/``, as somebody of the table."""

    def visit(who: str, guard: str, accept: str) -> HttpResponse:
        client = logged_in() if who.startswith("a user") else Client()
        guarded = eval(guard, NAMES)
        here = guarded if guard.endswith("(view))") else guarded(view)
        site.urls.urlpatterns.insert(0, path("here/", here))
        clear_url_caches()
        headers = {"accept": accept}
        if "hour" in who:
            clock.tick(hours=1)
        if "key" in who:
            headers["authorization"] = f"Bearer {key_of(who)}"
        return client.get("/here/", headers=headers)

    return visit


def key_of(who: str) -> str:
    if "wrong" in who:
        return "dss_wrong"
    owner = User.objects.create(username="owner of the key")
    scopes = re.findall(r"for `(\S+)", who)
    return ApiKey.objects.create_key(
        name="a key", account_id=str(owner.pk), scopes=scopes
    ).text


@pytest.mark.parametrize(("who", "guard", "code", "page", "other"), ANSWERS)
def test_the_answer_for_people_is_that_of_the_table(
    visit, who, guard, code, page, other
):
    response = visit(who, guard, "text/html")

    assert told(response) == page.replace("`", "")


@pytest.mark.parametrize(("who", "guard", "code", "page", "other"), ANSWERS)
def test_the_answer_for_programs_is_that_of_the_table(
    visit, who, guard, code, page, other
):
    response = visit(who, guard, "*/*")

    assert told(response) == other.replace("`", "")
    if response.status_code != 200:
        assert response["Vary"] == varies_with(guard)
        assert response["Content-Type"] == "application/problem+json"
        assert "no-store" in response["Cache-Control"]
        assert response.json()["code"] == code


def varies_with(guard: str) -> str:
    headers = {"authenticated": "Cookie", "authorized": "Authorization"}
    return ", ".join(headers[name] for name in headers if name in guard)


def told(response: HttpResponse) -> str:
    status = str(response.status_code)
    if "Location" in response:
        return f"{status} to {response['Location']}"
    challenge = response.headers.get("WWW-Authenticate")
    return f"{status} with {challenge}" if challenge else status


def test_the_problem_on_the_page_is_what_is_sent(visit):
    [shown] = [b.text for b in blocks_of(GUARDS_REFERENCE) if b.language == "json"]

    response = visit("a user", 'authenticated(roles=["owner"])', "*/*")

    assert response.json() == json.loads(shown)


def test_the_order_on_the_page_is_that_of_the_code():
    order = PAGES[GUARDS_REFERENCE].partition("### In which order")[2]
    nobody = Identity()
    account = Account(id="1", role="user", verified=False)
    member = Identity(account, None, "session")
    policy = session_policy(
        {"roles": ["x"], "verified": True, "org": True, "fresh": timedelta(minutes=1)}
    )
    met = [
        (nobody, policy),
        (member, policy),
        (member, replace(policy, roles=())),
        (member, replace(policy, roles=(), verified=False)),
        (member, replace(policy, roles=(), verified=False, org=False)),
    ]

    refusals = [policy.refusal(identity, 1e9) for identity, policy in met]

    assert refusals == re.findall("`([a-z_]+)`", order)[:5]


@pytest.mark.parametrize(("guard", "text"), WRONG)
def test_a_wrong_guard_gets_what_the_table_says(guard, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        eval(guard, NAMES)
