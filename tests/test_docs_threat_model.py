"""The table of requirements is whole, and each test that it names exists."""

from __future__ import annotations

import ast
import re

import pytest

from tests.pages import PAGES, ROOT, read

PAGE = PAGES["docs/explanation/threat-model.md"]
REQUIREMENTS = {
    **{"7.1": 3, "7.2": 4, "7.3": 2},
    **{"7.4": 5, "7.5": 3, "7.6": 2},
}  # of ASVS 5.0
ROWS = re.findall(r"^\| (7\.\d\.\d) \| (\d) \| (.+) \|$", PAGE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_every_requirement_of_the_chapter_has_a_row():
    wanted = [
        f"{s}.{n}" for s, last in REQUIREMENTS.items() for n in range(1, last + 1)
    ]

    assert [number for number, _, _ in ROWS] == wanted


def test_a_row_has_a_level_and_all_its_cells():
    for number, level, rest in ROWS:
        assert level in {"1", "2", "3"}
        assert rest.count("|") == 3, number


@pytest.mark.parametrize("path", sorted({name.partition("::")[0] for name in NAMED}))
def test_each_test_that_the_page_names_exists(path):
    nodes = ast.walk(ast.parse(read(ROOT / path)))
    tests = {node.name for node in nodes if isinstance(node, FUNCTIONS)}
    named = {name.partition("::")[2] for name in NAMED if name.startswith(f"{path}::")}

    assert named
    assert named <= tests


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_tests_are_named_with_their_files():
    assert len(NAMED) >= 20
    assert all(re.fullmatch(r"tests/[\w/]+\.py::test_\w+", name) for name in NAMED)
