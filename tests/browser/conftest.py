"""Debian's chromium, driven by playwright: one for all tests, one profile for each."""

from __future__ import annotations

import importlib.util
import os
import shutil
import ssl

import pytest
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIHandler

from tests.browser.server import Server
from tests.browser.visitor import Site, Visitor

STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "django_secure_session.middleware.SecureSessionMiddleware"

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--ignore-certificate-errors",  # of an authority that is made in each run
    "--no-first-run",
    "--no-sandbox",  # which root, as CI often is, can't have
]


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("browser")


def what_is_missing() -> str:
    """Say what these tests lack, "" for nothing."""
    for name in ("playwright", "trustme"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed; `make test-browser` installs it"
    if shutil.which("chromium") is None:
        return "there is no chromium; on Debian: apt-get install chromium"
    return ""


@pytest.fixture(scope="package")
def servers():
    """Yield one server with TLS and one without."""
    if missing := what_is_missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    import trustme

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("app.example.test").configure_cert(tls)
    pair = Server(tls), Server()
    yield pair
    for server in pair:
        server.stop()


@pytest.fixture(scope="package")
def browser(servers):
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # It runs an event loop in this thread, where the tests prepare the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        chromium = shutil.which("chromium")
        with playwright.chromium.launch(
            executable_path=chromium, args=FLAGS
        ) as browser:
            yield browser


@pytest.fixture
def site(servers, browser, transactional_db, settings) -> Site:
    """Serve the tests' site under the settings of this test."""
    settings.MIDDLEWARE = [OURS if m == STOCK else m for m in settings.MIDDLEWARE]
    settings.ROOT_URLCONF = "tests.browser.urls"
    settings.STATIC_URL = "/static/"
    application = WSGIHandler()
    for server in servers:
        server.serve(application)
    tls, plain = (server.server_port for server in servers)
    return Site(
        app=f"https://app.example.test:{tls}",
        app_over_http=f"http://app.example.test:{plain}",
        sibling=f"https://sibling.example.test:{tls}",
        stranger=f"https://one.stranger.test:{tls}",
        other_stranger=f"https://another.test:{tls}",
        localhost=f"http://localhost:{plain}",
    )


@pytest.fixture
def new_visitor(site, browser):
    """Return a function that makes a visitor with no cookies."""
    contexts = []

    def make() -> Visitor:
        contexts.append(browser.new_context())
        return Visitor(contexts[-1], site)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def visitor(new_visitor) -> Visitor:
    return new_visitor()


@pytest.fixture
def configure(settings):
    """Return a function that sets options of SECURE_SESSION."""

    def change(**options) -> None:
        settings.SECURE_SESSION = settings.SECURE_SESSION | options

    return change


@pytest.fixture
def users(site):
    """Make ann and mallory, and root, who may use the admin."""
    users = get_user_model().objects
    users.create_user("ann")
    users.create_user("mallory")
    users.create_superuser("root", password="root")
