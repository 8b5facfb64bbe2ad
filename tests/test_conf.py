from __future__ import annotations

import base64
import pprint
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter
from nacl.exceptions import RuntimeError as SodiumError
from nacl.pwhash import argon2id

from django_secure_session import (
    DERIVED,
    InvalidKey,
    Passphrase,
    create_session,
    decode_session,
)
from django_secure_session.checks import check_settings
from django_secure_session.conf import get_codec, get_config
from django_secure_session.serializers import CompactJSON, DepthBounded
from tests.test_keyring_forms import key_with, leaks, texts_of
from tests.test_main import run_python

KEY = key_with("+/")
TEXT = base64.b64encode(KEY).decode()
OTHER = secrets.token_bytes(32)
TYPED = secrets.token_hex(16)  # 32 characters: looks like 32 bytes, is a text
PASSPHRASE = secrets.token_hex(20)
SALT = secrets.token_bytes(16)
SECRET_KEY = secrets.token_urlsafe(50)
SAMPLE = bytes(range(32))
MATERIAL = (KEY, TEXT, OTHER, TYPED, PASSPHRASE, SALT, SECRET_KEY, SAMPLE)

IN_KEY = 'SECURE_SESSION["KEY"]'
IN_FALLBACK = 'SECURE_SESSION["KEY_FALLBACKS"][1]'
GENKEY = "python -m django_secure_session genkey"


class Lossy(JSONSerializer):
    def loads(self, data):
        return {}


class Texts(JSONSerializer):
    def dumps(self, obj):
        return str(obj)


class Refusing(JSONSerializer):
    def __init__(self):
        raise ValueError("not today")


class Plain(JSONSerializer):
    """A serializer of the site's own."""


# The table of what is refused. Each row: the settings, and what the text must say:
# what is wrong, where, and the way out.

Settings = dict[str, object]
Row = tuple[Settings | Callable[[Path, pytest.MonkeyPatch], Settings], tuple[str, ...]]


def key(value: object) -> Settings:
    return {"SECURE_SESSION": {"KEY": value}}


def fallbacks(*values: object) -> Settings:
    return {"SECURE_SESSION": {"KEY": KEY, "KEY_FALLBACKS": list(values)}}


def option(name: str, value: object) -> Settings:
    return {"SECURE_SESSION": {"KEY": KEY, name: value}}


def key_file(content: bytes) -> Callable[[Path, pytest.MonkeyPatch], Settings]:
    def write(folder: Path, _: pytest.MonkeyPatch) -> Settings:
        (folder / "session.key").write_bytes(content)
        return key(folder / "session.key")

    return write


def unreadable_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    values = key_file(TEXT.encode())(folder, monkeypatch)
    # Tests may run as root, who may read everything.
    monkeypatch.setattr(Path, "open", refuse)
    return values


