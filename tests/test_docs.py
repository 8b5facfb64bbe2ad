"""The documentation is run: its examples, its tables, its tutorial and its decoder."""

from __future__ import annotations

import base64
import doctest
import importlib.util
import inspect
import json
import logging
import os
import re
import secrets
import shlex
import subprocess
import sys
import zlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import get_args
from xml.etree import ElementTree

import pytest
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.dispatch import Signal
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import clear_url_caches, path

import django_secure_session
from django_secure_session import (
    DERIVED,
    Account,
    AccountProvider,
    AccountRequest,
    AuthenticatedMixin,
    AuthorizedMixin,
    BadToken,
    InvalidKey,
    Org,
    Passphrase,
    SessionTooLarge,
    checks,
    chunks,
    conf,
    create_session,
    encode_session,
    exceptions,
    signals,
)
from django_secure_session.accounts import claims
from django_secure_session.api_keys import checks as key_checks
from django_secure_session.backends import choice, reports
from django_secure_session.backends.choice import LEFT_ALONE, Opened
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import Lifetime, Metadata
from django_secure_session.conf.options import DEFAULTS, PLACEMENTS, SITE_DEFAULTS
from django_secure_session.exceptions import Reason, Refusal
from django_secure_session.identity import Claims
from django_secure_session.keyring import (
    Keyring,
    RootKey,
    generate_key,
    root_from_secret_key,
    root_keys,
)
from django_secure_session.registry import checks as registry_checks
from django_secure_session.serializers import CompactJSON
from tests.pages import BLOCKS, DOCS, FENCE, PAGES, ROOT, Block, blocks_of, read
from tests.sealing import encode

REFERENCE = DOCS / "reference"
DECODER = REFERENCE / "decode_token.py"
REFERENCE_TEXT = "\n".join(read(path) for path in REFERENCE.glob("*.md"))


def blocks_in(language: str) -> list:
    return [
        pytest.param(block, id=block.where)
        for block in BLOCKS
        if block.language == language
    ]


# Examples


