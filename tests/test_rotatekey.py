from __future__ import annotations

import errno
import io
import itertools
import os
import secrets
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from django_secure_session import create_session, decode_session
from django_secure_session.keyring import generate_key, root_keys
from django_secure_session.keyring.forms import KEY_FILE_BYTES
from django_secure_session.management import rotation
from tests.test_keyring_forms import leaks
from tests.test_main import run_python

STAGED = "# staged 2027-01-15T08:00:00Z"  # the clock's first second
REPLACED = "# replaced 2027-01-15T08:00:00Z"
MONTH = timedelta(days=30)  # the default of ABSOLUTE_TIMEOUT

SITE = """
SECRET_KEY = {secret_key!r}
INSTALLED_APPS = ["django_secure_session"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
{line}
"""

# Mounted where no other process sees it, and gone with this one.
TINY_DISK = """
mount -t tmpfs -o size=4k tmpfs "$1" && cp "$2" "$1/session.keys" || exit
echo mounted
"$3" -m django_secure_session rotatekey "$1/session.keys" --stage
echo "status $?"
ls -A "$1"
cmp "$2" "$1/session.keys" && echo same
"""

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a key file as genkey makes it."""
    path = tmp_path / "session.keys"
    call_command("genkey", "--output", path)
    return path


@pytest.fixture
def site(settings, path) -> Path:
    """Let the site have its key in the file."""
    settings.SECURE_SESSION = {"KEY": path}
    return path


def rotate(path: Path, *arguments: str) -> str:
    """Do steps of a rotation, and return what the last one says."""
    for argument in arguments:
        stdout = io.StringIO()
        call_command("rotatekey", path, *argument.split(), stdout=stdout)
    return stdout.getvalue()


def refusal(path: Path, argument: str) -> str:
    """Return the text that refuses a step, which changes nothing."""
    before = files_in(path.parent)
    with pytest.raises(CommandError) as caught:
        rotate(path, argument)
    assert files_in(path.parent) == before
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    return str(caught.value)


def files_in(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def keys_in(path: Path) -> list[bytes]:
    """Return the keys as a site reads them, the one that seals first."""
    return [root.secret for root in root_keys(path, "KEY")]


def lines_of(path: Path) -> list[str]:
    """Return the file's lines, with the number of a key in the place of each key."""
    text, numbers = path.read_text("utf-8"), iter(range(9))
    assert text.endswith("\n")
    return [
        line if line.strip()[:1] in {"", "#"} else f"key {next(numbers)}"
        for line in text.splitlines()
    ]


# The three steps


def test_a_staged_key_is_the_last_and_only_decrypts(path):
    old = keys_in(path)

    rotate(path, "--stage")

    assert lines_of(path) == ["key 0", STAGED, "key 1"]
    assert keys_in(path)[:-1] == old
    assert keys_in(path)[-1] != old[0]


def test_a_promoted_key_is_the_first_and_the_old_one_follows(path):
    rotate(path, "--stage")
    old, new = keys_in(path)

    rotate(path, "--promote")

    assert keys_in(path) == [new, old]
    assert lines_of(path) == ["key 0", REPLACED, "key 1"]


def test_a_retired_key_is_gone_and_so_is_its_comment(site, clock):
    rotate(site, "--stage", "--promote")
    new, _ = keys_in(site)
    clock.tick(days=30)

    rotate(site, "--retire")

    assert keys_in(site) == [new]
    assert lines_of(site) == ["key 0"]


@pytest.mark.parametrize("form", ["base64", "hex", "raw"])
def test_a_file_of_any_form_goes_through_all_steps(form, tmp_path):
    path = tmp_path / "other.keys"
    call_command("genkey", "--format", form, "--output", path)
    (old,) = keys_in(path)

    rotate(path, "--stage")
    new = keys_in(path)[1]
    assert keys_in(path) == [old, new]
    rotate(path, "--promote")
    assert keys_in(path) == [new, old]
    rotate(path, "--retire --force")
    assert keys_in(path) == [new]