def little_memory(_: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    def fail(*args: object, **kwargs: object) -> None:
        raise SodiumError("Key derivation failed")

    monkeypatch.setattr(argon2id, "kdf", fail)
    return key(Passphrase(secrets.token_hex(20), salt=SALT))


def changed(position: int, character: str) -> str:
    return TEXT[:position] + character + TEXT[position + 1 :]


TEXT_ROWS: dict[str, Row] = {
    "empty": (key(""), (IN_KEY, "is empty", "variable missing", GENKEY)),
    "blank": (key(" \t\n"), (IN_KEY, "is empty", GENKEY)),
    "double quotes": (key(f'"{TEXT}"'), (IN_KEY, "quotes", "Remove them")),
    "single quotes": (key(f"'{KEY.hex()}'"), (IN_KEY, "quotes", "Remove them")),
    "one quote": (key(f'{TEXT}"'), (IN_KEY, "quotes", "Remove them")),
    "name": (
        key(f"SESSION_KEY={TEXT}"),
        (IN_KEY, '"=" in the middle', "value alone"),
    ),
    "name, hex": (key(f"K={KEY.hex()}"), (IN_KEY, '"=" in the', "value alone")),
    "a character less": (
        key(TEXT[:42]),
        (IN_KEY, "42 characters", "43 or 44", GENKEY),
    ),
    "a character more": (key(TEXT[:43] + "AA"), (IN_KEY, "45 characters", GENKEY)),
    "twice the padding": (key(TEXT + "="), (IN_KEY, "45 characters", GENKEY)),
    "short hex": (key(KEY.hex()[:62]), (IN_KEY, "62 characters", "64 in hex", GENKEY)),
    "long hex": (key(KEY.hex() + "ab"), (IN_KEY, "66 characters", GENKEY)),
    "hex with 0x": (key("0x" + KEY.hex()), (IN_KEY, "66 characters", GENKEY)),
    "bad character": (
        key(changed(9, "%")),
        (IN_KEY, "characters that neither base64 nor hex has", GENKEY),
    ),
    "two lines": (key(f"{TEXT}\n{TEXT}"), (IN_KEY, '"=" in the middle')),
    "letter beyond ASCII": (key(changed(9, "é")), (IN_KEY, "characters that")),
    "lone surrogate": (key(changed(9, "\udce4")), (IN_KEY, "characters that")),
    "password": (
        key(PASSPHRASE + " !"),
        (IN_KEY, "characters that", "Passphrase(...)"),
    ),
    "path as str": (
        key("/run/secrets/session.key"),
        (IN_KEY, "characters that", "pathlib.Path"),
    ),
    "mixed alphabets": (
        key("-_+/" + TEXT[4:]),
        (IN_KEY, "mixes the alphabets", "Copy it again"),
    ),
    "non-canonical end": (
        key(TEXT[:42] + "B="),
        (IN_KEY, "not canonical", "Copy it again", GENKEY),
    ),
    "non-canonical end, unpadded": (key(TEXT[:42] + "9"), (IN_KEY, "not canonical")),
}

BYTES_ROWS: dict[str, Row] = {
    "no bytes": (key(b""), (IN_KEY, "has 0 bytes", GENKEY)),
    "31 bytes": (key(KEY[:31]), (IN_KEY, "has 31 bytes", "exactly 32", GENKEY)),
    "33 bytes": (key(KEY + b"\n"), (IN_KEY, "has 33 bytes", "exactly 32", GENKEY)),
    "base64 as bytes": (
        key(TEXT.encode()),
        (IN_KEY, "44 bytes", "look like the text form", "as str"),
    ),
    "unpadded as bytes": (key(TEXT[:43].encode()), (IN_KEY, "43 bytes", "as str")),
    "hex as bytes": (key(KEY.hex().encode()), (IN_KEY, "64 bytes", "as str")),
    "one byte 32 times": (
        key(b"\xc8" * 32),
        (IN_KEY, "repeats itself", GENKEY),
    ),
    "eight bytes four times": (
        key("0123456789abcdef" * 4),
        (IN_KEY, "repeats itself", GENKEY),
    ),
    "zeros in base64": (key("A" * 43), (IN_KEY, "repeats itself", GENKEY)),
    "printable": (
        key(TYPED.encode()),
        (IN_KEY, "32 printable characters", "Passphrase(...)", GENKEY),
    ),
    "printable in hex": (key(TYPED.encode().hex()), (IN_KEY, "printable", GENKEY)),
    "printable with line end": (
        key(TYPED[:31].encode() + b"\n"),
        (IN_KEY, "password", "Passphrase(...)", GENKEY),
    ),
    "published sample": (key(SAMPLE), (IN_KEY, "published sample key", GENKEY)),
    "published sample in hex": (key(SAMPLE.hex()), (IN_KEY, "published", GENKEY)),
}

TYPE_ROWS: dict[str, Row] = {
    "None": (key(None), (IN_KEY, "is a NoneType", "32 bytes", GENKEY)),
    "int": (key(7), (IN_KEY, "is a int", "32 bytes", GENKEY)),
    "True": (key(True), (IN_KEY, "is a bool", GENKEY)),
    "list": (key([TEXT]), (IN_KEY, "is a list", GENKEY)),
    "bytearray": (key(bytearray(KEY)), (IN_KEY, "is a bytearray", GENKEY)),
    "memoryview": (key(memoryview(KEY)), (IN_KEY, "is a memoryview", GENKEY)),
}

LIST_ROWS: dict[str, Row] = {
    "fallbacks are a str": (
        option("KEY_FALLBACKS", TEXT),
        ('SECURE_SESSION["KEY_FALLBACKS"]', "is a str", "must be a list of keys"),
    ),
    "fallbacks are None": (
        option("KEY_FALLBACKS", None),
        ('SECURE_SESSION["KEY_FALLBACKS"]', "is a NoneType", "must be a list"),
    ),
    "fallbacks are a set": (
        option("KEY_FALLBACKS", {OTHER}),
        ('SECURE_SESSION["KEY_FALLBACKS"]', "is a set", "must be a list of keys"),
    ),
    "empty fallback": (fallbacks(OTHER, ""), (IN_FALLBACK, "is empty", GENKEY)),
    "short fallback": (fallbacks(OTHER, KEY[:31]), (IN_FALLBACK, "31 bytes", GENKEY)),
    "None as fallback": (fallbacks(OTHER, None), (IN_FALLBACK, "NoneType", GENKEY)),
    "sample as fallback": (fallbacks(OTHER, SAMPLE), (IN_FALLBACK, "published")),
    "key among fallbacks": (
        fallbacks(OTHER, KEY),
        (f"{IN_FALLBACK} is the same key as {IN_KEY}", "Remove it"),
    ),
    "key among fallbacks, spelled otherwise": (
        fallbacks(OTHER, TEXT),
        (f"{IN_FALLBACK} is the same key as {IN_KEY}", "Remove it"),
    ),
    "fallback twice": (
        fallbacks(OTHER, OTHER),
        (IN_FALLBACK, 'SECURE_SESSION["KEY_FALLBACKS"][0]', "same key", "Remove it"),
    ),
    "fallback twice, spelled otherwise": (
        fallbacks(OTHER.hex(), OTHER.hex().upper()),
        (IN_FALLBACK, "same key", "Remove it"),
    ),
    "DERIVED twice": (
        fallbacks(DERIVED, DERIVED),
        (IN_FALLBACK, "same key", "Remove it"),
    ),
    "DERIVED without a key of its own": (
        {"SECURE_SESSION": {"KEY_FALLBACKS": [OTHER, DERIVED]}},
        (IN_FALLBACK, "same key", "Remove it"),
    ),
}

FILE_ROWS: dict[str, Row] = {
    "missing file": (
        key(Path("no/such/file.key")),
        (IN_KEY, "file.key", "not a file", f"{GENKEY} --output FILE"),
    ),
    "directory": (lambda folder, _: key(folder), (IN_KEY, "not a file", GENKEY)),
    "name with NUL": (key(Path("a\0b")), (IN_KEY, "not a file", GENKEY)),
    "name too long": (key(Path("name" * 100)), (IN_KEY, "name")),
    "key as path": (
        key(Path(base64.urlsafe_b64encode(KEY).decode())),
        (IN_KEY, "not a file", GENKEY),
    ),
    "unreadable file": (unreadable_file, (IN_KEY, "can't be read: Permission denied")),
    "empty file": (key_file(b""), (IN_KEY, "is empty", GENKEY)),
    "blank file": (key_file(b" \n\n"), (IN_KEY, "is empty", GENKEY)),
    "binary file of 33 bytes": (
        key_file(KEY[:31] + b"\xff\n"),
        (IN_KEY, "33 bytes", "exactly 32", GENKEY),
    ),
    "binary file of 31 bytes": (
        key_file(KEY[:30] + b"\xff"),
        (IN_KEY, "31 bytes", "exactly 32", GENKEY),
    ),
    "large file": (
        key_file(KEY.hex().encode() + b"\n" * 65536),
        (IN_KEY, "larger than 65536 bytes", "Is the path right?"),
    ),
    "typed into a file": (
        key_file(TYPED[:31].encode() + b"\n"),
        (IN_KEY, "password", GENKEY),
    ),
    "bad line": (
        key_file(f"{OTHER.hex()}\n\nSESSION_KEY={TEXT}\n".encode()),
        (f"{IN_KEY} line 3", '"=" in the middle', "value alone"),
    ),
    "line twice": (
        key_file(f"{KEY.hex()}\n{TEXT}\n".encode()),
        (f"{IN_KEY} line 2 is the same key as {IN_KEY} line 1", "Remove it"),
    ),
}

PASSPHRASE_ROWS: dict[str, Row] = {
    "short passphrase": (
        key(Passphrase(PASSPHRASE[:31], salt=SALT)),
        (IN_KEY, "31 bytes", "at least 32", GENKEY),
    ),
    "no salt": (
        key(Passphrase(PASSPHRASE)),
        (IN_KEY, "salt=", "it has 0", "token_hex(8)"),
    ),
    "long salt": (
        key(Passphrase(PASSPHRASE, salt=SALT.hex())),
        (IN_KEY, "exactly 16 bytes", "it has 32", "token_hex(8)"),
    ),
    "salt of another type": (
        key(Passphrase(PASSPHRASE, salt=7)),
        (IN_KEY, "is a int", "str or bytes"),
    ),
    "passphrase of another type": (
        key(Passphrase(None, salt=SALT)),
        (IN_KEY, "is a NoneType", "str or bytes"),
    ),
    "passphrase with a lone surrogate": (
        key(Passphrase(PASSPHRASE + "\udce4", salt=SALT)),
        (IN_KEY,),
    ),
    "too little memory": (little_memory, (IN_KEY, "256 MiB of memory", GENKEY)),
}

SECRET_KEY_ROWS: dict[str, Row] = {
    "no secret key": (
        {"SECURE_SESSION": {}, "SECRET_KEY": ""},
        ("SECRET_KEY", "empty"),
    ),
    "secret key of another type": (
        {"SECURE_SESSION": {}, "SECRET_KEY": [SECRET_KEY]},
        ("SECRET_KEY is", "must be str", GENKEY),
    ),
    "secret key with a lone surrogate": (
        {"SECURE_SESSION": {}, "SECRET_KEY": SECRET_KEY + "\udce4"},
        ("SECRET_KEY",),
    ),
    "empty fallback of the secret key": (
        {"SECURE_SESSION": {}, "SECRET_KEY_FALLBACKS": [SECRET_KEY, ""]},
        ("SECRET_KEY_FALLBACKS[1] is empty", "Correct it"),
    ),
    "secret key among its fallbacks": (
        {
            "SECURE_SESSION": {},
            "SECRET_KEY": SECRET_KEY,
            "SECRET_KEY_FALLBACKS": [SECRET_KEY],
        },
        ("SECRET_KEY_FALLBACKS[0] is the same key as SECRET_KEY", "Remove it"),
    ),
}

OPTION_ROWS: dict[str, Row] = {
    "no dict": (
        {"SECURE_SESSION": TEXT},
        ("SECURE_SESSION is a str", "must be a dict", "KEY_FALLBACKS"),
    ),
    "list for a dict": (
        {"SECURE_SESSION": [KEY]},
        ("SECURE_SESSION is a list", "must be a dict"),
    ),
    "None for a dict": (
        {"SECURE_SESSION": None},
        ("SECURE_SESSION is a NoneType", "must be a dict"),
    ),
    "mistyped option": (
        option("KEY_FALLBACK", []),
        ("SECURE_SESSION", "'KEY_FALLBACK'", "did you mean 'KEY_FALLBACKS'?"),
    ),
    "lower-case option": (
        option("key", TEXT),
        ("SECURE_SESSION", "unknown option 'key'", "did you mean 'KEY'?"),
    ),
    "unknown option": (
        option("ZZZ", 1),
        ("SECURE_SESSION", "unknown option 'ZZZ'", "remove it", "The options are"),
    ),
    "option that is no str": (option(7, 1), ("SECURE_SESSION", "unknown option 7")),  # type: ignore[arg-type]
    "audience of another type": (
        option("AUDIENCE", ["shop"]),
        ('SECURE_SESSION["AUDIENCE"]', "a list", "such as"),
    ),
    "audience None": (
        option("AUDIENCE", None),
        ('SECURE_SESSION["AUDIENCE"]', "a NoneType", "such as"),
    ),
    "long audience": (
        option("AUDIENCE", "x" * 256),
        ('SECURE_SESSION["AUDIENCE"]', "255 characters", "such as"),
    ),
    "audience with a lone surrogate": (
        option("AUDIENCE", "shop\udce4"),
        ('SECURE_SESSION["AUDIENCE"]', "printable", "such as"),
    ),
    **{
        f"timeout {value!r}": (
            option("ABSOLUTE_TIMEOUT", value),
            ('SECURE_SESSION["ABSOLUTE_TIMEOUT"]', repr(value), "must be a timedelta"),
        )
        for value in (
            0,
            0.5,
            -1,
            True,
            False,
            "3600",
            [3600],
            timedelta(0),
            timedelta(days=-1),
            float("nan"),
            float("inf"),
        )
    },
}

SERIALIZER_ROWS: dict[str, Row] = {
    name: (
        {"SECURE_SESSION": {"KEY": KEY}, "SESSION_SERIALIZER": path},
        ("SESSION_SERIALIZER", repr(path), says, "JSONSerializer"),
    )
    for name, path, says in [
        ("no module of that name", "no.such.Serializer", "No module named 'no'"),
        ("no class of that name", "json.Serializer", "Serializer"),
        ("no dotted path", "JSONSerializer", "doesn't look like a module path"),
        ("no path", None, "can't be used"),
        ("no serializer", "datetime.datetime", "can't be used"),
        ("not a round trip", f"{__name__}.Lossy", "bytes and back"),
        ("text for bytes", f"{__name__}.Texts", "bytes and back"),
        ("raises", f"{__name__}.Refusing", "not today"),
    ]
}

REFUSED = {
    **TEXT_ROWS,
    **BYTES_ROWS,
    **TYPE_ROWS,
    **LIST_ROWS,
    **FILE_ROWS,
    **PASSPHRASE_ROWS,
    **SECRET_KEY_ROWS,
    **OPTION_ROWS,
    **SERIALIZER_ROWS,
}
ABOUT_KEYS = [
    *TEXT_ROWS,
    *BYTES_ROWS,
    *TYPE_ROWS,
    *LIST_ROWS,
    *FILE_ROWS,
    *PASSPHRASE_ROWS,
]


@pytest.fixture
def refused(request, settings, tmp_path, monkeypatch) -> str:
    """Configure the site as the row says and return the row's name."""
    values, _ = REFUSED[request.param]
    if callable(values):
        values = values(tmp_path, monkeypatch)
    for name, value in values.items():
        setattr(settings, name, value)
    return request.param


each_refused = pytest.mark.parametrize("refused", REFUSED, indirect=True)


@each_refused
def test_a_wrong_setting_is_refused_with_what_where_and_the_way_out(refused):
    with pytest.raises(ImproperlyConfigured) as caught:
        get_config()

    for part in REFUSED[refused][1]:
        assert part in str(caught.value)


@each_refused
def test_a_refusal_shows_nothing_of_any_key(refused):
    with pytest.raises(ImproperlyConfigured) as caught:
        get_config()

    assert leaks(texts_of(caught.value), *MATERIAL) == set()


@each_refused
def test_djangos_debug_page_shows_nothing_of_any_key(refused):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        get_config()

    reporter = ExceptionReporter(None, caught.type, caught.value, caught.tb)
    shown = [
        str(frame["vars"])
        for frame in reporter.get_traceback_frames()
        if not frame["function"].startswith("test_")  # it may show what it likes
    ]
    assert leaks(shown, *MATERIAL) == set()


@each_refused
def test_a_wrong_setting_is_an_error_of_the_system_checks(refused):
    assert [problem.id for problem in check_settings()] == ["secure_session.E001"]


@pytest.mark.parametrize("refused", ABOUT_KEYS, indirect=True)
def test_a_wrong_key_is_refused_as_an_invalid_key(refused):
    with pytest.raises(InvalidKey):
        get_config()


@each_refused
def test_a_wrong_setting_is_refused_each_time(refused):
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured):
            get_codec("default", "session")