@pytest.mark.parametrize("block", blocks_in("python"))
def test_python_examples_compile_and_import_what_exists(block):
    compile(block.text, block.where, "exec")  # or a SyntaxError

    for names in re.findall(
        r"^ *from django_secure_session import (.+)$", block.text, re.MULTILINE
    ):
        assert set(names.split(", ")) <= set(django_secure_session.__all__)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```pycon" in PAGES[page]], ids=str
)
def test_interactive_examples_show_what_they_say(page):
    source = "\n".join(b.text for b in blocks_of(page) if b.language == "pycon")
    example = doctest.DocTestParser().get_doctest(
        source + "\n", {"session": SessionStore()}, page, page, 0
    )
    report: list[str] = []

    doctest.DocTestRunner().run(example, out=report.append)

    assert example.examples
    assert not report, "".join(report)


SETTINGS_EXAMPLES = [
    pytest.param(block, id=block.where)
    for block in BLOCKS
    if "SECURE_SESSION = " in block.text
    and block.language == "python"
    and not block.caption  # those of the tutorial are run there
    and '"..."' not in block.text
    and "/etc/" not in block.text
]


def apply(block: Block, settings, monkeypatch) -> dict[str, object]:
    """Set what the settings in a block say; return all that it names."""
    for name in ("SESSION_KEY", "SESSION_KEY_NEW"):
        monkeypatch.setenv(name, base64.b64encode(generate_key()).decode())
    namespace: dict[str, object] = {"INSTALLED_APPS": []}
    if block.where.startswith("README"):  # it is short
        namespace |= {"os": os, "timedelta": timedelta}
    exec(block.text, namespace)
    for name, value in namespace.items():
        if name.isupper() and name != "INSTALLED_APPS":
            setattr(settings, name, value)
    return namespace


@pytest.mark.parametrize("block", SETTINGS_EXAMPLES)
def test_settings_in_examples_work(block, settings, monkeypatch):
    apply(block, settings, monkeypatch)

    assert conf.get_config().keyring
    assert [m for m in checks.check_settings() if m.id != STOCK_MIDDLEWARE] == []


#: Most examples leave MIDDLEWARE out.
STOCK_MIDDLEWARE = "secure_session.E004"


def test_the_first_settings_are_the_defaults(settings, monkeypatch):
    first = blocks_of("docs/reference/settings.md")[0]
    shown = apply(first, settings, monkeypatch)["SECURE_SESSION"]
    del shown["KEY"]

    assert shown.keys() == conf.SITE_OPTIONS - {"KEY"}
    for name, value in shown.items():
        assert value == (DEFAULTS | SITE_DEFAULTS | {"SESSIONS": {}})[name], name


def test_the_whole_settings_file_passes_all_checks(settings, monkeypatch):
    *_, last = blocks_of("docs/reference/settings.md")
    apply(last, settings, monkeypatch)

    assert len(conf.get_configs()) == 3
    problems = [*checks.check_settings(), *checks.check_deployment()]
    problems += registry_checks.check_registry()
    problems += registry_checks.check_registry_deployment()
    assert [*problems, *checks.check_guards()] == []


# Several sessions: the page builds a site

SEVERAL = "docs/howto/several-sessions.md"


@pytest.fixture
def site(settings, monkeypatch, db) -> Client:
    """Build the site of the page on several sessions; return one of its visitors."""
    files: dict[str, list[Block]] = {}
    for block in blocks_of(SEVERAL):
        files.setdefault(block.caption.partition(",")[0], []).append(block)
    assert files.keys() == {
        f"mysite/{name}.py" for name in ("settings", "views", "urls")
    }
    [its_settings] = files.pop("mysite/settings.py")
    apply(its_settings, settings, monkeypatch)
    package = add_module("mysite", "", monkeypatch)
    for file in ("views", "urls"):
        text = "\n".join(block.text for block in files[f"mysite/{file}.py"])
        setattr(package, file, add_module(f"mysite.{file}", text, monkeypatch))
    settings.ROOT_URLCONF = "mysite.urls"
    User.objects.create_superuser("ada", password="secret")
    return Client()


def add_module(name: str, text: str, monkeypatch) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(text, vars(module))
    return module


ADA = {"username": "ada", "password": "secret"}


def test_the_settings_of_several_sessions_pass_the_checks(site):
    assert checks.check_settings() == []


def test_preferences_outlive_a_log_out(site):
    site.post("/theme/", {"theme": "dark"})
    site.post("/login/", ADA)
    assert site.get("/").content == b"user=ada theme=dark"

    site.post("/logout/")

    assert site.get("/").content == b"user=AnonymousUser theme=dark"
    assert site.get("/async/").content == b"theme=dark"


def test_the_admins_log_in_is_apart_from_the_sites(site):
    site.post("/login/", ADA)
    assert site.get("/admin/").status_code == 302

    site.post("/admin/login/?next=/admin/", ADA)
    assert site.get("/admin/").status_code == 200

    site.post("/logout/")
    assert site.get("/").content == b"user=AnonymousUser theme=light"
    assert site.get("/admin/").status_code == 200


def test_ending_the_admins_session_leaves_the_sites(site):
    site.post("/login/", ADA)
    site.post("/admin/login/?next=/admin/", ADA)

    site.post("/admin/logout/")

    assert site.get("/admin/").status_code == 302
    assert site.get("/").content == b"user=ada theme=light"


def test_leaving_ends_both(site):
    site.post("/login/", ADA)
    site.post("/admin/login/?next=/admin/", ADA)

    site.post("/leave/")

    assert site.get("/admin/").status_code == 302
    assert site.get("/").content == b"user=AnonymousUser theme=light"


# Testing a site


@pytest.fixture
def helpers() -> dict:
    """Return the functions on the page about tests."""
    return names_on("docs/howto/test-your-site.md")


def names_on(page: str) -> dict:
    """Return what the blocks of a page define, each of them on its own."""
    names: dict = {}
    for block in blocks_of(page):
        namespace: dict = {}
        exec(block.text, namespace)
        names |= namespace
    return names


def test_the_helper_changes_the_session_of_a_client(site, helpers):
    helpers["change_session"](site, cart=[3, 5])

    assert site.session["cart"] == [3, 5]


def test_the_helpers_write_and_read_a_named_session(site, helpers):
    helpers["set_prefs"](site, theme="dark")
    assert site.get("/").content == b"user=AnonymousUser theme=dark"

    site.post("/theme/", {"theme": "light"})
    assert helpers["prefs_of"](site) == {"theme": "light"}


def test_the_helper_logs_in_to_the_admin_alone(site, helpers):
    helpers["log_in_to_admin"](site, User.objects.get())

    assert site.get("/admin/").status_code == 200
    assert site.get("/").content == b"user=AnonymousUser theme=light"


def test_the_helper_makes_a_request_with_sessions(site, helpers):
    helpers["set_prefs"](site, theme="dark")
    cookies = {name: morsel.value for name, morsel in site.cookies.items()}

    request = helpers["request_with_sessions"]("/admin/", **cookies)

    assert request.prefs_session["theme"] == "dark"
    assert request.session is request.admin_session


def test_the_helper_logs_an_account_in_that_is_no_user(helpers, settings, monkeypatch):
    urls = add_module("account_urls", "", monkeypatch)
    urls.urlpatterns = [path("", show_account)]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, ACCOUNT_MIDDLEWARE]
    settings.ROOT_URLCONF = "account_urls"
    client = Client()

    helpers["log_in"](client, "owner", Org(id="acme"))

    assert client.get("/").content == b"7 owner acme"


ACCOUNT_MIDDLEWARE = "django_secure_session.middleware.AccountMiddleware"


def show_account(request):
    account = request.account
    return HttpResponse(f"{account.id} {account.role} {request.org.id}")


def test_the_helper_makes_a_request_with_an_account(helpers):
    assert helpers["request_from"]("owner").account.role == "owner"


def test_the_settings_for_tests_work(helpers, settings):
    settings.SECURE_SESSION = helpers["SECURE_SESSION"]

    assert conf.get_config().has_own_key


def test_after_log_out_the_test_client_sends_an_empty_cookie(site, helpers):
    site.force_login(User.objects.get())
    site.get("/")
    site.post("/logout/")
    cookies = {name: morsel.value for name, morsel in site.cookies.items()}

    request = helpers["request_with_sessions"](**cookies)

    assert cookies["sessionid"] == ""
    assert request.session.rejection == "malformed"


# Tokens


@pytest.fixture
def shared() -> dict:
    """Return the functions on the page about tokens."""
    return names_on("docs/howto/share-a-token.md")


@pytest.fixture
def socket_token(db) -> str:
    """Return a token of a session into which Django has logged Ada in."""
    request = HttpRequest()
    request.session = create_session({})
    login(request, User.objects.create(username="ada", is_staff=True))
    return encode_session(request.session, purpose="socket")


async def test_a_token_tells_the_account(socket_token, shared):
    assert (await shared["account_of"](socket_token)).role == "staff"


@pytest.mark.django_db(transaction=True)
async def test_a_token_tells_the_user(socket_token, shared):
    assert (await shared["user_of"](socket_token)).get_username() == "ada"


@pytest.mark.parametrize("name", ["account_of", "user_of"])
async def test_a_token_that_does_not_open_tells_nothing(shared, name):
    assert await shared[name]("junk") is None


def test_a_link_downloads_until_it_expires(shared, clock):
    link = shared["link"](7)
    request = RequestFactory().get(link)

    assert shared["download"](request).content == b"report 7"

    clock.tick(hours=1)
    with pytest.raises(Http404):
        shared["download"](request)


# Timeouts


@pytest.mark.parametrize(
    ("box", "max_age"), [({"remember_me": "on"}, 14 * 86400), ({}, "")], ids=str
)
def test_remember_me_decides_how_long_the_cookie_lives(site, box, max_age):
    [block] = [b for b in blocks_of("docs/howto/timeouts.md") if "LoginView" in b.text]
    namespace: dict = {}
    exec(block.text, namespace)
    sys.modules["mysite.urls"].urlpatterns[:0] = [
        path("remember/", namespace["RememberMeView"].as_view())
    ]
    clear_url_caches()

    response = site.post("/remember/", ADA | box)

    assert response.cookies["sessionid"]["max-age"] == max_age


# Large sessions


def test_the_sizes_on_the_page_are_right(settings):
    rows = re.search(
        r"^\| holds, .* \| (\d+) \| (\d+) \| about (\d+) \|$",
        read(DOCS / "howto" / "large-sessions.md"),
        re.MULTILINE,
    )
    for placement, size in zip(PLACEMENTS, map(int, rows.groups()), strict=True):
        settings.SECURE_SESSION = {"KEY": generate_key(), "PLACEMENT": placement}

        save_json_of(size)
        with pytest.raises(SessionTooLarge):
            save_json_of(size + 1)


def save_json_of(size: int) -> None:
    session = SessionStore()
    session.accept([])
    session["x"] = "x" * (size - len('{"x":""}'))
    session.save()


LIMITS = read(REFERENCE / "errors-and-signals.md").partition("| `what` | `limit`")[2]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_limits_of_the_error_are_those_on_the_page(settings, placement):
    settings.SECURE_SESSION = {"KEY": generate_key(), "PLACEMENT": placement}

    with pytest.raises(SessionTooLarge) as caught:
        save_json_of(1_000_000)

    assert f" | {caught.value.limit} | " in LIMITS


def test_the_limit_of_another_token_is_that_on_the_page():
    with pytest.raises(SessionTooLarge) as caught:
        encode_session({"x": "x" * 65536}, purpose="download")

    assert f"| `{caught.value.what}` | {caught.value.limit} | " in LIMITS


def test_the_serializer_on_the_page_passes_bytes_alone():
    [block] = [
        block
        for block in blocks_of("docs/howto/large-sessions.md")
        if "class OnlyBytes" in block.text
    ]
    namespace: dict = {}
    exec(block.text, namespace)
    serializer = namespace["OnlyBytes"]()

    assert serializer.loads(serializer.dumps(b"sealed")) == b"sealed"
    with pytest.raises(TypeError):
        serializer.dumps("text")


SHELL_LINES = [
    pytest.param(line, id=line)
    for line in dict.fromkeys(
        line
        for block in BLOCKS
        if block.language == "shell"
        for line in block.text.splitlines()
    )
]
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))


@pytest.mark.parametrize("line", SHELL_LINES)
def test_shell_examples_name_commands_and_options_that_exist(line):
    words = shlex.split(line.partition(" < ")[0])
    match words:
        case ["make", target]:
            assert target in MAKE_TARGETS
        case ["python", "manage.py", name, *arguments]:
            parse_arguments(name, arguments)
        case ["python", "-m", "django_secure_session" | "django", name, *arguments]:
            parse_arguments(name, arguments)
        case ["python", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"]:
            pass
        case ["python", "-m", "pip", "install", name]:
            assert f'name = "{name}"' in read(ROOT / "pyproject.toml")
        case _:
            pytest.fail(f"nothing checks this command: {line}")


def parse_arguments(name: str, arguments: list[str]) -> None:
    # Of apps that the tests do not install.
    app = {"migrate": "django.core", "startproject": "django.core"}.get(name)
    command = load_command_class(app or get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(arguments)


def test_make_targets_in_the_readme_exist():
    named = set(re.findall(r"`make ([a-z-]+)`", PAGES["README.md"]))

    assert {"demo", "test"} <= named <= MAKE_TARGETS


# Completeness


@pytest.mark.parametrize("option", sorted(conf.OPTIONS))
def test_every_setting_is_in_the_reference(option):
    assert f"\n### {option}\n" in read(REFERENCE / "settings.md")


@pytest.mark.parametrize("reason", get_args(Reason))
@pytest.mark.parametrize(
    "page", ["reference/session.md", "howto/debug-a-cookie.md"], ids=str
)
def test_every_reason_has_a_row(reason, page):
    assert f"| `{reason}` |" in re.sub(r"^ +", "", read(DOCS / page), flags=re.M)


@pytest.mark.parametrize("reason", get_args(Reason))
def test_the_level_and_the_fate_of_the_cookie_are_right(reason):
    row = re.search(rf"^\| `{reason}` \| .+ \| (\w+) \| (\w+) \|$", SESSION_TEXT, re.M)
    level, fate = row.groups()

    assert getattr(logging, level) == reports._LEVELS.get(reason, logging.INFO)
    assert fate == ("stays" if reason in LEFT_ALONE else "deleted")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_is_in_the_token_format(reason):
    assert f"| `{reason}` |" in read(REFERENCE / "token-format.md")


CHECKS = (checks.guards, checks.sessions, key_checks, registry_checks)


@pytest.mark.parametrize(
    "check_id",
    sorted(
        set(
            re.findall(
                r"secure_session\.[EW]\d{3}",
                "".join(map(inspect.getsource, CHECKS)),
            )
        )
    ),
)
def test_every_check_is_in_the_reference(check_id):
    assert f"| `{check_id}` |" in read(REFERENCE / "checks.md")


APPS = {f"django_secure_session{name}" for name in ("", ".api_keys", ".registry")}


def own_options() -> list[tuple[str, str]]:
    ours = {n: app for n, app in get_commands().items() if app in APPS}
    common = BaseCommand().create_parser("manage.py", "")._option_string_actions
    return [
        (name, option)
        for name, app in ours.items()
        for option in load_command_class(app, name)
        .create_parser("manage.py", name)
        ._option_string_actions
        if option not in common
    ]


def test_every_command_and_option_is_in_the_reference():
    text = read(REFERENCE / "commands.md")
    options = own_options()

    names = {"genkey", "guards", "inspectsession", "rotatekey"}
    names |= {"createapikey", "listapikeys", "revokeapikey"}
    names |= {"prunesessions", "revokesessions"}
    assert {name for name, _ in options} == names
    for name, option in options:
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert re.search(rf"\| `{option}[ `]", section), f"{name} {option}"


@pytest.mark.parametrize(
    "name", [name for name, value in vars(signals).items() if isinstance(value, Signal)]
)
def test_every_signal_is_in_the_reference(name):
    assert f"| `{name}` |" in read(REFERENCE / "errors-and-signals.md")


@pytest.mark.parametrize("name", django_secure_session.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"`{name}\b", REFERENCE_TEXT)


@pytest.mark.parametrize(
    "member",
    [n for n in dir(SessionStore) if n[0] != "_" and not hasattr(SessionBase, n)],
)
def test_every_member_of_the_session_is_in_the_reference(member):
    assert re.search(rf"`(await )?{member}[(`]|^### .*\b{member}\b", SESSION_TEXT, re.M)


SESSION_TEXT = read(REFERENCE / "session.md")


@pytest.mark.parametrize("name", sorted({"max_age", *conf.ATTRIBUTES}))
def test_every_attribute_of_options_is_in_the_reference(name):
    section = SESSION_TEXT.partition("### options(")[2].partition("\n### ")[0]

    assert f"| `{name}` |" in section


ERRORS = [
    value
    for value in vars(exceptions).values()
    if isinstance(value, type) and issubclass(value, exceptions.SecureSessionError)
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_in_the_reference(error):
    assert f"| `{error.__name__}` |" in read(REFERENCE / "errors-and-signals.md")


def public_names(owner: type, beyond: type) -> list[str]:
    return [n for n in dir(owner) if n[0] != "_" and not hasattr(beyond, n)]


@pytest.mark.parametrize("reason", get_args(Refusal))
def test_every_refusal_is_in_the_reference(reason):
    [error] = re.findall(rf"^\| `{reason}` \| `(\w+)` \|", REFERENCE_TEXT, re.MULTILINE)

    assert getattr(exceptions, error)(reason).reason == reason


@pytest.mark.parametrize("name", public_names(AccountRequest, HttpRequest))
def test_every_member_of_a_request_is_in_the_reference(name):
    table = read(REFERENCE / "accounts.md").partition("\n\n- ")[0]

    assert re.search(rf"`(await )?{name}[(`]", table)


@pytest.mark.parametrize("name", public_names(AccountProvider, object))
def test_every_method_of_a_provider_is_in_the_reference(name):
    section = read(REFERENCE / "accounts.md").partition("\n## AccountProvider\n")[2]

    assert re.search(rf"\| `{name}[(`]", section)


@pytest.mark.parametrize(
    ("mixin", "guard"),
    [(AuthenticatedMixin, "authenticated"), (AuthorizedMixin, "authorized")],
)
def test_every_option_of_a_guard_is_in_the_reference(mixin, guard):
    section = read(REFERENCE / "guards.md").partition(f"\n## {guard}\n")[2]
    section = section.partition("\n## ")[0]
    wanted = [name for name in vars(mixin) if name.startswith("required_")]

    assert wanted
    for name in wanted:
        assert f"`{name}`" in section
        assert f"`{name.removeprefix('required_')}" in section


WRONG_SETTINGS = re.findall(
    r"^\| `(.+)` \| `(InvalidKey|ImproperlyConfigured)` \| (.+) \|$",
    read(REFERENCE / "settings.md"),
    re.MULTILINE,
)


def test_the_table_of_wrong_settings_is_found():
    assert len(WRONG_SETTINGS) >= 20


@pytest.mark.parametrize(("value", "error", "text"), WRONG_SETTINGS)
def test_a_wrong_setting_gets_what_the_table_says(value, error, text, settings):
    key = base64.b64encode(generate_key()).decode()
    names = {"DERIVED": DERIVED, "Passphrase": Passphrase, "Path": Path, "key": key}
    settings.SECURE_SESSION = eval(value, names)

    with pytest.raises(ImproperlyConfigured, match=re.escape(text)) as caught:
        conf.get_config()

    assert caught.type.__name__ == error
    assert key not in str(caught.value)


WRONG_IN_DJANGO = re.findall(
    r"^\| `((?:SESSION_\w+ = .+)+)` \| (.+) \|$",
    read(REFERENCE / "settings.md"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("lines", "text"), WRONG_IN_DJANGO)
def test_a_wrong_setting_of_django_gets_what_the_table_says(lines, text, settings):
    namespace: dict[str, object] = {}
    exec(lines, {}, namespace)
    for name, value in namespace.items():
        setattr(settings, name, value)

    with pytest.raises(ImproperlyConfigured, match=re.escape(text)):
        conf.get_config()


def test_the_table_of_wrong_settings_of_django_is_found():
    assert len(WRONG_IN_DJANGO) >= 10


def test_every_option_stands_in_the_table_of_inheritance():
    page = read(REFERENCE / "settings.md")
    table = page.partition("| option | from |")[2].partition("\n\n")[0]

    assert set(re.findall(r"`([A-Z]\w+)`", table)) >= conf.NAMED_OPTIONS


# Files, links and secrets


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150


LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)|\{(?:image|literalinclude)\} (\S+)")


@pytest.mark.parametrize("page", list(PAGES))
def test_links_lead_somewhere(page):
    here = ROOT / page
    for link in (a or b for a, b in LINK.findall(PAGES[page])):
        name, _, anchor = link.partition("#")
        target = here.parent / name if name else here
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(read(target)), link


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def test_every_page_is_in_the_contents():
    contents = {
        f"{line}.md"
        for block in blocks_of("docs/index.md")
        if block.language == "{toctree}"
        for line in block.text.splitlines()
        if "/" in line
    }
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}

    assert contents == pages - {"index.md"}


KEY_LIKE = re.compile(r"[A-Za-z0-9+/_-]{43,}=?")
DOCUMENTS = [
    *(ROOT / page for page in PAGES),
    *(path for path in DOCS.rglob("*.py") if "_build" not in path.parts),
    *DOCS.glob("_static/*.svg"),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_holds_a_usable_key(path):
    for candidate in KEY_LIKE.findall(read(path)):
        with pytest.raises(InvalidKey):
            root_keys(candidate, "the document")


@pytest.mark.parametrize(
    "path", sorted(DOCS.glob("_static/*.svg")), ids=lambda path: path.name
)
def test_pictures_are_well_formed_and_fetch_nothing(path):
    svg = ElementTree.fromstring(read(path))

    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"href|url\(|@import|<script", read(path))


# The decoder in the token format


@pytest.fixture(scope="module")
def decoder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("decode_token", DECODER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_includes_the_decoder_whole():
    assert "```{literalinclude} decode_token.py\n" in read(
        REFERENCE / "token-format.md"
    )


def test_the_decoder_knows_nothing_of_the_package():
    assert not re.search(r"^\s*(from|import) django", read(DECODER), re.MULTILINE)


DATA = {"user": 7, "cart": [1, 2, {"sku": "ä"}], "nothing": None}


@pytest.mark.parametrize("data", [{}, DATA, {"long": "x" * 2900}], ids=len)
def test_the_decoder_opens_what_the_package_seals(decoder, settings, data):
    root = generate_key()
    settings.SECURE_SESSION = {"KEY": root}
    session = create_session(data)

    metadata, opened = decoder.decode(
        session.session_key, [generate_key(), root], limit=4087
    )

    assert opened == data
    assert base64.urlsafe_b64encode(metadata["sid"])[:22].decode() == session.sid
    assert metadata["created"] == session.created_at.timestamp()
    assert metadata["expires"] == session.expires_at.timestamp()


def test_the_decoder_opens_a_token_of_another_context(decoder, settings):
    root = generate_key()
    settings.SECURE_SESSION = {"KEY": root, "AUDIENCE": "müller"}
    token = encode_session(DATA, purpose="download", max_age=60)
    context = {"purpose": "download", "audience": "müller", "limit": 65536}

    metadata, opened = decoder.decode(token, [root], **context)

    assert opened == DATA
    assert metadata["flags"] == decoder.FIXED_DATE
    assert metadata["expires"] == metadata["issued"] + 60


def test_the_decoder_derives_the_keys_of_a_site_without_one(decoder):
    secret_key = secrets.token_urlsafe(50)

    derived = decoder.root_from_secret_key(secret_key)

    assert derived == root_from_secret_key(secret_key, "SECRET_KEY").secret


def test_the_decoder_derives_the_key_of_a_passphrase(decoder):
    secret, salt = secrets.token_hex(16), secrets.token_hex(8)

    derived = decoder.root_from_passphrase(secret, salt)

    assert derived == Passphrase(secret, salt=salt).derive("KEY")


NOW = 1_800_000_000
TIMES = {"cookie_age": 86400, "idle_timeout": None, "absolute_timeout": 30 * 86400}


@dataclass(frozen=True)
class Pair:
    """The package and the decoder with one key; ``verdicts`` are what they say."""

    codec: Codec
    decoder: ModuleType
    root: bytes

    def verdicts(self, token: str, **times: int) -> tuple[object, object]:
        return self._package(token, **times), self._decoder(token, **times)

    def _package(self, token: str, **times: int) -> object:
        age, idle, absolute = (TIMES | times).values()
        lifetime = Lifetime(idle or age, absolute, idle=idle is not None)
        try:
            opened = Opened(token, *self.codec.open(token, now=NOW, lifetime=lifetime))
            return opened.entry_name() or self.codec.read_body(opened.body)
        except BadToken as refusal:
            return refusal.reason

    def _decoder(self, token: str, **times: int) -> object:
        try:
            return self.decoder.decode(
                token, [self.root], limit=4000, now=NOW, **TIMES | times
            )[1]
        except self.decoder.Refused as refusal:
            return str(refusal)
        except self.decoder.Elsewhere as pointer:
            return bytes.fromhex(pointer.cache_key.removeprefix("secure_session."))


@pytest.fixture
def pair(decoder) -> Pair:
    root = generate_key()
    box = Keyring([RootKey(root, "KEY")]).box("session", "default", "")
    return Pair(Codec(box, CompactJSON(), 4000), decoder, root)


def metadata(**changes: int) -> Metadata:
    day = 86400
    return Metadata(bytes(16), NOW - day, NOW - 9, NOW + day)._replace(**changes)


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        lambda token: token[:-1],
        lambda token: token[:-64],
        lambda token: token[:64],
        lambda token: token[:11],
        lambda token: token + "A" * 64,
        lambda token: token + "A" * 4000,
        lambda token: token + "\n",
        lambda token: token + "====",
        lambda token: token[:20] + "+" + token[21:],
        lambda token: token[:20] + "é" + token[21:],
        lambda token: "B" + token[1:],
        lambda token: "",
        lambda token: "junk",
    ],
)
def test_package_and_decoder_agree_on_damaged_tokens(pair, change):
    ours, theirs = pair.verdicts(change(encode(pair.codec, metadata(), DATA)))

    assert isinstance(ours, str)
    assert ours == theirs