def test_a_raw_file_becomes_text_and_that_is_said(tmp_path):
    path = tmp_path / "raw.key"
    path.write_bytes(generate_key())

    assert "was 32 raw bytes and is text now" in rotate(path, "--stage")
    assert lines_of(path) == ["key 0", STAGED, "key 1"]


def test_a_text_file_stays_text_and_nothing_is_said_of_it(path):
    assert "raw" not in rotate(path, "--stage")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_ends_are_understood(newline, path):
    old = [generate_key(), generate_key()]
    path.write_bytes(newline.join([old[0].hex(), "", old[1].hex()]).encode())

    rotate(path, "--stage")
    new = keys_in(path)[-1]
    rotate(path, "--promote")

    assert keys_in(path) == [new, *old]


def test_other_comments_and_blank_lines_stay(site, clock):
    site.write_text(f"# Schlüssel\n\n  # site\n{site.read_text()}\n# end\n", "utf-8")

    rotate(site, "--stage")
    staged = lines_of(site)
    rotate(site, "--promote")
    promoted = lines_of(site)
    clock.tick(days=30)
    rotate(site, "--retire")

    top = ["# Schlüssel", "", "  # site", "key 0"]
    assert staged == [*top, "", "# end", STAGED, "key 1"]
    assert promoted == [*top, REPLACED, "key 1", "", "# end"]
    assert lines_of(site) == [*top, "", "# end"]


def test_what_follows_a_staged_key_stays_at_the_end(path):
    rotate(path, "--stage")
    path.write_text(f"{path.read_text()}\n# end\n")

    rotate(path, "--promote")

    assert lines_of(path) == ["key 0", REPLACED, "key 1", "", "# end"]


def test_rotating_again_keeps_the_fallbacks_newest_first(path, clock):
    first = keys_in(path)
    for _ in range(3):
        rotate(path, "--stage")
        expected = [keys_in(path)[-1], *keys_in(path)[:-1]]
        clock.tick(days=1)
        rotate(path, "--promote")
        assert keys_in(path) == expected

    assert keys_in(path)[-1:] == first
    assert [line for line in lines_of(path) if line[0] == "#"] == [
        "# replaced 2027-01-18T08:00:00Z",
        "# replaced 2027-01-17T08:00:00Z",
        "# replaced 2027-01-16T08:00:00Z",
    ]


def test_a_key_can_be_retired_while_the_next_is_staged(site, clock):
    rotate(site, "--stage", "--promote", "--stage")
    current, _, staged = keys_in(site)
    clock.tick(days=30)

    rotate(site, "--retire")

    assert keys_in(site) == [current, staged]
    assert lines_of(site) == ["key 0", STAGED, "key 1"]


def test_code_may_call_the_steps(path):
    call_command("rotatekey", str(path), stage=True, stdout=io.StringIO())

    assert len(keys_in(path)) == 2


# Not its turn


@pytest.mark.parametrize(
    ("steps", "wrong", "text"),
    [
        ([], "--promote", "No key is staged: "),
        ([], "--retire", "no old key to retire. The next step is --stage."),
        ([], "--retire --force", "no old key to retire. The next step is --stage."),
        (["--stage"], "--stage", "Line 3 is staged already. When all hosts have it"),
        (["--stage"], "--retire", "no old key to retire. The next step is --promote."),
        (["--stage"], "--retire --force", "no old key to retire. The next step"),
        (["--stage", "--promote"], "--promote", "rotation begins with --stage"),
        (["--stage", "--promote"], "--retire", "until 2027-02-14 08:00:00 UTC. Wait"),
        (["--stage", "--promote", "--stage"], "--stage", "Line 5 is staged already"),
    ],
)
def test_a_step_that_is_not_next_is_refused(steps, wrong, text, site):
    rotate(site, "--stage", "--promote", "--retire --force", *steps)

    found = refusal(site, wrong)

    assert found.startswith("Nothing was changed. ")
    assert text in found