# What is accepted


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1, 1),
        (1.9, 1),
        (3600, 3600),
        (timedelta(days=7), 604800),
        (timedelta(seconds=1), 1),
        (None, None),
    ],
)
def test_an_absolute_timeout_is_seconds_a_timedelta_or_none(value, seconds, settings):
    settings.SECURE_SESSION = {"KEY": KEY, "ABSOLUTE_TIMEOUT": value}

    assert get_config().absolute_timeout == seconds


def test_the_defaults_are_the_documented_ones(settings):
    settings.SECURE_SESSION = {}

    config = get_config()

    assert (config.alias, config.audience) == ("default", "")
    assert config.absolute_timeout == 30 * 24 * 3600
    assert config.cookie_name == settings.SESSION_COOKIE_NAME


@pytest.mark.parametrize("audience", ["", "shop", "x" * 255, "käse"])
def test_an_audience_is_any_text_of_255_characters(audience, settings):
    settings.SECURE_SESSION = {"KEY": KEY, "AUDIENCE": audience}

    assert get_config().audience == audience
    assert decode_session(create_session({"n": 1}).session_key)["n"] == 1


def test_key_fallbacks_may_be_a_tuple(settings):
    settings.SECURE_SESSION = {"KEY": KEY, "KEY_FALLBACKS": (OTHER,)}

    assert len(get_codec("default", "session").box.ids) == 2


