from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import django_secure_session
from tests.test_main import run_python

SETTINGS = """
from django_secure_session import DERIVED, Passphrase

SECRET_KEY = "x"
INSTALLED_APPS = ["django_secure_session"]
SECURE_SESSION = {
    "KEY": Passphrase("a passphrase of more than 32 bytes", salt="sixteen letters!"),
    "KEY_FALLBACKS": [DERIVED],
}
"""


@pytest.mark.parametrize("name", django_secure_session.__all__)
def test_each_public_name_can_be_imported(name):
    value = getattr(django_secure_session, name)

    assert getattr(value, "__name__", name) == name
    assert name in dir(django_secure_session)


def test_the_list_of_public_names_is_sorted_and_has_no_name_twice():
    names = django_secure_session.__all__

    assert names == sorted(set(names))


def test_a_star_import_brings_the_public_names_and_nothing_else():
    namespace: dict[str, object] = {}

    exec("from django_secure_session import *", namespace)

    assert sorted(namespace.keys() - {"__builtins__"}) == django_secure_session.__all__


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(django_secure_session.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = [name.asname for node in block.body for name in node.names]

    assert sorted(seen) == django_secure_session.__all__


@pytest.mark.parametrize("name", ["Sesion", "_nothing", "importlib2", "Codec"])
def test_an_unknown_name_is_an_attribute_error_that_names_it(name):
    message = f"module 'django_secure_session' has no attribute '{name}'"

    with pytest.raises(AttributeError, match=re.escape(message)):
        getattr(django_secure_session, name)


def test_an_unknown_name_cannot_be_imported():
    with pytest.raises(ImportError, match="cannot import name 'Sesion'"):
        exec("from django_secure_session import Sesion")


def test_the_version_has_three_numbers():
    assert re.fullmatch(r"\d+\.\d+\.\d+", django_secure_session.__version__)


def test_importing_the_package_imports_neither_pynacl_nor_django(tmp_path):
    code = (
        "import sys, django_secure_session\n"
        "print([m for m in sys.modules if m.split('.')[0] in {'nacl', 'django'}])"
    )

    result = run_python("-c", code, folder=tmp_path)

    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_settings_can_name_a_passphrase_before_they_are_configured(tmp_path):
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    code = (
        "import sys, site_settings\n"
        "from django.conf import settings\n"
        "print(settings.configured, site_settings.SECURE_SESSION)\n"
        "print([m for m in sys.modules if m.startswith('django.contrib')])"
    )

    result = run_python("-c", code, folder=tmp_path)

    assert result.stderr == ""
    assert result.stdout == (
        "False {'KEY': Passphrase(), 'KEY_FALLBACKS': [DERIVED]}\n[]\n"
    )


def test_a_site_with_such_settings_is_set_up(tmp_path):
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    code = (
        "import django, os\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\n"
        "django.setup()\n"
        "print(django.apps.apps.get_app_config('secure_session').verbose_name)"
    )

    result = run_python("-c", code, folder=tmp_path)

    assert (result.stdout, result.stderr) == ("Secure session\n", "")