@pytest.mark.parametrize(
    "arguments",
    [[], ["--stage", "--promote"], ["--promote", "--retire"], ["--stage", "--retire"]],
)
def test_there_is_exactly_one_step(arguments, path):
    before = path.read_bytes()

    with pytest.raises(CommandError, match=r"one of the arguments|not allowed with"):
        call_command("rotatekey", path, *arguments)

    assert path.read_bytes() == before


@pytest.mark.parametrize("step", ["--stage", "--promote"])
def test_force_is_for_retiring(step, path):
    before = path.read_bytes()

    with pytest.raises(CommandError, match="--force goes with --retire only"):
        rotate(path, f"{step} --force")

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("comments", "text"),
    [
        ([STAGED, "", ""], "line 2 is the first key, which seals, and can't be staged"),
        ([REPLACED, "", ""], "line 2 is the first key, which seals, and can't be repl"),
        (["", STAGED, ""], "line 4 is staged and not the last key. Remove the comment"),
    ],
)
@pytest.mark.parametrize("step", ["--stage", "--promote", "--retire --force"])
def test_comments_that_contradict_the_order_are_refused(comments, text, step, path):
    lines = [f"{comment}\n{generate_key().hex()}" for comment in comments]
    path.write_text("\n".join(lines))

    assert text in refusal(path, step)


@pytest.mark.parametrize(
    "comment",
    [
        "# staged",
        "# staged soon",
        "# staged 2027-13-01T08:00:00Z",
        "# staged 2027-01-15T08:00:00",
        "# staged 2027-01-15T08:00:00Z by me",
        "# Staged 2027-01-15T08:00:00Z",
        "#staged 2027-01-15T08:00:00Z",
        "# staged \u0661",
        f"{STAGED}\n",
        f"{STAGED}\n# mine",
    ],
)
def test_any_other_comment_stages_nothing(comment, path):
    path.write_text(f"{path.read_text()}{comment}\n{generate_key().hex()}", "utf-8")

    assert "No key is staged" in refusal(path, "--promote")


def test_a_comment_below_the_last_key_says_nothing_of_any_key(path):
    path.write_text(f"{path.read_text()}{STAGED}\n")

    assert "No key is staged" in refusal(path, "--promote")
    rotate(path, "--stage", "--promote")

    assert lines_of(path) == ["key 0", REPLACED, "key 1", STAGED]


@pytest.mark.parametrize(
    "comment",
    [STAGED, f" {STAGED} ", STAGED.replace("Z", "+02:00"), f"# replaced\n{STAGED}"],
)
def test_a_comment_right_above_the_last_key_stages_it(comment, path):
    (old,), new = keys_in(path), generate_key()
    path.write_text(f"{path.read_text()}{comment}\n{new.hex()}")

    rotate(path, "--promote")

    assert keys_in(path) == [new, old]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "The file in {} is empty"),
        (b"# staged\n", "The file in {} is empty or has no key"),
        (b"\xff" * 33, "bytes that are not text"),
        (bytes(32), "{} repeats itself"),
        (b"my password\n", "{} has characters that neither base64 nor hex has"),
        (f"KEY={bytes(range(32)).hex()}".encode(), 'holds a "=" in the middle'),
        (bytes(range(32)).hex().encode(), "{} is a published sample key"),
        (b"#" * (KEY_FILE_BYTES + 1), "larger than 65536 bytes"),
    ],
)
def test_a_file_that_no_site_could_read_is_refused(content, text, path):
    path.write_bytes(content)

    assert text.format(path) in refusal(path, "--stage")


def test_a_file_with_one_key_twice_is_refused(path):
    path.write_text(path.read_text() * 2)

    assert f"{path} line 2 is the same key as {path} line 1" in refusal(path, "--stage")


def test_a_file_that_would_become_too_large_is_refused(path):
    comment = "#" * (KEY_FILE_BYTES - path.stat().st_size - 50)
    path.write_text(f"{path.read_text()}{comment}\n")

    assert "more than 65536 bytes" in refusal(path, "--stage")