def test_djangos_json_serializer_is_replaced_by_the_compact_one(settings):
    settings.SESSION_SERIALIZER = f"{JSONSerializer.__module__}.JSONSerializer"

    assert isinstance(get_config().serializer, CompactJSON)


def test_a_serializer_of_the_site_is_used_with_a_bounded_depth(settings):
    settings.SESSION_SERIALIZER = f"{__name__}.Plain"

    assert isinstance(get_config().serializer, DepthBounded)
    assert decode_session(create_session({"n": 1}).session_key)["n"] == 1


def test_an_alias_that_is_not_configured_is_refused_by_name():
    with pytest.raises(ImproperlyConfigured, match=r"no session 'prefs'.*'default'"):
        get_config("prefs")


def test_the_limit_of_a_cookie_counts_its_name_and_that_of_a_token_does_not(settings):
    settings.SESSION_COOKIE_NAME = "n" * 96

    assert get_config().single_capacity == 4000
    assert get_codec("default", "ws").limit == 65536


def test_a_cookie_of_any_placement_is_opened_whatever_the_placement(settings):
    longest = get_config().chunked_capacity

    assert longest > get_config().single_capacity
    assert get_codec("default", "session").limit == longest


# Read once


def test_a_session_has_one_configuration_however_it_is_asked_for():
    assert get_config() is get_config("default")


