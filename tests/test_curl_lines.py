"""What pages say to type in a terminal is typed there, and gives the status printed."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from types import ModuleType

import pytest
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler

from django_secure_session.api_keys.models import ApiKey
from tests.browser.server import Server
from tests.demo import Browser, key_on, served, set_up
from tests.http_guards import STACK
from tests.pages import blocks_of
from tests.services import program

SCOPES = ["invoices:read", "invoices:write", "team:read"]
HOWTO = "docs/howto/api-keys.md"


@pytest.fixture(scope="module")
def status_of(tmp_path_factory):
    """Return a function that runs a line in a shell and returns the status shown."""
    program("curl", "curl")
    home = tmp_path_factory.mktemp("home")
    # curl writes the status last, without an option on the line.
    (home / ".curlrc").write_text(
        'silent\nmax-time = 30\nwrite-out = "\\n%{http_code}"'
    )

    def run(line, **variables):
        known = {"HOME": str(home), "PATH": os.environ["PATH"], "no_proxy": "*"}
        done = subprocess.run(
            ["sh", "-euc", line],
            env=known | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return int(done.stdout.rpartition("\n")[2])

    return run


# The demo site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(set_up(tmp_path_factory)) as address:
        yield address


@pytest.fixture(scope="module")
def ada(site):
    browser = Browser(site)
    browser.log_in("ada")
    return browser


def lines_on(page):
    """Return the commands on a page and the status that stands beside each."""
    found = re.findall(
        r'<b class="status s\d+">(\d+)</b>.*?<code>(curl .*?)</code>', page.html, re.S
    )
    assert len(found) == 5
    return {html.unescape(command): int(status) for status, command in found}


@pytest.mark.parametrize(
    ("organisation", "scopes", "statuses"),
    [
        ("seal-and-sons", [], [200, 401, 403, 403, 403]),
        ("seal-and-sons", ["invoices:read"], [200, 200, 401, 403, 403]),
        ("seal-and-sons", SCOPES, [200, 200, 200, 201, 401]),
        ("post-office", SCOPES, [200, 200, 201, 401, 403]),
        ("", SCOPES, [200, 401, 403, 403, 403]),
    ],
)
def test_the_lines_beside_a_new_key_work(
    ada, status_of, organisation, scopes, statuses
):
    ada.switch(organisation)
    printed = lines_on(ada.make_key(*scopes))

    assert sorted(printed.values()) == statuses
    assert {line: status_of(line) for line in printed} == printed


def test_the_lines_beside_a_listed_key_work(ada, status_of):
    ada.switch("seal-and-sons")
    key = key_on(ada.make_key("invoices:write"))
    card = ada.open("/api-keys/").html.split('<section class="card key', 2)[1]
    found = re.findall(r">(\d+)</b>.*?<code>(curl .*?)</code>", card, re.S)
    printed = {html.unescape(command): int(status) for status, command in found}

    assert len(printed) == 5
    assert key not in card
    assert {line: status_of(line, KEY=key) for line in printed} == printed


# The page on API keys


@pytest.fixture
def site_of_the_page(settings, monkeypatch, transactional_db):
    """Serve the views on the page."""
    settings.MIDDLEWARE = STACK
    settings.ROOT_URLCONF = "mysite.urls"
    add_module("mysite", "", monkeypatch)
    for name in ("keys", "views", "urls"):
        blocks = [b for b in blocks_of(HOWTO) if b.caption == f"mysite/{name}.py"]
        text = "\n".join(block.text for block in blocks)
        module = add_module(f"mysite.{name}", text, monkeypatch)
        setattr(sys.modules["mysite"], name, module)
    server = Server()
    server.serve(WSGIHandler())
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop()


def add_module(name, text, monkeypatch):
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(text, vars(module))
    return module


def lines_of_the_page():
    """Return each line with curl in a shell block, and the status in its comment."""
    shell = [block.text for block in blocks_of(HOWTO) if block.language == "sh"]
    lines = "\n".join(shell).replace("\\\n", " ").splitlines()
    commands = [line for line in lines if line.startswith("curl ")]
    return {line: int(line.rpartition("# ")[2]) for line in commands}


def test_the_lines_in_the_documentation_work(site_of_the_page, status_of):
    owner = User.objects.create_user("ada")
    key = ApiKey.objects.create_key(
        name="a key", account_id=str(owner.pk), scopes=["invoices:read"]
    )
    printed = lines_of_the_page()
    variables = {"SITE": site_of_the_page, "KEY": key.text}

    assert {200, 401, 403} <= set(printed.values())
    assert {line: status_of(line, **variables) for line in printed} == printed