def test_package_and_decoder_agree_on_every_changed_character(pair):
    token = encode(pair.codec, metadata(), DATA)

    for i, character in enumerate(token):
        other = "A" if character != "A" else "B"
        ours, theirs = pair.verdicts(token[:i] + other + token[i + 1 :])
        assert isinstance(ours, str)
        assert ours == theirs


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"issued": NOW + 60},
        {"issued": NOW + 61},
        {"expires": NOW},
        {"expires": NOW + 1},
        {"created": NOW - 31 * 86400},
        {"created": NOW},
        {"issued": NOW - 86400},
        {"issued": NOW - 86400, "age": 90000},
        {"issued": NOW - 86400, "flags": 8},
        {"issued": NOW - 86400, "flags": 1},
        {"flags": 9},
        {"flags": 2},
        {"flags": 4},
        {"flags": 16},
        {"flags": 128},
    ],
    ids=str,
)
@pytest.mark.parametrize("idle", [None, 1800], ids=["", "idle"])
def test_package_and_decoder_agree_on_metadata(pair, changes, idle):
    token = encode(pair.codec, metadata(**changes), DATA)
    ours, theirs = pair.verdicts(token, idle_timeout=idle)

    assert ours == theirs


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"issued": NOW - 1799}, DATA),
        ({"issued": NOW - 1800}, "idle"),
        ({"issued": NOW - 1800, "age": 3600}, DATA),
        ({"issued": NOW - 3600, "age": 3600, "expires": NOW}, "expired"),
        ({"issued": NOW - 1800, "flags": 8, "expires": NOW}, "expired"),
        ({"issued": NOW - 1800, "created": NOW - 30 * 86400}, "expired"),
    ],
    ids=str,
)
def test_package_and_decoder_agree_on_idle(pair, changes, verdict):
    token = encode(pair.codec, metadata(**changes), DATA)

    assert pair.verdicts(token, idle_timeout=1800) == (verdict, verdict)