def test_a_key_file_is_read_once(settings, tmp_path):
    path = tmp_path / "session.key"
    path.write_bytes(KEY)
    settings.SECURE_SESSION = {"KEY": path}
    get_config()

    path.unlink()  # as a service manager does that hides its secrets after the start

    assert decode_session(create_session({"n": 1}).session_key)["n"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", SECRET_KEY),
        ("SECRET_KEY_FALLBACKS", [SECRET_KEY]),
        ("SECURE_SESSION", {"KEY": KEY}),
        ("SESSION_COOKIE_NAME", "sid"),
        ("SESSION_SERIALIZER", f"{__name__}.Plain"),
    ],
)
def test_a_changed_setting_is_read_again(name, value, settings):
    config, codec = get_config(), get_codec("default", "session")

    setattr(settings, name, value)

    assert get_config() is not config
    assert get_codec("default", "session") is not codec


def test_a_setting_of_others_changes_nothing(settings):
    config, codec = get_config(), get_codec("default", "session")

    settings.LANGUAGE_CODE = "de"

    assert get_config() is config
    assert get_codec("default", "session") is codec


def test_purposes_made_up_at_run_time_do_not_grow_the_memory():
    for n in range(200):
        get_codec("default", f"purpose {n}")

    information = get_codec.cache_info()
    assert information.currsize <= information.maxsize == 64


