from __future__ import annotations

import base64
import errno
import io
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from django_secure_session.conf import get_config
from django_secure_session.management.commands.genkey import Command
from tests.test_main import run_python

BASE64_LINE = re.compile(r"[A-Za-z0-9+/]{43}=\n")
HEX_LINE = re.compile(r"[0-9a-f]{64}\n")
FULL = Path("/dev/full")

SITE = """
SECRET_KEY = {secret_key!r}
INSTALLED_APPS = ["django_secure_session"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
{line}
"""

# Mounted where no other process sees it, and gone with this one.
TINY_DISK = """
mount -t tmpfs -o size=4k tmpfs "$1" && echo mounted || exit
cat /dev/zero > "$1/other" 2> /dev/null
"$2" -m django_secure_session genkey --output "$1/session.key"
echo "status $?"
ls -A "$1"
"""


def genkey(*arguments: str) -> str:
    """Return what the command prints."""
    stdout = io.StringIO()
    call_command("genkey", *arguments, stdout=stdout)
    return stdout.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.key"


# On standard output


def test_it_prints_one_key_and_nothing_else(capsys):
    call_command("genkey")

    printed = capsys.readouterr()
    assert BASE64_LINE.fullmatch(printed.out)
    assert printed.err == ""


def test_hex_is_64_digits():
    assert HEX_LINE.fullmatch(genkey("--format", "hex"))


def test_raw_is_32_bytes_and_no_line_end():
    stdout = io.TextIOWrapper(io.BytesIO())

    call_command("genkey", "--format", "raw", stdout=stdout)

    assert len(stdout.buffer.getvalue()) == 32


def test_each_key_is_another():
    assert len({genkey() for _ in range(20)}) == 20


@pytest.mark.parametrize("form", ["base64", "hex"])
def test_what_it_prints_is_accepted_as_key(form, settings):
    printed = genkey("--format", form)

    settings.SECURE_SESSION = {"KEY": printed}

    assert get_config()


@pytest.mark.parametrize(
    ("form", "expected"), [("base64", BASE64_LINE), ("hex", HEX_LINE)]
)
def test_env_prints_a_line_for_an_env_file(form, expected):
    name, _, key = genkey("--env", "SESSION_KEY", "--format", form).partition("=")

    assert name == "SESSION_KEY"
    assert expected.fullmatch(key)


def test_env_goes_with_text_only():
    with pytest.raises(CommandError, match="--env prints text; use it with base64"):
        genkey("--env", "SESSION_KEY", "--format", "raw")


def test_env_with_raw_writes_no_file(path):
    with pytest.raises(CommandError):
        genkey("--env", "SESSION_KEY", "--format", "raw", "--output", str(path))

    assert not path.exists()


def test_an_unknown_format_is_refused():
    with pytest.raises(CommandError, match="invalid choice"):
        genkey("--format", "pem")


# Into a file


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("base64", rb"[A-Za-z0-9+/]{43}=\n"),
        ("hex", rb"[0-9a-f]{64}\n"),
        ("raw", rb"(?s).{32}"),
    ],
)
def test_a_key_file_is_accepted_as_key(form, expected, path, settings):
    printed = genkey("--format", form, "--output", str(path))

    settings.SECURE_SESSION = {"KEY": path}

    assert printed == ""
    assert re.fullmatch(expected, path.read_bytes())
    assert get_config()


def test_a_file_may_hold_a_line_for_an_env_file(path):
    genkey("--env", "SESSION_KEY", "--output", str(path))

    assert re.fullmatch(r"SESSION_KEY=[A-Za-z0-9+/]{43}=\n", path.read_text())


def test_python_code_may_name_the_file_as_a_text_or_as_a_path(tmp_path):
    call_command("genkey", output=str(tmp_path / "one.key"))
    call_command("genkey", output=tmp_path / "other.key")

    assert len(list(tmp_path.iterdir())) == 2