DEFLATED = zlib.compress(b"{}")
BODIES = {
    "compressed": (2, DEFLATED),
    "compressed, cut": (2, DEFLATED[:-1]),
    "compressed, more after it": (2, DEFLATED + b"x"),
    "compressed twice": (2, zlib.compress(DEFLATED)),
    "not compressed": (2, b"{}"),
    "compressed, at the limit": (2, zlib.compress(b"{}".rjust(1 << 20))),
    "compressed, over the limit": (2, zlib.compress(b"{}".rjust((1 << 20) + 1))),
    "pointer": (4, bytes(range(48))),
    "pointer, short": (4, bytes(range(47))),
    "pointer, long": (4, bytes(range(49))),
    "pointer that ends with the browser": (5, bytes(range(48))),
    "pointer with a date": (12, bytes(range(48))),
    "compressed pointer": (6, zlib.compress(bytes(range(48)))),
    "compressed pointer, short": (6, DEFLATED),
}


@pytest.mark.parametrize(("flags", "body"), list(BODIES.values()), ids=list(BODIES))
def test_package_and_decoder_agree_on_what_the_flags_say_of_the_body(pair, flags, body):
    ours, theirs = pair.verdicts(pair.codec.seal(metadata(flags=flags), body))

    assert ours == theirs