# Keys derived from SECRET_KEY, and rotation


def sealed_under(settings, **values: object) -> str:
    """Return a cookie that the site made while it was configured so."""
    for name, value in values.items():
        setattr(settings, name, value)
    return create_session({"user": "ada"}).session_key


def opens(token: str) -> bool:
    session = decode_session(token)
    return session is not None and session["user"] == "ada"


def test_without_a_key_the_secret_key_is_enough(settings):
    settings.SECURE_SESSION = {}  # announces the change, which "del" does not
    del settings.SECURE_SESSION

    token = sealed_under(settings, SECRET_KEY=SECRET_KEY)

    assert opens(token)


def test_another_secret_key_opens_nothing(settings):
    token = sealed_under(settings, SECURE_SESSION={}, SECRET_KEY=SECRET_KEY)

    settings.SECRET_KEY = secrets.token_urlsafe(50)

    assert not opens(token)


def test_a_secret_key_means_the_same_as_bytes(settings):
    token = sealed_under(settings, SECURE_SESSION={}, SECRET_KEY=SECRET_KEY)

    settings.SECRET_KEY = SECRET_KEY.encode()

    assert opens(token)


def test_secret_key_fallbacks_open(settings):
    token = sealed_under(settings, SECURE_SESSION={}, SECRET_KEY=SECRET_KEY)

    settings.SECRET_KEY = secrets.token_urlsafe(50)
    settings.SECRET_KEY_FALLBACKS = [secrets.token_urlsafe(50), SECRET_KEY]

    assert opens(token)