@pytest.mark.parametrize("name", ["missing", "missing/session.keys", "", ".", "/"])
def test_what_is_no_file_is_refused(name, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    before = files_in(path.parent)

    with pytest.raises(CommandError, match=r"is not a file\. .* genkey --output FILE$"):
        call_command("rotatekey", name, "--stage")

    assert files_in(path.parent) == before


@pytest.mark.parametrize("kind", ["mkfifo", "symlink"])
def test_a_pipe_or_a_dangling_symlink_is_refused(kind, path):
    other = path.with_name("other")
    getattr(os, kind)(*(["nowhere"] if kind == "symlink" else []), other)

    with pytest.raises(CommandError, match="is not a file"):
        rotate(other, "--stage")

    assert sorted(path.parent.iterdir()) == sorted([path, other])


# When an old key is needed no more


@pytest.mark.parametrize(
    ("options", "life"),
    [
        ({}, MONTH),
        ({"ABSOLUTE_TIMEOUT": timedelta(days=3)}, timedelta(days=3)),
        ({"ABSOLUTE_TIMEOUT": timedelta(days=90)}, timedelta(days=90)),
        ({"ABSOLUTE_TIMEOUT": None}, timedelta(days=14)),
        (
            {"ABSOLUTE_TIMEOUT": None, "IDLE_TIMEOUT": timedelta(days=20)},
            timedelta(days=20),
        ),
        (
            {"SESSIONS": {"prefs": {"COOKIE_AGE": 10**7, "ABSOLUTE_TIMEOUT": None}}},
            timedelta(seconds=10**7),
        ),
        (
            {"SESSIONS": {"prefs": {"ABSOLUTE_TIMEOUT": 60}}},
            MONTH,
        ),
    ],
)
def test_an_old_key_is_kept_as_long_as_a_session_may_live(
    options, life, path, settings, clock
):
    settings.SECURE_SESSION = {"KEY": path, **options}
    rotate(path, "--stage")
    clock.tick(days=1)

    told = rotate(path, "--promote")
    end = clock.datetime() + life
    clock.tick(life.total_seconds() - 1)
    refused = refusal(path, "--retire")
    clock.tick(1)
    rotate(path, "--retire")

    assert f"until {end:%Y-%m-%d %H:%M:%S} UTC" in told
    assert f"until {end:%Y-%m-%d %H:%M:%S} UTC. Wait, or end those" in refused
    assert len(keys_in(path)) == 1


def test_sessions_with_other_keys_do_not_count(path, settings, clock):
    prefs = {"KEY": generate_key(), "COOKIE_AGE": 10**8, "ABSOLUTE_TIMEOUT": None}
    settings.SECURE_SESSION = {"KEY": path, "SESSIONS": {"prefs": prefs}}
    rotate(path, "--stage", "--promote")
    clock.tick(days=30)

    rotate(path, "--retire")

    assert len(keys_in(path)) == 1


def test_a_file_of_one_named_session_has_the_life_of_that(path, settings, clock):
    admin = {"KEY": path, "ABSOLUTE_TIMEOUT": 3600}
    settings.SECURE_SESSION = {"KEY": generate_key(), "SESSIONS": {"admin": admin}}
    rotate(path, "--stage", "--promote")
    clock.tick(hours=1)

    rotate(path, "--retire")

    assert len(keys_in(path)) == 1


def test_a_life_longer_than_the_calendar_is_no_error(path, settings):
    settings.SECURE_SESSION = {"KEY": path, "ABSOLUTE_TIMEOUT": 10**15}

    assert "until 2127-" in rotate(path, "--stage", "--promote")
    assert "until 2127-" in refusal(path, "--retire")


@pytest.mark.parametrize(
    "options",
    [{"KEY": ""}, {"KEY": "wrong"}, {"KEY": generate_key()}],
    ids=["no key", "wrong key", "other key"],
)
def test_without_the_settings_of_the_keys_only_force_retires(
    options, path, settings, clock
):
    settings.SECURE_SESSION = options

    told = rotate(path, "--stage", "--promote")
    clock.tick(days=9999)
    refused = refusal(path, "--retire")
    rotate(path, "--retire --force")

    assert "as long as they may live, counted from the last restart" in told
    assert "A key was replaced on 2027-01-15 08:00:00 UTC." in refused
    assert refused.endswith("If that time is over, add --force.")
    assert len(keys_in(path)) == 1


def test_force_removes_all_old_keys_but_not_the_staged_one(site):
    rotate(site, "--stage", "--promote", "--stage", "--promote", "--stage")
    current, _, _, staged = keys_in(site)

    told = rotate(site, "--retire --force")

    assert keys_in(site) == [current, staged]
    assert f"Old keys removed from {site}: 2.\n" in told


def test_only_the_keys_whose_time_is_over_are_removed(site, settings, clock):
    for _ in range(3):
        clock.tick(days=10)
        rotate(site, "--stage", "--promote")
    before = keys_in(site)
    settings.SECURE_SESSION = {"KEY": site}  # reads the file again
    clock.tick(days=20)

    told = rotate(site, "--retire")

    assert keys_in(site) == before[:2]
    assert f"Old keys removed from {site}: 2. Kept, as sessions may need" in told
    assert "them: 1." in told
    assert "until 2027-03-16 08:00:00 UTC" in refusal(site, "--retire")


def test_of_several_old_keys_the_first_that_may_go_is_told(site, clock):
    rotate(site, "--stage", "--promote")
    clock.tick(days=10)
    rotate(site, "--stage", "--promote")

    assert "until 2027-02-14 08:00:00 UTC" in refusal(site, "--retire")


def test_a_fallback_of_unknown_age_is_removed_by_force_only(site):
    site.write_text(f"{site.read_text()}{generate_key().hex()}\n")
    current, _ = keys_in(site)

    assert "does not say when its old keys were replaced" in refusal(site, "--retire")
    rotate(site, "--retire --force")

    assert keys_in(site) == [current]


def test_a_fallback_without_a_comment_is_older_than_the_one_above(site, clock):
    site.write_text(f"{site.read_text()}{generate_key().hex()}\n# mine\n")
    rotate(site, "--stage", "--promote")
    assert lines_of(site) == ["key 0", REPLACED, "key 1", "key 2", "# mine"]
    clock.tick(MONTH.total_seconds() - 1)
    refused = refusal(site, "--retire")
    clock.tick(1)

    rotate(site, "--retire")

    assert "until 2027-02-14 08:00:00 UTC" in refused
    assert lines_of(site) == ["key 0", "# mine"]


def test_a_fallback_of_unknown_age_above_a_dated_one_stays(site, clock):
    unknown, dated = generate_key().hex(), generate_key().hex()
    site.write_text(f"{site.read_text()}{unknown}\n{REPLACED}\n{dated}\n")
    expected = keys_in(site)[:2]
    clock.tick(days=30)

    rotate(site, "--retire")

    assert keys_in(site) == expected


def test_a_time_of_another_zone_is_understood(site, clock):
    rotate(site, "--stage", "--promote")
    site.write_text(site.read_text().replace("08:00:00Z", "10:00:00+02:00"))

    assert "until 2027-02-14 08:00:00 UTC" in refusal(site, "--retire")


# Hosts


def test_the_hosts_read_each_others_cookies_at_every_step(site, settings, clock):
    """Between two steps some hosts have the old file and some the new one."""
    files = [site.with_name("genkey")]
    shutil.copy(site, files[0])
    for step in ("--stage", "--promote", "--retire"):
        rotate(site, step)
        files.append(site.with_name(step))
        shutil.copy(site, files[-1])
        clock.tick(days=31)

    for one, other in itertools.pairwise(files):
        for sealing, opening in ((one, other), (other, one)):
            settings.SECURE_SESSION = {"KEY": sealing}
            token = create_session({"a": 1}).session_key
            settings.SECURE_SESSION = {"KEY": opening}
            assert decode_session(token).data() == {"a": 1}


def test_without_staging_a_host_would_refuse_cookies(site, settings):
    behind = site.with_name("behind")
    shutil.copy(site, behind)
    rotate(site, "--stage", "--promote")

    settings.SECURE_SESSION = {"KEY": site}
    token = create_session({"a": 1}).session_key
    settings.SECURE_SESSION = {"KEY": behind}

    assert decode_session(token) is None


def test_nobody_is_logged_out_by_a_whole_rotation(client, site, settings, clock):
    """Somebody comes by every day, now at the host that is ahead, now at the other."""
    settings.SECURE_SESSION = options = {"KEY": site, "ABSOLUTE_TIMEOUT": None}
    client.cookies["sessionid"] = create_session({"a": 1}).session_key
    behind = site.with_name("behind")
    for step in ("--stage", "--promote", "--retire"):
        if step == "--retire":
            clock.tick(days=14 - 8)
        shutil.copy(site, behind)
        rotate(site, step)
        for day in range(8):
            settings.SECURE_SESSION = options | {"KEY": (behind, site)[day % 2]}
            assert client.get("/read/").json() == {"a": 1}
            client.get('/write/?data={"a": 1}')
            clock.tick(days=1)
        settings.SECURE_SESSION = options

    assert len(keys_in(site)) == 1


@pytest.mark.parametrize(("seconds", "alive"), [(-1, True), (0, False)])
def test_a_session_whose_key_may_go_has_ended_anyway(
    seconds, alive, site, settings, clock
):
    rotate(site, "--stage")
    token = create_session({"a": 1})
    token.set_expiry(10**8)
    token.save()
    rotate(site, "--promote")
    clock.tick(MONTH.total_seconds() + seconds)

    assert (decode_session(token.session_key) is not None) == alive
    if alive:
        refusal(site, "--retire")
    else:
        rotate(site, "--retire")


# Files


def test_the_mode_stays(path):
    path.chmod(0o640)

    rotate(path, "--stage")

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_mounted_secret_stays_a_link(path):
    """Kubernetes mounts files behind two links and changes the second of them."""
    folder = path.with_name("..2027")
    folder.mkdir()
    path.rename(folder / path.name)
    path.with_name("..data").symlink_to("..2027")
    path.symlink_to(Path("..data", path.name))

    rotate(path, "--stage")

    assert path.readlink() == Path("..data", path.name)
    assert len(keys_in(folder / path.name)) == 2
    assert [each.name for each in folder.iterdir()] == [path.name]
    assert len(list(path.parent.iterdir())) == 3


def test_a_relative_name_is_a_file_in_the_current_directory(path, monkeypatch):
    monkeypatch.chdir(path.parent)

    assert rotate(Path(path.name), "--stage").startswith(f"{path.name} has a new key")
    assert len(keys_in(path)) == 2


@pytest.mark.parametrize("step", ["--stage", "--promote", "--retire --force"])
@pytest.mark.parametrize(
    ("module", "function"),
    [(os, "fsync"), (os, "open"), (shutil, "copystat"), (Path, "replace")],
    ids=lambda each: getattr(each, "__name__", each),
)
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ": No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), ": Read-only file system."),
        (PermissionError(errno.EPERM, "Not permitted"), ": run this as its owner"),
    ],
    ids=["full", "read-only", "permission"],
)
def test_where_writing_fails_the_file_stays_as_it_was(
    step, module, function, error, text, path, monkeypatch
):
    path.write_text(
        f"{path.read_text()}{REPLACED}\n{generate_key().hex()}\n"
        + f"{STAGED}\n{generate_key().hex()}\n" * (step != "--stage")
    )

    def fail(*args, **kwargs):
        raise error

    before = files_in(path.parent)
    with monkeypatch.context() as patch:
        patch.setattr(module, function, fail)
        with pytest.raises(CommandError) as caught:
            rotate(path, step)

    assert files_in(path.parent) == before
    assert f"{path} was not changed{text}" in str(caught.value)