def test_the_decoder_opens_compressed_tokens(decoder, settings):
    root = generate_key()
    settings.SECURE_SESSION = {"KEY": root, "COMPRESS": True}
    data = {"text": "again " * 500}

    metadata, opened = decoder.decode(create_session(data).session_key, [root])

    assert metadata["flags"] == decoder.COMPRESSED
    assert opened == data


@pytest.fixture
def spilled(settings) -> bytes:
    """Let every session of the site go to its cache; return the key."""
    root = generate_key()
    settings.SECURE_SESSION = {
        "KEY": root,
        "AUDIENCE": "müller",
        "PLACEMENT": "spill",
        "SPILL_ABOVE": 0,
        "COMPRESS": True,
    }
    return root


def pointer_of(decoder, session, root):
    with pytest.raises(decoder.Elsewhere) as caught:
        decoder.decode(session.session_key, [root], audience="müller")
    return caught.value


def test_the_decoder_opens_a_session_in_the_cache(decoder, spilled):
    data = {"text": "again " * 5000}
    session = create_session(data)
    pointer = pointer_of(decoder, session, spilled)
    stored = cache.get(pointer.cache_key)

    opened = decoder.open_stored(stored, pointer, [spilled], audience="müller")

    assert len(session.session_key) == 192
    assert opened == data