def test_moving_to_a_key_of_ones_own_logs_nobody_out(settings):
    old = sealed_under(settings, SECURE_SESSION={}, SECRET_KEY=SECRET_KEY)
    moved = {"KEY": KEY, "KEY_FALLBACKS": [DERIVED]}

    new = sealed_under(settings, SECURE_SESSION=moved)

    assert opens(old)
    assert opens(new)
    settings.SECURE_SESSION = {"KEY": KEY}
    assert not opens(old)
    assert opens(new)


def test_derived_fallbacks_include_those_of_the_secret_key(settings):
    token = sealed_under(settings, SECURE_SESSION={}, SECRET_KEY=SECRET_KEY)

    settings.SECRET_KEY = secrets.token_urlsafe(50)
    settings.SECRET_KEY_FALLBACKS = [SECRET_KEY]
    settings.SECURE_SESSION = {"KEY": KEY, "KEY_FALLBACKS": [DERIVED, OTHER]}

    assert opens(token)
    labels = {get_codec("default", "session").box.label(i) for i in key_ids()}
    assert labels == {
        IN_KEY,
        'SECURE_SESSION["KEY_FALLBACKS"][0] from SECRET_KEY',
        'SECURE_SESSION["KEY_FALLBACKS"][0] from SECRET_KEY_FALLBACKS[0]',
        'SECURE_SESSION["KEY_FALLBACKS"][1]',
    }


def key_ids() -> list[bytes]:
    return list(get_codec("default", "session").box.ids)


def test_a_site_with_a_key_of_its_own_does_not_read_the_secret_key(settings):
    settings.SECRET_KEY = ""
    settings.SECURE_SESSION = {"KEY": KEY}

    assert len(key_ids()) == 1


def test_fallback_keys_open_and_do_not_seal(settings):
    old = sealed_under(settings, SECURE_SESSION={"KEY": OTHER})
    rotated = {"KEY": KEY, "KEY_FALLBACKS": [OTHER]}

    new = sealed_under(settings, SECURE_SESSION=rotated)

    assert opens(old)
    settings.SECURE_SESSION = {"KEY": KEY}
    assert opens(new)