def test_a_full_file_system_leaves_the_file_and_no_other(tmp_path, path):
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare, which mounts a tiny file system, is not there")
    (tmp_path / "disk").mkdir()
    shell = ["sh", "-c", TINY_DISK, "sh", str(tmp_path / "disk"), str(path)]
    as_root = [] if os.getuid() == 0 else ["--map-root-user"]
    result = subprocess.run(
        [unshare, *as_root, "--mount", *shell, sys.executable],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if not result.stdout.startswith("mounted\n"):
        pytest.skip(f"mounting a file system is not permitted: {result.stderr}")

    assert result.stdout == "mounted\nstatus 1\nsession.keys\nsame\n"
    assert "session.keys was not changed: No space left on device." in result.stderr


# Two at once


def test_of_two_at_once_one_is_refused(path, monkeypatch):
    fsync = os.fsync
    refused: list[str] = []

    def overtaken(descriptor):
        monkeypatch.setattr(os, "fsync", fsync)
        refused.append(refusal(path, "--stage"))

    monkeypatch.setattr(os, "fsync", overtaken)

    rotate(path, "--stage")

    (text,) = refused
    assert "Nothing was changed. " in text
    assert "another process is changing the file" in text
    assert len(keys_in(path)) == 2


def test_what_another_has_just_staged_is_not_lost(path, monkeypatch):
    def overtaken(content, name):
        monkeypatch.setattr(rotation, "read", read)
        rotate(path, "--stage")
        return read(content, name)

    read = rotation.read
    monkeypatch.setattr(rotation, "read", overtaken)

    with pytest.raises(CommandError, match="The file has changed at this moment"):
        rotate(path, "--stage")

    assert lines_of(path) == ["key 0", STAGED, "key 1"]


def test_of_many_processes_at_once_exactly_one_stages(path):
    arguments = ["-m", "django_secure_session", "rotatekey", path.name, "--stage"]

    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(run_python, *arguments, folder=path.parent) for _ in range(4)
        ]
        results = [run.result() for run in runs]

    assert sorted(result.returncode for result in results) == [0, 1, 1, 1]
    assert len(keys_in(path)) == 2
    assert list(path.parent.iterdir()) == [path]