@pytest.mark.parametrize("stored", [None, b"", b"other" * 48])
def test_package_and_decoder_agree_on_a_wrong_entry(decoder, spilled, stored):
    session = create_session(DATA)
    pointer = pointer_of(decoder, session, spilled)
    cache.set(pointer.cache_key, stored)
    reason = SessionStore(session.session_key).rejection

    with pytest.raises(decoder.Refused, match=f"^{reason}$"):
        decoder.open_stored(cache.get(pointer.cache_key), pointer, [spilled])


def test_the_decoder_opens_what_stands_in_chunks(decoder, settings):
    root = generate_key()
    settings.SECURE_SESSION = {"KEY": root, "PLACEMENT": "chunked"}
    session = SessionStore()
    session.accept([])
    session["text"] = "x" * 5000
    session.save()
    first, second = chunks.split("sessionid", session.session_key).values()

    token = decoder.join(first, [second])

    assert decoder.decode(token, [root])[1] == {"text": "x" * 5000}


MARK = "0123456789abABCDEFGH"


@pytest.mark.parametrize(
    ("value", "further"),
    [
        (f"2.{MARK}xyz", ["ABCDEFGH.rest"]),
        (f"2.{MARK}xyz", ["ABCDEFGH.rest", "ABCDEFGH.rest"]),
        (f"2.{MARK}xyz", ["ABCDEFGH.rest", "older-one.rest"]),
        (f"2.{MARK}xyz", ["ABCDEFGH.rest", "ABCDEFGH.other"]),
        (f"2.{MARK}xyz", ["ABCDEFGI.rest"]),
        (f"2.{MARK}xyz", []),
        (f"2.{MARK[:-1]}", ["ABCDEFGH.rest"]),
        (f"2.{MARK}", ["ABCDEFGH."]),
        (f"3.{MARK}xyz", ["ABCDEFGH.rest"]),
        (f"1.{MARK}xyz", ["ABCDEFGH.rest"]),
        (f"2.{MARK}x.z", ["ABCDEFGH.rest"]),
        (MARK, ["ABCDEFGH.rest"]),
    ],
)
def test_package_and_decoder_agree_on_chunks(decoder, value, further):
    ours = chunks.join("name", [value], {"name.1": further}.__getitem__)

    assert [decoder.join(value, further)] == ours