def test_the_first_line_of_a_key_file_seals_and_the_others_open(settings, tmp_path):
    old = sealed_under(settings, SECURE_SESSION={"KEY": OTHER})
    path = tmp_path / "session.keys"
    path.write_text(f"{KEY.hex()}\n{OTHER.hex()}\n")

    new = sealed_under(settings, SECURE_SESSION={"KEY": path})

    assert opens(old)
    settings.SECURE_SESSION = {"KEY": KEY}
    assert opens(new)
    assert not opens(old)


def test_a_key_in_another_spelling_is_the_same_key(settings):
    token = sealed_under(settings, SECURE_SESSION={"KEY": TEXT})

    settings.SECURE_SESSION = {"KEY": KEY.hex().upper()}

    assert opens(token)


@pytest.mark.parametrize("audience", ["", "Shop", "shop2", "sho"])
def test_a_token_of_one_audience_never_opens_in_another(audience, settings):
    shop = {"KEY": KEY, "AUDIENCE": "shop"}
    token = sealed_under(settings, SECURE_SESSION=shop)

    settings.SECURE_SESSION = {"KEY": KEY, "AUDIENCE": audience}

    assert not opens(token)


# Nothing shows a secret


@pytest.mark.parametrize("show", [repr, str, format, ascii, pprint.pformat])
def test_neither_configuration_nor_codec_shows_a_secret(show, settings):
    settings.SECURE_SESSION = {"KEY": KEY, "KEY_FALLBACKS": [OTHER, DERIVED]}
    settings.SECRET_KEY = SECRET_KEY

    shown = [show(get_config()), show(get_codec("default", "session"))]

    assert leaks(shown, *MATERIAL) == set()


# Starting a site

SITE = """
SECRET_KEY = {secret_key!r}
INSTALLED_APPS = ["django_secure_session"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
SECURE_SESSION = {options!r}
"""
START = (
    "import django; django.setup(); "
    "from django.core.wsgi import get_wsgi_application; get_wsgi_application()"
)
BAD_OPTIONS = {
    "empty": ({"KEY": ""}, "is empty"),
    "short": ({"KEY": KEY[:31]}, "31 bytes"),
    "quoted": ({"KEY": f'"{TEXT}"'}, "quotes"),
    "duplicate": ({"KEY": TEXT, "KEY_FALLBACKS": [KEY]}, "same key"),
}
each_bad_site = pytest.mark.parametrize(
    ("options", "says"), BAD_OPTIONS.values(), ids=BAD_OPTIONS
)


def run_site(folder: Path, options: Settings, *arguments: str):
    source = SITE.format(secret_key=SECRET_KEY, options=options)
    (folder / "site_settings.py").write_text(source)
    (folder / "start.py").write_text(
        "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\n"
        + START.replace("; ", "\n")
    )
    return run_python(*arguments, folder=folder)


def test_a_site_with_a_good_key_starts(tmp_path):
    result = run_site(tmp_path, {"KEY": TEXT}, "start.py")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@each_bad_site
def test_a_site_with_a_wrong_key_does_not_start(options, says, tmp_path):
    result = run_site(tmp_path, options, "start.py")

    assert result.returncode == 1
    last_line = result.stderr.splitlines()[-1]
    assert last_line.startswith("django_secure_session.exceptions.InvalidKey: SECURE_")
    assert says in last_line
    assert leaks([result.stdout, result.stderr], *MATERIAL) == set()


@each_bad_site
def test_manage_py_check_reports_a_wrong_key(options, says, tmp_path):
    command = ["-m", "django", "check", "--settings=site_settings"]

    result = run_site(tmp_path, options, *command)

    assert result.returncode == 1
    assert f"(secure_session.E001) {IN_KEY[:15]}" in result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert leaks([result.stdout, result.stderr], *MATERIAL) == set()


@each_bad_site
def test_genkey_prints_a_key_on_a_site_with_a_wrong_one(options, says, tmp_path):
    command = ["-m", "django", "genkey", "--settings=site_settings"]

    result = run_site(tmp_path, options, *command)

    assert (result.returncode, result.stderr) == (0, "")
    assert len(base64.b64decode(result.stdout, validate=False)) == 32
    assert result.stdout.count("\n") == 1