def test_the_lock_is_the_same_whatever_the_file_is_called(path):
    link = path.with_name("link")
    link.symlink_to(path)
    path.with_name(f".{path.name}.lock").touch()

    for name in (path, link):
        assert "another process is changing the file" in refusal(name, "--stage")


# Nothing shows a key


def test_no_step_shows_a_key(site, capsys):
    told, shown = [], set()
    for step in ("--stage", "--promote", "--stage", "--retire --force", "--promote"):
        told.append(rotate(site, step))
        shown |= set(keys_in(site))
        told += [refusal(site, wrong) for wrong in (step, "--retire")]

    assert len(shown) == 3
    assert leaks([*told, *capsys.readouterr()], *shown) == set()


def test_a_file_is_shown_without_its_keys(path):
    (key,) = keys_in(path)

    file = rotation.read(path.read_bytes(), "FILE")

    assert leaks([repr(file)], key, path.read_text().strip()) == set()


@pytest.mark.parametrize("folder", ["", "no/such/"])
def test_a_key_in_the_place_of_the_file_is_not_shown(folder):
    key = secrets.token_hex(32)

    with pytest.raises(CommandError) as caught:
        call_command("rotatekey", f"{folder}{key}", "--stage")

    assert leaks([str(caught.value)], key) == set()


# On a site with no key, or a wrong one


@pytest.mark.parametrize(
    "line",
    [
        'SECURE_SESSION = {"KEY": ""}',
        'SECURE_SESSION = {"KEY": "", "KEY_FALLBACKS": "", "ZZZ": 1}',
        'from pathlib import Path; SECURE_SESSION = {"KEY": Path("missing.key")}',
        "",
    ],
)
def test_it_runs_on_a_site_with_no_key_or_a_wrong_one(line, path):
    source = SITE.format(secret_key=secrets.token_urlsafe(50), line=line)
    (path.parent / "site_settings.py").write_text(source)

    for step in ("--stage", "--promote"):
        arguments = ["rotatekey", str(path), step, "--settings=site_settings"]
        result = run_python("-m", "django", *arguments, folder=path.parent)
        assert (result.returncode, result.stderr) == (0, "")

    assert len(keys_in(path)) == 2