def test_the_decoder_takes_tokens_as_long_as_the_package_does(decoder):
    limit = decoder.decode.__kwdefaults__["limit"]

    assert limit == chunks.chunked_capacity("sessionid")


def test_the_limits_in_the_token_format_are_those_of_the_code():
    page = read(REFERENCE / "token-format.md").partition("### Limits")[2]

    for name in ("sessionid", "__Host-session"):
        assert chunks.chunked_capacity(name) == 7587 - 2 * len(name)
        assert chunks.single_capacity(name) == 4096 - len(name)
    for limit in (7587, 4096, conf.TOKEN_LIMIT, conf.SPILL_LIMIT, 1 << 20):
        assert re.search(rf"\| {limit}\b", page), limit
    assert f"{choice.MAX_CANDIDATES} with a known key id" in page


HEAD = bytes(16) + b"".join(n.to_bytes(4, "big") for n in (NOW, NOW, NOW + 9, 0))
PLAINTEXTS = {
    "good": HEAD + b"\0\0\0{}\x80".ljust(16, b"\0"),
    "claims": HEAD + b"\0\0\2[]{}\x80".ljust(16, b"\0"),
    "claims to the end": HEAD + b"\0\0\4[]{}\x80".ljust(16, b"\0"),
    "claims past the end": HEAD + b"\0\0\5[]{}\x80".ljust(16, b"\0"),
    "no mark": HEAD + b"\0\0\0{}".ljust(16, b"\0"),
    "other mark": HEAD + b"\0\0\0{}\x81".ljust(16, b"\0"),
    "no padding": HEAD + b'\0\0\0{"a":"bcde"}',
    "48 zeros": HEAD + b'\0\0\0{"a":"bcde"}\x80'.ljust(64, b"\0"),
    "a block too many": HEAD + b"\0\0\0{}\x80".ljust(64, b"\0"),
    "a whole block": HEAD + b'\0\0\0{"a":"bcdef"}' + b"\x80".ljust(48, b"\0"),
    "zeros only": bytes(48),
    "too short": (b"x" * 34 + b"\x80").ljust(48, b"\0"),
    "no body": (HEAD + b"\0\0\0\x80").ljust(48, b"\0"),
    "a list": HEAD + b"\0\0\0[]\x80".ljust(16, b"\0"),
    "white space": HEAD + b"\0\0\0 {}\x80".ljust(16, b"\0"),
    "more after it": HEAD + b"\0\0\0{}{}\x80".ljust(16, b"\0"),
    "no text": HEAD + b'\0\0\0{"\xff":1}\x80'.ljust(16, b"\0"),
    "NaN": HEAD + b'\0\0\0{"a":NaN0}\x80'.ljust(16, b"\0"),
}


@pytest.mark.parametrize("plaintext", list(PLAINTEXTS.values()), ids=list(PLAINTEXTS))
def test_package_and_decoder_agree_on_any_plaintext(pair, plaintext):
    raw = b"\1" + b"".join(pair.codec.box.seal(plaintext))

    ours, theirs = pair.verdicts(base64.urlsafe_b64encode(raw).decode())

    assert ours == theirs


