"""The page for those who come from Node.js has all they knew, and names what exists."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import global_settings
from django.core.management import get_commands

import django_secure_session
from django_secure_session import conf
from django_secure_session.backends.encrypted_cookies import SessionStore

PAGE = Path(__file__).parents[1] / "docs/explanation/coming-from-node.md"
TEXT = PAGE.read_text("utf-8")
CODE = re.compile(r"`([^`]+)`")

#: What their type definitions, and for Harpia its code, have for sessions.
THERE = {
    "@fastify/secure-session": """
        key secret salt cookieName sessionName expiry cookie cookieOptions
        request.session get set data delete options touch regenerate changed deleted
        createSecureSession encodeSecureSession decodeSecureSession SessionData
    """,
    "@fastify/session": """
        secret algorithm cookieName cookiePrefix cookie store saveUninitialized rolling
        idGenerator request.session sessionStore sessionId encryptedSessionId
        session.cookie touch regenerate options destroy reload save set get isModified
        isSaved decryptSession Store MemoryStore store.get store.set store.destroy
    """,
    "h3": """
        useSession getSession updateSession clearSession sealSession unsealSession id
        data session.update session.clear createdAt lastSeenAt password maxAge
        idleTimeout name cookie chunkMaxLength sessionHeader seal legacySealFallback
        crypto generateId
    """,
    "iron-session": """
        getIronSession cookieName password ttl cookieOptions chunk onUnsealError save
        destroy updateConfig sealData unsealData nodeCookies webCookies nextProxyCookies
        CookieStore CookieJar
    """,
    "Harpia": """
        cookieName store create get update delete fromRequest fromWebSocket setCookie
        Store MemoryStore maxItems
    """,
    "Cookie attributes": """
        domain encode expires httpOnly maxAge partitioned path sameSite priority secure
        signed stringify signCookie unsignCookie secret algorithm hook parseOptions
    """,
}


@dataclass(frozen=True)
class Row:
    """A line of a table: the name there, the names here and the note."""

    section: str
    there: str
    here: tuple[str, ...]
    note: str


def rows() -> Iterator[Row]:
    section, in_table = "", False
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif not line.startswith("|"):
            in_table = False
        elif cells[0] == "there":
            in_table = True
        elif in_table and "---" not in line:
            yield Row(section, cells[0], tuple(cells[1:-1]), cells[-1])


ROWS = list(rows())
NAMES_HERE = sorted({name for r in ROWS for c in r.here for name in CODE.findall(c)})
SETTINGS = sorted(set(re.findall(r"`([A-Z_]+[A-Z])`", TEXT)) - {"SECURE_SESSION"})


def test_the_tables_are_found():
    assert {row.section for row in ROWS} == set(THERE)
    assert len(ROWS) > 120


@pytest.mark.parametrize(
    ("section", "name"),
    [(section, name) for section, names in THERE.items() for name in names.split()],
)
def test_everything_that_they_have_is_on_the_page(section, name):
    there = [c for r in ROWS if r.section == section for c in CODE.findall(r.there)]

    assert any(re.search(rf"\b{re.escape(name)}\b", code) for code in there)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.there}")
def test_a_row_has_a_name_here_or_a_reason(row):
    for cell in row.here:
        assert CODE.search(cell) or "](#cookie-attributes)" in cell or cell == "absent"
    if set(row.here) == {"absent"}:
        assert row.note


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_on_the_page_exists(name):
    # Django has no SESSION_COOKIE_PARTITIONED yet; this package reads it.
    own = name.startswith("SESSION_COOKIE_") and name[len("SESSION_") :] in conf.OPTIONS

    assert own or name in conf.OPTIONS or hasattr(global_settings, name)


@pytest.mark.parametrize("name", sorted({*NAMES_HERE} - {*SETTINGS}))
def test_every_name_here_exists(name, settings):
    if name.startswith('"'):
        settings.SECURE_SESSION = ast.literal_eval(f"{{{name}}}")
        assert conf.get_config()
    elif name.startswith(command := "python -m django_secure_session "):
        assert get_commands()[name.removeprefix(command)] == "django_secure_session"
    elif name.startswith(("session[", "request.session")):
        assert hasattr(SessionStore, "__setitem__")
    else:
        check_expression(ast.parse(name, mode="eval").body)


def check_expression(node: ast.expr) -> None:
    if isinstance(node, ast.Name):
        assert found(node.id) is not None
    elif isinstance(node, ast.Call):
        name = node.func.id
        keywords = {keyword.arg: None for keyword in node.keywords}
        itself = [] if name in django_secure_session.__all__ else [None]
        inspect.signature(found(name)).bind_partial(*itself, *node.args, **keywords)
        if name == "options":
            assert keywords.keys() <= conf.ATTRIBUTES | {"max_age"}
    else:
        pytest.fail(f"nothing checks {ast.unparse(node)}")


def found(name: str) -> object:
    """Return what the name stands for; of a session's property the property itself."""
    if name in django_secure_session.__all__:
        return getattr(django_secure_session, name)
    if name == "modified":
        return SessionStore().modified
    return getattr(SessionStore, name)
