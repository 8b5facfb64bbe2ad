"""The demo site as a visitor finds it: set up, served, and used as a browser would."""

from __future__ import annotations

import functools
import html
import http.client
import http.cookiejar
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testproject.users import DEMO_PASSWORD

ROOT = Path(__file__).resolve().parent.parent
COOKIE = "sessionid"


# Commands


def manage(*command: str) -> list[str]:
    return [sys.executable, "-u", "-W", "error", "manage.py", *command]


def environment(var: Path) -> dict[str, str]:
    # pytest-django exports the test suite's settings, which manage.py would take.
    settings = "tests.demo_settings"
    return os.environ | {"DEMO_VAR": str(var), "DJANGO_SETTINGS_MODULE": settings}


def call(
    var: Path, *command: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        manage(*command),
        cwd=ROOT,
        env=environment(var) | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run(var: Path, *command: str) -> str:
    done = call(var, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The site


@functools.cache
def _prepared(folder: Path) -> Path:
    """Set up a site in a folder that is not there yet, as in a fresh clone."""
    var = folder / "demo" / "var"
    run(var, "migrate", "--verbosity", "0")
    run(var, "seed")
    return var


def set_up(folders: pytest.TempPathFactory) -> Path:
    """Return the folder of a site with nothing in it but what ``seed`` makes."""
    prepared = _prepared(folders.getbasetemp())
    return shutil.copytree(prepared, folders.mktemp("demo") / "var")


def rows_of(var: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a statement finds in the database; what it changes is kept."""
    with sqlite3.connect(var / "demo.sqlite3") as database:
        rows = database.execute(query).fetchall()
    database.close()
    return rows


@contextmanager
def served(var: Path) -> Iterator[str]:
    """Serve the site on a free port and return its address."""
    log = var / "server.log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            manage("runserver", "--noreload", "127.0.0.1:0"),
            cwd=ROOT,
            env=environment(var),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert server.stdout is not None
    with server, server.stdout:
        try:
            lines = iter(server.stdout.readline, "")
            found = (re.search(r"(http://127\.0\.0\.1:\d+)/", line) for line in lines)
            address = next(filter(None, found), None)
            assert address, log.read_text()
            yield address[1]
        finally:
            server.terminate()


# Pages


def text_of(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def facts_of(markup: str) -> dict[str, str]:
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", markup, re.S)
    return {text_of(name): text_of(value) for name, value in pairs}


def key_on(page: Page) -> str:
    """Return the API key that a page shows."""
    found = re.search(r"<code>(dss_live_\w{12}_\w{49})</code>", page.html)
    assert found, page.text
    return found[1]


@dataclass(frozen=True)
class Page:
    status: int
    #: Where it is, after redirects, without the site.
    path: str
    headers: http.client.HTTPMessage
    html: str

    @property
    def text(self) -> str:
        return text_of(self.html)

    @property
    def queries(self) -> int:
        return int(self.headers["X-Queries"])

    @property
    def csrf_token(self) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.html)
        assert found, "the page has no form with a CSRF token"
        return found[1]


class Browser:
    """One visitor, with cookies of their own; follows redirects."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self.jar),
        )

    def open(
        self,
        path: str,
        form: dict[str, Any] | None = None,
        accept: str = "text/html",
        **headers: str,
    ) -> Page:
        data = None if form is None else urllib.parse.urlencode(form, True).encode()
        headers["Accept"] = accept
        request = urllib.request.Request(self.site + path, data, headers)
        return self.send(request)

    def send(self, request: urllib.request.Request) -> Page:
        try:
            response = self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            body = response.read().decode()
            path = response.url.removeprefix(self.site)
            return Page(response.status, path, response.headers, body)

    def post(self, path: str, *, form_on: str, **fields: Any) -> Page:
        token = self.open(form_on).csrf_token
        return self.open(path, {"csrfmiddlewaretoken": token, **fields})

    def add(self, slug: str) -> Page:
        return self.post(f"/cart/{slug}/add/", form_on="/shop/")

    def change(self, slug: str, quantity: int) -> Page:
        path = f"/cart/{slug}/change/"
        return self.post(path, form_on="/shop/", quantity=str(quantity))

    def log_in(self, username: str, password: str = DEMO_PASSWORD) -> Page:
        fields = {"username": username, "password": password}
        return self.post("/login/", form_on="/login/", **fields)

    def log_in_to_admin(self, username: str) -> Page:
        path = "/admin/login/?next=/admin/"
        fields = {"username": username, "password": DEMO_PASSWORD}
        return self.post(path, form_on=path, **fields)

    def log_out(self) -> Page:
        return self.post("/logout/", form_on="/")

    def switch(self, organisation: str, back_to: str = "") -> Page:
        path = "/organisations/switch/"
        fields = {"organisation": organisation, "next": back_to}
        return self.post(path, form_on="/guards/", **fields)

    def make_old(self, what: str) -> Page:
        return self.post("/guards/make-old/", form_on="/guards/", what=what)

    def make_key(self, *scopes: str, name: str = "a key", lifetime: str = "30") -> Page:
        path = "/api-keys/new/"
        fields = {"name": name, "scopes": scopes, "lifetime": lifetime}
        return self.post(path, form_on=path, **fields)

    def prefer(self, theme: str, per_page: int = 6) -> Page:
        path = "/preferences/"
        return self.post(path, form_on=path, theme=theme, per_page=str(per_page))

    def fill(self, alias: str, size: int) -> Page:
        return self.post(f"/sizes/{alias}/fill/", form_on="/sizes/", size=str(size))

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.jar}

    def named(self, name: str) -> http.cookiejar.Cookie:
        return next(cookie for cookie in self.jar if cookie.name == name)

    def tamper(self, name: str) -> None:
        """Change the last character of a cookie."""
        cookie = self.named(name)
        value = cookie.value or ""
        cookie.value = value[:-1] + ("A" if value[-1] != "A" else "B")

    @property
    def cookie(self) -> http.cookiejar.Cookie | None:
        return next((cookie for cookie in self.jar if cookie.name == COOKIE), None)

    @property
    def token(self) -> str:
        assert self.cookie is not None
        assert self.cookie.value is not None
        return self.cookie.value

    def session(self, alias: str = "default") -> dict[str, object]:
        """Return the data that the page on cookies shows, {} for no session."""
        page = self.open(f"/cookies/{alias}/").html
        found = re.search(r"<pre[^>]*><code>(.*?)</code>", page, re.S)
        return json.loads(html.unescape(found[1])) if found else {}

    def facts(self, alias: str = "default") -> dict[str, str]:
        """Return what the page on cookies tells about a session."""
        page = self.open("/cookies/").html
        card = page.split(f'href="/cookies/{alias}/#inside"')[1].split("</li>")[0]
        return facts_of(card)