@pytest.mark.parametrize("depth", [99, 100, 1000])
def test_package_and_decoder_agree_on_depth(pair, depth):
    body = b'{"":' + b"[" * depth + b"]" * depth + b"}"
    content = HEAD + b"\0\0\0" + body + b"\x80"
    plaintext = content.ljust(-(-len(content) // 48) * 48, b"\0")
    raw = b"\1" + b"".join(pair.codec.box.seal(plaintext))

    ours, theirs = pair.verdicts(base64.urlsafe_b64encode(raw).decode())

    assert ours == theirs
    assert isinstance(ours, dict) == (depth < 100)


# Claims


@pytest.fixture
def logged_in(settings, db) -> tuple[bytes, SessionStore]:
    """Return a key, and a session into which Django has logged somebody in."""
    root = generate_key()
    settings.SECURE_SESSION = {"KEY": root}
    request = HttpRequest()
    request.session = create_session({})
    login(request, User.objects.create(username="ada", is_staff=True))
    request.session.save()
    return root, request.session


def test_the_decoder_reads_the_claims_of_a_log_in_of_django(decoder, logged_in):
    root, session = logged_in

    metadata, data = decoder.decode(session.session_key, [root])
    found = decoder.read_claims(metadata["claims"], data)

    assert (found["sub"], found["role"]) == (data["_auth_user_id"], "staff")
    assert found["iat"] == found["auth_time"] == metadata["created"]


@pytest.mark.parametrize(
    "key", ["_auth_user_id", "_auth_user_backend", "_auth_user_hash"]
)
def test_the_decoder_sees_that_claims_are_about_another_log_in(decoder, logged_in, key):
    root, session = logged_in
    metadata, data = decoder.decode(session.session_key, [root])

    assert decoder.read_claims(metadata["claims"], data | {key: "other"}) is None


ALL_CLAIMS = Claims(
    Account(id="ä", role="owner", verified=True),
    Org(id="acme"),
    NOW,
    NOW - 9,
    ("pwd", "otp"),
    "0123456789012345678901",
    2,
)


def test_the_members_of_claims_are_those_on_the_page():
    page = read(REFERENCE / "token-format.md").partition("### Claims")[2]
    named = re.findall(r"^\| `(\w+)` \|", page.partition("\n\n1. ")[0], re.MULTILINE)
    dumped = claims.dump(ALL_CLAIMS)

    assert list(json.loads(dumped)) == named
    assert dumped.isascii()
    assert b" " not in dumped


@pytest.mark.parametrize(
    "content",
    [
        {"sub": "7", "role": "user", "iat": NOW},
        {"sub": "", "role": "user", "iat": NOW},
        {"sub": "7", "role": "", "iat": NOW},
        {"sub": "7", "role": "user"},
        {"role": "user", "iat": NOW},
        *(
            {"sub": "7", "role": "user", "iat": NOW} | change
            for change in (
                *({"sub": 7}, {"role": ["user"]}, {"verified": "yes"}, {"log_in": 7}),
                *({"org": ""}, {"org": 7}, {"org": "acme"}, {"amr": 7}, {"amr": [7]}),
                *({"amr": ["pwd"]}, {"iat": "now"}, {"iat": -1}, {"auth_time": 0.5}),
                *({"auth_time": -1}, {"auth_time": NOW}, {"iat": 0}, {"other": 7}),
                *({"epoch": 2}, {"epoch": "2"}, {"epoch": -1}),
            )
        ),
        ["sub"],
        "sub",
        7,
        None,
    ],
    ids=str,
)
def test_package_and_decoder_agree_on_what_claims_are(decoder, content):
    sealed = json.dumps(content).encode()

    found = claims.parse(sealed)

    assert (found is None) == (decoder.read_claims(sealed, {}) is None)


@pytest.mark.parametrize("sealed", [b"", b"\xff", b"{", b"[" * 60000], ids=len)
def test_package_and_decoder_agree_on_junk_for_claims(decoder, sealed):
    assert claims.parse(sealed) is None
    assert decoder.read_claims(sealed, {}) is None


VECTORS = json.loads(read(ROOT / "tests" / "vectors" / "token-v1.json"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_decoder_opens_the_golden_vectors(decoder, vector):
    if "secret_key" in vector:
        root = decoder.root_from_secret_key(vector["secret_key"])
    else:
        root = bytes.fromhex(vector["root_key"])
    keys = dict([decoder.derive(root, *vector["context"])])

    opened, body = decoder.open_token(vector["token"], keys, 65536)

    assert opened["sid"].hex() == vector["metadata"][0]
    assert [opened[name] for name in decoder.FIELDS[1:-1]] == vector["metadata"][1:]
    assert decoder.read_body(body) == vector["data"]


def test_the_worked_example_is_a_golden_vector(decoder):
    page = blocks_of("docs/reference/token-format.md")
    [body] = [block.text for block in page if block.language == "json"]
    [token] = [
        block.text.replace("\n", "")
        for block in page
        if re.fullmatch(r"[\w\n-]+", block.text)
    ]

    opened, data = decoder.decode(token, [bytes(range(32))], now=1_800_003_700)

    assert token in [vector["token"] for vector in VECTORS]
    assert json.dumps(data, separators=(",", ":")) == body
    for name in ("created", "issued", "expires"):
        assert re.search(rf"\b{name} +{opened[name]}\b", read_example())


def test_the_bytes_of_the_worked_example_are_right(decoder):
    key_id, subkey = decoder.derive(bytes(range(32)), "session", "default", "")
    [token] = [v["token"] for v in VECTORS if v["token"][:64] in read_example()]
    raw = base64.urlsafe_b64decode(token)
    plaintext = decoder.crypto_secretbox_open_easy(raw[32:], raw[8:32], subkey)
    sealed, opened = re.findall(r"```text\n( +0  .*?)```", read_example(), re.DOTALL)

    assert f"subkey     {subkey[:8].hex(' ')} ..." in read_example()
    assert f"key id     {key_id.hex(' ')}" in read_example()
    for lines, content in ((sealed, raw), (opened, plaintext)):
        for offset, shown in shown_bytes(lines):
            assert content[offset:].startswith(shown), f"{offset}: {shown.hex(' ')}"


SHOWN_BYTES = re.compile(r" *(?:(\d+)  )? *((?:\b[\da-f]{2}\b ?)+)")


def shown_bytes(lines: str) -> list[tuple[int, bytes]]:
    """Return what stands at which offset; a line without one goes on."""
    shown: list[tuple[int, bytes]] = []
    for line in lines.splitlines():
        offset, pairs = SHOWN_BYTES.match(line).groups()
        start = int(offset) if offset else shown[-1][0] + len(shown[-1][1])
        shown.append((start, bytes.fromhex(pairs)))
    return shown


def read_example() -> str:
    return read(REFERENCE / "token-format.md").partition("## A worked example")[2]


def test_the_decoder_runs_as_a_script(tmp_path, settings):
    root = generate_key()
    settings.SECURE_SESSION = {"KEY": root}
    (tmp_path / "key").write_bytes(base64.b64encode(root) + b"\n")

    done = subprocess.run(
        [sys.executable, DECODER, tmp_path / "key"],
        input=create_session(DATA).session_key,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["session"] == DATA
