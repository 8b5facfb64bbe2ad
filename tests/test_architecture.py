"""The shape of the package that neither ruff nor import-linter checks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_secure_session

PACKAGE = Path(django_secure_session.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

MODULE_LINES = 250
FUNCTION_LINES = 40

each_module = pytest.mark.parametrize("module", MODULES, ids=str)


def tree_of(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text("utf-8"))


def imports_of(module: Path) -> Iterator[str]:
    """Yield the dotted name of everything imported, also inside functions."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers_of(name: str) -> set[str]:
    return {
        module.as_posix()
        for module in MODULES
        if any(f"{imported}.".startswith(f"{name}.") for imported in imports_of(module))
    }


def test_only_conf_reads_settings():
    importers = importers_of("django.conf")

    assert importers
    assert all(module.startswith("conf/") for module in importers)


def test_only_the_keyring_imports_pynacl():
    importers = importers_of("nacl")

    assert importers
    assert all(module.startswith("keyring/") for module in importers)


@pytest.mark.parametrize("name", ["random", "pickle", "marshal", "shelve"])
def test_no_module_imports_what_is_unsafe_near_keys_and_cookies(name):
    assert importers_of(name) == set()


@each_module
def test_imports_are_absolute(module):
    imports = [n for n in ast.walk(tree_of(module)) if isinstance(n, ast.ImportFrom)]

    assert [node.lineno for node in imports if node.level] == []


@each_module
def test_a_module_stays_short(module):
    lines = (PACKAGE / module).read_text("utf-8").splitlines()

    assert len(lines) <= MODULE_LINES


@each_module
def test_functions_stay_short(module):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree_of(module)) if isinstance(node, kinds)]
    lengths = [(f.end_lineno - f.lineno + 1, f.name) for f in functions]

    assert [each for each in lengths if each[0] > FUNCTION_LINES] == []


@each_module
def test_a_module_and_its_public_functions_and_classes_have_docstrings(module):
    tree = tree_of(module)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [
        node
        for node in tree.body
        if isinstance(node, kinds)
        and not node.name.startswith("_")
        and "overload" not in map(ast.unparse, node.decorator_list)
    ]

    assert ast.get_docstring(tree)
    assert [node.name for node in public if not ast.get_docstring(node)] == []
