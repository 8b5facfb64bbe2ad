from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from django_secure_session.__main__ import NAMES, main
from django_secure_session.keyring import generate_key, root_keys

KEY_LINE = re.compile(r"[A-Za-z0-9+/]{43}=\n")


def run_python(
    *arguments: str, folder: Path, site: str | None = None, **options
) -> subprocess.CompletedProcess:
    """Run Python in *folder*, whose modules it can import; *site* names settings."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "DJANGO_SETTINGS_MODULE"
    }
    if site is not None:
        environment["DJANGO_SETTINGS_MODULE"] = site
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *sys.path])
    if "stdout" not in options:
        options["stdout"] = subprocess.PIPE
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_genkey_runs_with_no_settings_at_all(tmp_path):
    result = run_python("-m", "django_secure_session", "genkey", folder=tmp_path)

    assert (result.returncode, result.stderr) == (0, "")
    assert KEY_LINE.fullmatch(result.stdout)


def test_genkey_writes_a_file_with_no_settings_at_all(tmp_path):
    arguments = ["genkey", "--format", "hex", "--output", "new.key"]

    result = run_python("-m", "django_secure_session", *arguments, folder=tmp_path)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert re.fullmatch(r"[0-9a-f]{64}\n", (tmp_path / "new.key").read_text())


def test_a_refusal_without_settings_is_one_line_and_no_traceback(tmp_path):
    (tmp_path / "old.key").write_text("old")
    arguments = ["genkey", "--output", "old.key"]

    result = run_python("-m", "django_secure_session", *arguments, folder=tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("CommandError: old.key exists;")
    assert result.stderr.count("\n") == 1


def test_rotatekey_runs_with_no_settings_at_all(tmp_path):
    path = tmp_path / "site.keys"
    path.write_text(f"{generate_key().hex()}\n")
    (old,) = root_keys(path, "KEY")

    for step in (["--stage"], ["--promote"], ["--retire", "--force"]):
        arguments = ["-m", "django_secure_session", "rotatekey", path.name, *step]
        result = run_python(*arguments, folder=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")

    (new,) = root_keys(path, "KEY")
    assert new.digest != old.digest


@pytest.mark.parametrize("source", [None, "raise RuntimeError", "SECRET_KEY = ''"])
@pytest.mark.parametrize(
    "arguments", [["genkey"], ["rotatekey", "site.keys", "--promote"]]
)
def test_a_site_that_does_not_boot_is_not_in_the_way(arguments, source, tmp_path):
    if source is not None:
        (tmp_path / "broken_site.py").write_text(source)
    staged = "# staged 2027-01-15T08:00:00Z"
    keys = [generate_key().hex(), generate_key().hex()]
    (tmp_path / "site.keys").write_text(f"{keys[0]}\n{staged}\n{keys[1]}\n")
    command = ["-m", "django_secure_session", *arguments]

    result = run_python(*command, folder=tmp_path, site="broken_site")

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_the_help_shows_how_to_call_it(name, tmp_path):
    arguments = ["-m", "django_secure_session", name, "--help"]

    result = run_python(*arguments, folder=tmp_path)

    assert result.returncode == 0
    assert f"usage: python -m django_secure_session {name}" in result.stdout


def test_without_a_command_the_usage_goes_to_stderr(tmp_path):
    result = run_python("-m", "django_secure_session", folder=tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert (
        result.stderr
        == "usage: python -m django_secure_session genkey | rotatekey [--help]\n"
    )


def test_genkey_prints_one_key(capsys):
    main(["django_secure_session", "genkey"])

    printed = capsys.readouterr()
    assert KEY_LINE.fullmatch(printed.out)
    assert printed.err == ""


@pytest.mark.parametrize(
    "arguments", [[], [""], ["check"], ["--help"], ["GENKEY"], ["inspectsession", "x"]]
)
def test_anything_else_prints_the_usage(arguments, capsys):
    with pytest.raises(SystemExit, match="usage: python -m django_secure_session"):
        main(["django_secure_session", *arguments])

    assert capsys.readouterr().out == ""