def test_only_the_owner_can_read_the_file(path):
    before = os.umask(0)
    try:
        genkey("--output", str(path))
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "symlink", "dangling symlink", "directory"])
def test_whatever_has_the_name_already_stays_as_it_is(kind, path):
    target = path.with_name("target")
    if kind == "file":
        path.write_text("old")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(target)
    if kind == "symlink":
        target.write_text("old")
    before = {each: each.lstat() for each in path.parent.iterdir()}

    with pytest.raises(CommandError, match="exists; a key is never overwritten"):
        genkey("--output", str(path))

    assert {each: each.lstat() for each in path.parent.iterdir()} == before


@pytest.mark.parametrize("output", ["", ".", "/", ".."])
def test_a_name_that_is_no_file_name_is_refused(output, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")

    with pytest.raises(CommandError):
        genkey("--output", output)

    assert list(Path().iterdir()) == []


def test_a_missing_directory_is_refused(path):
    with pytest.raises(CommandError, match=r"not written to .*No such file"):
        genkey("--output", str(path / "session.key"))


# Where writing fails


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_no_file(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)

    with pytest.raises(CommandError, match=f"to {path}: No space left on device"):
        genkey("--output", str(path))

    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("method", ["write", "flush"])
def test_a_full_disk_behind_standard_output_is_refused(method, monkeypatch):
    command = Command(stdout=io.StringIO())
    monkeypatch.setattr(OutputWrapper, method, no_space)

    with pytest.raises(CommandError, match="to stdout: No space left on device"):
        call_command(command)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["base64", "hex", "raw"])
def test_a_process_that_writes_to_a_full_disk_ends_with_an_error(form, tmp_path):
    arguments = ["-m", "django_secure_session", "genkey", "--format", form]

    with FULL.open("w") as stdout:
        result = run_python(*arguments, folder=tmp_path, stdout=stdout)

    assert result.returncode != 0
    assert result.stderr.startswith("CommandError: The key was not written to stdout")
    assert not re.search(r"[A-Za-z0-9+/]{43}", result.stderr)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_device_is_never_replaced_by_a_file(tmp_path):
    arguments = ["-m", "django_secure_session", "genkey", "--output", str(FULL)]

    result = run_python(*arguments, folder=tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert FULL.is_char_device()


def test_a_full_file_system_keeps_no_trace_of_the_key(tmp_path):
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare, which mounts a tiny file system, is not there")
    shell = ["sh", "-c", TINY_DISK, "sh"]
    as_root = [] if os.getuid() == 0 else ["--map-root-user"]
    result = subprocess.run(
        [unshare, *as_root, "--mount", *shell, str(tmp_path), sys.executable],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if not result.stdout.startswith("mounted\n"):
        pytest.skip(f"mounting a file system is not permitted: {result.stderr}")

    assert result.stdout == "mounted\nstatus 1\nother\n"
    assert "No space left on device" in result.stderr


# On a site with no key, or a wrong one


@pytest.mark.parametrize(
    "line",
    [
        'SECURE_SESSION = {"KEY": ""}',
        'SECURE_SESSION = {"KEY": None}',
        'SECURE_SESSION = {"KEY": "changeme"}',
        'SECURE_SESSION = {"KEY": "", "KEY_FALLBACKS": "", "ZZZ": 1}',
        'from pathlib import Path; SECURE_SESSION = {"KEY": Path("missing.key")}',
        'SECURE_SESSION = ""',
        "",
    ],
)
def test_it_runs_on_a_site_with_no_key_or_a_wrong_one(line, tmp_path):
    source = SITE.format(secret_key=secrets.token_urlsafe(50), line=line)
    (tmp_path / "site_settings.py").write_text(source)
    arguments = ["-m", "django", "genkey", "--settings=site_settings"]

    result = run_python(*arguments, folder=tmp_path)

    assert (result.returncode, result.stderr) == (0, "")
    assert BASE64_LINE.fullmatch(result.stdout)
    assert len(base64.b64decode(result.stdout)) == 32


def test_it_runs_while_the_settings_are_wrong(settings):
    settings.SECURE_SESSION = {"KEY": ""}

    assert BASE64_LINE.fullmatch(genkey("--force-color"))


@pytest.mark.parametrize("name", ["", "1KEY", "MY-KEY", "KEY=x", "KEY\nOTHER", "Ä"])
def test_a_name_that_no_shell_takes_is_refused(name):
    with pytest.raises(CommandError, match="no name for an environment variable"):
        call_command("genkey", env=name)
