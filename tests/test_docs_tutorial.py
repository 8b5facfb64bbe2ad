"""The tutorials are followed: each command is run, each file made, each page opened."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest

import django_secure_session
from tests.pages import Block, assert_shown, blocks_of, read

TUTORIALS = ["docs/tutorial/first-session.md", "docs/tutorial/roles.md"]
ADDRESS = "http://127.0.0.1:8000"  # of the site on the page; in the tests it has a port


class Reader:
    """Somebody who follows a page with two terminals, an editor and a browser."""

    def __init__(self, folder: Path, passwords: dict[str, str]) -> None:
        self.folder = folder
        self.passwords = passwords
        self.site: subprocess.Popen[str] | None = None
        self.is_old = False  # the site runs with files that have changed since
        self.url = ""
        self.page = ""
        self.output = ""  # of the last command
        self.key = ""  # for programs
        self.status = 0
        self.terminal: list[str] = []  # lines of the site about the last page
        self.jar = CookieJar()
        self.browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.jar))

    def follow(self, block: Block) -> None:
        getattr(self, f"follow_{block.language}")(block)

    def settle(self, status: int = 0) -> None:
        """See to it that the last command has ended as the page says."""
        assert self.status == status, self.output
        self.status = 0

    # The blocks

    def follow_shell(self, block: Block) -> None:
        for line in block.text.splitlines():
            words = shlex.split(line)
            if words[0] == "." or words[2] in {"venv", "pip"}:
                continue  # the tests have their environment, and no network
            if words[2] == "runserver":
                self.start_site()
            else:
                self.run(words[1:])

    def follow_sh(self, block: Block) -> None:
        for line in block.text.splitlines():
            words = shlex.split(line)
            if words[0] == "curl":
                [url, _, header] = words[1:]
                self.call(url.removeprefix(ADDRESS), header.replace("$KEY", self.key))
            else:  # what is long on the page has been cut there
                assert words == ["KEY=dss_live_..."]
                self.key = self.output.splitlines()[0]

    def follow_python(self, block: Block) -> None:
        name, _, where = block.caption.partition(", ")
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = f"{read(file)}\n" if where == "at the end" else ""
        file.write_text(f"{before}{block.text}\n", "utf-8")
        self.is_old = True

    follow_html = follow_python

    def follow_diff(self, block: Block) -> None:
        file = self.folder / block.caption
        lines = block.text.splitlines()
        old = "\n".join(line[1:] for line in lines if line[:1] != "+")
        new = "\n".join(line[1:] for line in lines if line[:1] != "-")
        assert read(file).count(old) == 1, f"{block.where}: {old}"
        file.write_text(read(file).replace(old, new), "utf-8")
        self.is_old = True

    def follow_text(self, block: Block) -> None:
        what, _, who = block.caption.partition(", logged in as ")
        if what.startswith("output"):
            assert_shown(block, self.output)
            self.settle(1 if what.endswith("with status 1") else 0)
        elif what == "the terminal of the site":
            assert f"{block.text}\n" in self.terminal
        elif what == "the address":
            assert_shown(block, self.address)
        else:
            if what.endswith("after a change of the cookie"):
                self.change_cookie()
            self.open(what.partition(" ")[0].removeprefix(ADDRESS))
            if who:
                self.log_in(who)
            assert_shown(block, self.page)

    # The terminals

    def run(self, arguments: list[str]) -> None:
        """Run a command; it reads the cookie of the page as if that was pasted."""
        self.settle()
        done = subprocess.run(
            [sys.executable, *arguments],
            input=self.page.rpartition("cookie   ")[2] + "\n",
            **self.surroundings(),
        )
        self.output, self.status = done.stdout, done.returncode

    def call(self, path: str, header: str) -> None:
        """Do what curl does: it has no cookies, and accepts anything."""
        self.settle()
        self.renew_site()
        headers = dict([header.split(": ")], accept="*/*")
        try:
            response = build_opener(ProxyHandler({})).open(
                Request(self.url + path, headers=headers), timeout=60
            )
        except HTTPError as error:
            response = error
        with response:
            self.output = response.read().decode()
        self.terminal = self.read_terminal(f'"GET {path} HTTP/1.1" {response.status}')

    def renew_site(self) -> None:
        if self.is_old:
            self.start_site()  # as runserver does by itself where nobody tests it

    def start_site(self) -> None:
        self.close()
        self.site = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", "0"],
            **self.surroundings(),
        )
        self.is_old = False
        started = self.read_terminal("development server at ")[-1]
        self.url = started.rpartition(" ")[2].strip().rstrip("/")

    def close(self) -> None:
        """Stop the site, if it runs."""
        if self.site is not None:
            self.site.terminate()
            self.site.communicate(timeout=60)

    def surroundings(self) -> dict:
        package = Path(django_secure_session.__file__).parents[1]
        kept = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        # No PATH: startproject would reformat with black, were there one.
        ours = {"PATH": "", "PYTHONPATH": str(package), "PYTHONUNBUFFERED": "1"}
        return {
            "cwd": self.folder,
            "env": kept | ours,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }

    def read_terminal(self, last: str) -> list[str]:
        """Return what the site prints, up to a line with this text."""
        lines: list[str] = []
        while not lines or last not in lines[-1]:
            line = self.site.stdout.readline()
            assert line, "".join(["The site has ended:\n", *lines])
            lines.append(line)
        return lines

    # The browser

    def open(self, path: str, form: dict[str, str] | None = None) -> None:
        self.renew_site()
        data = None if form is None else urlencode(form).encode()
        try:
            response = self.browser.open(self.url + path, data, timeout=60)
        except HTTPError as error:
            response = error
        with response:
            self.source = response.read().decode()
        self.page = text_of(self.source)
        self.address = ADDRESS + response.url.removeprefix(self.url)
        last = f'"GET {response.url.removeprefix(self.url)} HTTP/1.1" {response.status}'
        self.terminal = self.read_terminal(last)

    def log_in(self, name: str) -> None:
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.source)
        form = {"username": name, "password": self.passwords[name]}
        at = urlsplit(self.address)._replace(scheme="", netloc="").geturl()
        self.open(at, form | {"csrfmiddlewaretoken": token})

    def change_cookie(self) -> None:
        [cookie] = self.jar
        last = "A" if cookie.value[-1] != "A" else "B"
        cookie.value = cookie.value[:-1] + last


def text_of(page: str) -> str:
    """Return what a browser shows of a page."""
    if "<body>" not in page:
        return page
    body = re.sub(r"<[^>]+>", "", page.partition("<body>")[2])
    lines = [line.strip() for line in html.unescape(body).splitlines()]
    return "\n".join(line for line in lines if line)


PASSWORD = re.compile(r"create_user\('(\w+)', password='(\w+)'")


@pytest.mark.parametrize("page", TUTORIALS)
def test_the_tutorial_works_from_its_first_to_its_last_line(page, tmp_path):
    blocks = blocks_of(page)
    passwords = dict(PASSWORD.findall("\n".join(block.text for block in blocks)))
    assert len(blocks) > 10

    with closing(Reader(tmp_path, passwords)) as reader:
        for block in blocks:
            reader.follow(block)
        reader.settle()
