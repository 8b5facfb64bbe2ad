"""Options of sessions and attributes of cookies: defaults, inheritance, errors."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import reverse_lazy

from django_secure_session import DERIVED, InvalidKey, create_session, decode_session
from django_secure_session.chunks import COOKIE_LIMIT
from django_secure_session.conf import (
    _READ_FROM,
    NAMED_OPTIONS,
    OPTIONS,
    SITE_OPTIONS,
    cookie,
    get_codec,
    get_config,
    get_configs,
    keys,
    names,
    options,
)
from tests.test_keyring_forms import leaks, texts_of

KEY = secrets.token_bytes(32)
OTHER = secrets.token_bytes(32)
THIRD = secrets.token_bytes(32)
DAY = 24 * 3600
CACHES = {
    alias: {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": alias,
    }
    for alias in ("default", "sessions", "other")
}
IN_SITE = "SECURE_SESSION"
IN_PREFS = 'SECURE_SESSION["SESSIONS"]["prefs"]'


def site(settings, prefs=None, **own) -> None:
    """Configure the site's session, and one more named "prefs"."""
    named = {} if prefs is None else {"SESSIONS": {"prefs": prefs}}
    settings.SECURE_SESSION = {"KEY": KEY, **own, **named}


def error() -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        get_configs()
    return str(caught.value)


# Defaults


DEFAULTS = {
    "audience": "",
    "idle_timeout": None,
    "absolute_timeout": 30 * DAY,
    "placement": "cookie",
    "spill_above": 4096,
    "cache_alias": "default",
    "compress": False,
    "claims_max_age": 300,
    "account_provider": "django_secure_session.accounts.DjangoUserProvider",
    "reauthenticate_url": None,
    "cookie_age": 14 * DAY,
    "ends_with_browser": False,
    "save_every_request": False,
    "has_own_key": False,
}
COOKIE_DEFAULTS = {
    "path": "/",
    "domain": None,
    "secure": False,
    "httponly": True,
    "samesite": "Lax",
    "partitioned": False,
}


@pytest.mark.parametrize("alias", ["default", "prefs"])
@pytest.mark.parametrize("field", DEFAULTS)
def test_without_options_all_is_as_documented(field, alias, settings):
    settings.SECURE_SESSION = {"SESSIONS": {"prefs": {}}}

    assert getattr(get_config(alias), field) == DEFAULTS[field]


@pytest.mark.parametrize("alias", ["default", "prefs"])
@pytest.mark.parametrize("attribute", COOKIE_DEFAULTS)
def test_without_settings_the_cookie_is_djangos(attribute, alias, settings):
    site(settings, prefs={})

    assert getattr(get_config(alias).cookie, attribute) == COOKIE_DEFAULTS[attribute]


def test_the_defaults_that_are_djangos_are_those_of_every_version():
    for name, value in options.DJANGO_DEFAULTS.items():
        # Django has none for partitioned cookies yet.
        assert getattr(django_settings, f"SESSION_{name}", False) == value


def test_without_a_setting_at_all_the_defaults_count(settings):
    del settings.SECURE_SESSION

    assert [*get_configs()] == ["default"]
    assert get_config().placement == "cookie"


def test_a_session_is_named_after_its_alias(settings):
    site(settings, prefs={})
    config = get_config("prefs")

    assert (config.cookie_name, config.attribute) == ("prefs_session", "prefs_session")
    assert (config.alias, config.url_prefixes) == ("prefs", ())


def test_the_sites_own_session_comes_first(settings):
    site(settings, SESSIONS={"b": {}, "a": {}})

    assert [*get_configs()] == ["default", "b", "a"]


def test_a_session_that_is_not_there_is_named_with_those_that_are(settings):
    site(settings, prefs={})

    with pytest.raises(ImproperlyConfigured, match=r"'nope'.*'default', 'prefs'"):
        get_config("nope")


def test_configurations_cannot_be_changed(settings):
    site(settings, prefs={})

    with pytest.raises(TypeError):
        get_configs()["other"] = get_config()
    with pytest.raises(AttributeError):
        get_config().placement = "spill"
    with pytest.raises(AttributeError):
        get_config().cookie.secure = True


# Inheritance


#: An option, two values for it, and where the second is found then.
INHERITED = [
    ("AUDIENCE", "shop", "other", "audience", "other"),
    ("IDLE_TIMEOUT", 600, 60, "idle_timeout", 60),
    ("IDLE_TIMEOUT", 600, None, "idle_timeout", None),
    ("ABSOLUTE_TIMEOUT", 600, timedelta(hours=1), "absolute_timeout", 3600),
    ("ABSOLUTE_TIMEOUT", 600, None, "absolute_timeout", None),
    ("PLACEMENT", "spill", "chunked", "placement", "chunked"),
    ("SPILL_ABOVE", 1000, 0, "spill_above", 0),
    ("SPILL_ABOVE", 1000, None, "spill_above", COOKIE_LIMIT),
    ("CACHE_ALIAS", "sessions", "other", "cache_alias", "other"),
    ("COMPRESS", True, False, "compress", False),
    ("CLAIMS_MAX_AGE", 600, 0, "claims_max_age", 0),
    ("CLAIMS_MAX_AGE", 600, None, "claims_max_age", None),
    ("ACCOUNT_PROVIDER", "a.B", "c.D", "account_provider", "c.D"),
    ("REAUTHENTICATE_URL", "/a/", "/b/", "reauthenticate_url", "/b/"),
    ("REAUTHENTICATE_URL", "/a/", None, "reauthenticate_url", None),
]
each_inherited = pytest.mark.parametrize(
    ("option", "ours", "theirs", "field", "expected"), INHERITED
)


@each_inherited
def test_a_named_session_has_the_sites_option_unless_it_has_its_own(
    option, ours, theirs, field, expected, settings
):
    settings.CACHES = CACHES
    site(settings, SESSIONS={"a": {}, "b": {option: theirs}}, **{option: ours})
    default, a, b = (getattr(config, field) for config in get_configs().values())

    assert default == a != b
    assert b == expected


@each_inherited
def test_a_named_sessions_option_is_not_the_sites(
    option, ours, theirs, field, expected, settings
):
    settings.CACHES = CACHES
    site(settings, prefs={option: ours})

    assert getattr(get_config(), field) == DEFAULTS[field]
    assert getattr(get_config("prefs"), field) != DEFAULTS[field]


#: A cookie's option, two values for it, and how the second one is read.
COOKIE_INHERITED = [
    ("COOKIE_PATH", "/a/", "/b/", "/b/"),
    ("COOKIE_DOMAIN", "example.com", ".example.org", ".example.org"),
    ("COOKIE_DOMAIN", "example.com", None, None),
    ("COOKIE_DOMAIN", "example.com", "", None),
    ("COOKIE_SECURE", True, "auto", "auto"),
    ("COOKIE_SECURE", "auto", False, False),
    ("COOKIE_HTTPONLY", False, True, True),
    ("COOKIE_SAMESITE", "Strict", "Lax", "Lax"),
    ("COOKIE_SAMESITE", "Strict", None, None),
]


@pytest.mark.parametrize(("option", "ours", "theirs", "expected"), COOKIE_INHERITED)
def test_a_named_cookie_has_djangos_attribute_unless_it_has_its_own(
    option, ours, theirs, expected, settings
):
    setattr(settings, f"SESSION_{option}", ours)
    site(settings, SESSIONS={"a": {}, "b": {option: theirs}})
    field = option.removeprefix("COOKIE_").lower()
    default, a, b = (getattr(c.cookie, field) for c in get_configs().values())

    assert default == a == ours
    assert b == expected


def test_partitioned_is_inherited_too(settings):
    settings.SESSION_COOKIE_SECURE = settings.SESSION_COOKIE_PARTITIONED = True
    site(settings, SESSIONS={"a": {}, "b": {"COOKIE_PARTITIONED": False}})

    assert [c.cookie.partitioned for c in get_configs().values()] == [True, True, False]


def test_a_named_session_has_djangos_ages_unless_it_has_its_own(settings):
    settings.SESSION_COOKIE_AGE = 100
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    own = {"COOKIE_AGE": timedelta(minutes=1), "EXPIRE_AT_BROWSER_CLOSE": False}
    site(settings, SESSIONS={"a": {}, "b": own})

    assert [c.cookie_age for c in get_configs().values()] == [100, 100, 60]
    ends = [c.ends_with_browser for c in get_configs().values()]
    assert ends == [True, True, False]


def test_a_named_session_with_an_age_of_its_own_has_not_the_sites_idle_timeout(
    settings,
):
    both = {"COOKIE_AGE": DAY, "IDLE_TIMEOUT": 60}
    site(settings, SESSIONS={"a": {"COOKIE_AGE": DAY}, "b": both}, IDLE_TIMEOUT=600)

    assert [c.idle_timeout for c in get_configs().values()] == [600, None, 60]


def test_save_every_request_is_for_all_sessions(settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    site(settings, prefs={})

    assert all(config.save_every_request for config in get_configs().values())


def test_the_cookies_name_alone_is_not_inherited(settings):
    settings.SESSION_COOKIE_NAME = "sid"
    site(settings, SESSIONS={"a": {}, "b": {"COOKIE_NAME": "c"}})

    assert [c.cookie_name for c in get_configs().values()] == ["sid", "a_session", "c"]


def test_every_option_stands_under_a_named_session_or_in_the_site_alone():
    named_alone = {*options.DJANGO_DEFAULTS, "ATTRIBUTE", "LOGIN_URL", "URL_PREFIX"}

    site_alone = {*options.SITE_DEFAULTS, "SESSIONS"}

    assert {*options.DEFAULTS, *site_alone} == SITE_OPTIONS
    assert {*options.DEFAULTS, *named_alone} == NAMED_OPTIONS
    assert OPTIONS == SITE_OPTIONS | NAMED_OPTIONS


# Keys of named sessions


def opens(alias: str, token: str) -> bool:
    return decode_session(token, alias=alias) is not None


def sealed(alias: str = "prefs") -> str:
    return create_session({"n": 1}, alias=alias).session_key


def test_a_named_session_is_sealed_with_the_sites_key(settings):
    site(settings, prefs={}, KEY_FALLBACKS=[OTHER])
    token = sealed()
    site(settings, prefs={"KEY": KEY})

    assert opens("prefs", token)


def test_a_named_session_has_the_sites_fallbacks(settings):
    site(settings, prefs={"KEY": OTHER})
    token = sealed()
    site(settings, prefs={}, KEY_FALLBACKS=[OTHER])

    assert opens("prefs", token)


def test_a_named_session_with_a_key_of_its_own_has_no_fallback_of_the_site(settings):
    site(settings, prefs={"KEY": OTHER})
    token = sealed()
    site(settings, prefs={"KEY": THIRD}, KEY_FALLBACKS=[OTHER])

    assert not opens("prefs", token)
    assert not opens("prefs", sealed("default"))


def test_a_named_session_may_have_fallbacks_of_its_own(settings):
    site(settings, prefs={"KEY": OTHER})
    token = sealed()
    site(settings, prefs={"KEY_FALLBACKS": [OTHER]}, KEY_FALLBACKS=[THIRD])

    assert opens("prefs", token)
    assert len(get_codec("prefs", "session").box.ids) == 2


def test_a_named_session_may_have_the_sites_key_and_no_fallback(settings):
    site(settings, prefs={"KEY_FALLBACKS": []}, KEY_FALLBACKS=[OTHER])

    assert len(get_codec("prefs", "session").box.ids) == 1
    assert len(get_codec("default", "session").box.ids) == 2


def test_a_named_session_may_have_the_derived_key(settings):
    site(settings, prefs={"KEY": DERIVED})
    token = sealed()
    settings.SECURE_SESSION = {"SESSIONS": {"prefs": {}}}

    assert opens("prefs", token)


def test_each_session_knows_whether_its_key_is_derived(settings):
    settings.SECURE_SESSION = {"SESSIONS": {"a": {}, "b": {"KEY": KEY}}}
    assert [c.has_own_key for c in get_configs().values()] == [False, False, True]

    site(settings, prefs={"KEY": DERIVED})
    assert [c.has_own_key for c in get_configs().values()] == [True, False]


def test_one_keyring_serves_all_sessions_without_keys_of_their_own(settings):
    site(settings, SESSIONS={"a": {}, "b": {"KEY": OTHER}})
    default, a, b = (config.keyring for config in get_configs().values())

    assert default is a
    assert b is not a


@pytest.mark.parametrize(
    ("prefs", "says"),
    [
        ({"KEY": ""}, (f'{IN_PREFS}["KEY"]', "is empty", "genkey")),
        ({"KEY": OTHER[:31]}, (f'{IN_PREFS}["KEY"]', "31 bytes", "exactly 32")),
        (
            {"KEY": OTHER, "KEY_FALLBACKS": OTHER.hex()},
            (f'{IN_PREFS}["KEY_FALLBACKS"]', "a str", "list of keys"),
        ),
        (
            {"KEY_FALLBACKS": [OTHER, OTHER]},
            (f'{IN_PREFS}["KEY_FALLBACKS"][1] is the same key', "Remove it"),
        ),
        (
            {"KEY_FALLBACKS": [KEY]},
            (f'{IN_PREFS}["KEY_FALLBACKS"][0] is the same key', "Remove it"),
        ),
    ],
)
def test_a_wrong_key_of_a_named_session_is_refused_by_its_place(prefs, says, settings):
    site(settings, prefs=prefs)
    with pytest.raises(InvalidKey) as caught:
        get_configs()

    for part in says:
        assert part in str(caught.value)
    assert leaks(texts_of(caught.value), KEY, OTHER) == set()


# What is refused


#: An option, and values that it can't have with what their error says of them.
WRONG = {
    "IDLE_TIMEOUT": [
        (value, "must be a timedelta or a number of seconds of at least 1, or None")
        for value in (0, 0.9, -1, True, "600", timedelta(0), float("inf"), [600])
    ],
    "PLACEMENT": [
        (value, "must be one of cookie, chunked, spill")
        for value in ("", "Cookie", "cache", None, True, ["spill"], {})
    ],
    "SPILL_ABOVE": [
        *(
            (value, "must be a number of bytes, or None")
            for value in ("0", 1.5, True, False, [0], timedelta(1))
        ),
        *((value, "must be from 0 to 4096") for value in (-1, 4097, 10**9)),
    ],
    "CACHE_ALIAS": [
        (value, "must be one of CACHES: default, sessions, other")
        for value in ("", "nope", None, 7, ["default"], {"BACKEND": "x"})
    ],
    "COMPRESS": [
        (value, "must be True or False") for value in ("", "True", "zlib", 1.0, [True])
    ],
    "CLAIMS_MAX_AGE": [
        (value, "must be a timedelta or a number of seconds of at least 0, or None")
        for value in (-1, True, "300", timedelta(-1), float("nan"))
    ],
    "ACCOUNT_PROVIDER": [
        (value, "must be the dotted path of a class")
        for value in ("", "Provider", None, 7, object)
    ],
    "REAUTHENTICATE_URL": [
        (value, "must be a path, the name of a URL, or None")
        for value in ("", 7, True, ["/again/"])
    ],
}
COOKIE_WRONG = {
    "COOKIE_AGE": [
        (value, "must be a timedelta or a number of seconds of at least 1")
        for value in (0, 0.5, -1, None, True, "1209600", timedelta(0), float("nan"))
    ],
    "COOKIE_NAME": [
        (value, "must be up to 255 letters, digits")
        for value in (
            *("", None, 7, b"sid", "a b", "a=b", "a;b", "a,b", 'a"b', "a/b", "a\n"),
            *("ä", "a\x7f", "a[b]", "a:b", "a" * 256, " a", "sid\u2003"),
        )
    ],
    "COOKIE_PATH": [
        (value, 'must be a path such as "/"')
        for value in ("", "a/", None, 7, "/a;b", "/a\n", "/ä", "/" + "a" * 1024)
    ],
    "COOKIE_DOMAIN": [
        (value, 'must be a host such as "example.com", or None')
        for value in (7, True, "a;b", "a.com\n", "bücher.example", ["example.com"])
    ],
    "COOKIE_SECURE": [
        (value, 'must be True, False or "auto"')
        for value in ("", "True", "False", "AUTO", 1.0, ["auto"])
    ],
    "COOKIE_HTTPONLY": [
        (value, "must be True or False") for value in ("", "auto", "False", 1.0)
    ],
    "COOKIE_SAMESITE": [
        (value, 'must be "Lax", "Strict", "None"')
        for value in ("", "Laxer", True, 0, 7, ["Lax"], "Lax ")
    ],
    "COOKIE_PARTITIONED": [
        (value, "must be True or False") for value in ("", "auto", "True", 1.0)
    ],
    "EXPIRE_AT_BROWSER_CLOSE": [
        (value, "must be True or False") for value in ("", "yes", "False", 1.0)
    ],
}


def flat(table):
    return [(name, value, says) for name in table for value, says in table[name]]


@pytest.mark.parametrize(("option", "value", "says"), flat(WRONG))
def test_a_wrong_option_is_refused_with_where_what_and_the_way_out(
    option, value, says, settings
):
    settings.CACHES = CACHES
    site(settings, **{option: value})

    assert f'{IN_SITE}["{option}"] is {value!r}; it {says}' in error()


@pytest.mark.parametrize(("option", "value", "says"), flat(WRONG | COOKIE_WRONG))
def test_a_wrong_option_of_a_named_session_is_refused_with_where_what_and_the_way_out(
    option, value, says, settings
):
    settings.CACHES = CACHES
    site(settings, prefs={option: value})

    assert f'{IN_PREFS}["{option}"] is {value!r}; it {says}' in error()


@pytest.mark.parametrize(("option", "value", "says"), flat(COOKIE_WRONG))
def test_a_wrong_setting_of_django_is_refused_by_its_name(
    option, value, says, settings
):
    setattr(settings, f"SESSION_{option}", value)
    site(settings)

    assert f"SESSION_{option} is {value!r}; it {says}" in error()


@pytest.mark.parametrize(
    ("own", "option"),
    [
        ({"IDLE_TIMEOUT": 0}, 'SECURE_SESSION["IDLE_TIMEOUT"]'),
        ({"PLACEMENT": "x"}, 'SECURE_SESSION["PLACEMENT"]'),
    ],
)
def test_an_inherited_wrong_option_is_refused_where_it_stands(own, option, settings):
    site(settings, prefs={}, **own)

    assert error().startswith(f"{option} is")


def test_an_inherited_attribute_that_does_not_fit_is_refused_where_it_stands(settings):
    settings.SESSION_COOKIE_DOMAIN = "example.com"
    site(settings, prefs={"COOKIE_NAME": "__Host-prefs", "COOKIE_SECURE": True})

    assert error() == (
        "SESSION_COOKIE_DOMAIN is 'example.com'; it must be None for a cookie named "
        f"'__Host-prefs'. Or set {IN_PREFS}[\"COOKIE_DOMAIN\"]."
    )


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        *(
            ("IDLE_TIMEOUT", value, ok)
            for value, ok in [(1, 1), (1.9, 1), (None, None)]
        ),
        ("IDLE_TIMEOUT", timedelta(minutes=5), 300),
        *(("SPILL_ABOVE", value, value) for value in (0, 1, 4095, 4096)),
        ("SPILL_ABOVE", None, 4096),
        *(("PLACEMENT", value, value) for value in ("cookie", "chunked", "spill")),
        *(("CACHE_ALIAS", value, value) for value in ("default", "sessions")),
        *(("CLAIMS_MAX_AGE", value, value) for value in (0, 1, None)),
        ("CLAIMS_MAX_AGE", timedelta(minutes=5), 300),
        ("ACCOUNT_PROVIDER", "shop.accounts.Provider", "shop.accounts.Provider"),
        *(("REAUTHENTICATE_URL", url, url) for url in ("/again/", "again")),
    ],
)
def test_every_right_value_is_accepted(option, value, accepted, settings):
    settings.CACHES = CACHES
    site(settings, **{option: value})

    assert getattr(get_config(), option.lower()) == accepted


def test_a_lazy_url_is_not_resolved_while_settings_are_read(settings):
    url = reverse_lazy("no-such-name")
    site(settings, REAUTHENTICATE_URL=url)

    assert get_config().reauthenticate_url is url


FLAGS = {
    "COOKIE_SECURE": lambda config: config.cookie.secure,
    "COOKIE_HTTPONLY": lambda config: config.cookie.httponly,
    "COOKIE_PARTITIONED": lambda config: config.cookie.partitioned,
    "EXPIRE_AT_BROWSER_CLOSE": lambda config: config.ends_with_browser,
    "COMPRESS": lambda config: config.compress,
}


OF_DJANGO = sorted(FLAGS.keys() - {"COMPRESS"})


@pytest.mark.parametrize("option", OF_DJANGO)
@pytest.mark.parametrize(
    ("value", "read"),
    [(True, True), (1, True), (False, False), (0, False), (None, False)],
)
def test_a_setting_of_django_may_be_a_number_or_none_as_there(
    option, value, read, settings
):
    settings.SESSION_COOKIE_SECURE = True
    setattr(settings, f"SESSION_{option}", value)
    site(settings)

    assert FLAGS[option](get_config()) is read
    assert type(FLAGS[option](get_config())) is bool


@pytest.mark.parametrize("option", FLAGS)
@pytest.mark.parametrize("value", [0, 1, None])
def test_an_option_of_ours_is_true_or_false(option, value, settings):
    site(settings, prefs={option: value})

    assert f'{IN_PREFS}["{option}"] is {value!r}; it must be True' in error()


# Attributes of cookies that browsers take together


def cookie_of(**attributes):
    """Return the attributes of a cookie that lacks nothing, but for these."""
    perfect = {"name": "sid", "path": "/", "domain": None, "secure": True}
    more = {"httponly": True, "samesite": "Lax", "partitioned": False}
    return cookie.CookieAttributes(**(perfect | more | attributes))


PREFIXES = ["__Host-", "__Secure-", "__Http-", "__Host-Http-"]
spelled = pytest.mark.parametrize("spell", [str, str.lower, str.upper, str.swapcase])


@spelled
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_cookie_with_a_prefix_and_all_it_needs_is_accepted(prefix, spell):
    assert [*cookie_of(name=spell(prefix) + "sid").problems()] == []


@spelled
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("secure", [False, "auto"])
def test_every_prefix_needs_secure(secure, prefix, spell):
    name = spell(prefix) + "sid"
    problems = dict(cookie_of(name=name, secure=secure).problems())

    assert problems["secure"] == f"must be True for a cookie named {name!r}"


@spelled
@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        ("domain", "example.com", "must be None"),
        ("path", "/shop/", 'must be "/"'),
    ],
)
def test_a_host_prefix_needs_no_domain_and_the_path_of_all(
    attribute, value, says, spell
):
    attributes = {attribute: value}
    refused = {
        prefix
        for prefix in PREFIXES
        for name, why in cookie_of(name=spell(prefix) + "a", **attributes).problems()
        if name == attribute and why.startswith(says)
    }

    assert refused == {"__Host-", "__Host-Http-"}


@spelled
def test_an_http_prefix_needs_httponly(spell):
    refused = {
        prefix
        for prefix in PREFIXES
        for name, why in cookie_of(name=spell(prefix) + "a", httponly=False).problems()
        if name == "httponly" and why.startswith("must be True for")
    }

    assert refused == {"__Http-", "__Host-Http-"}


@pytest.mark.parametrize("name", ["Host-sid", "_Host-sid", "x__Host-", "__Hostsid"])
def test_what_only_looks_like_a_prefix_needs_nothing(name):
    plain = cookie_of(name=name, secure=False, domain="example.com", path="/a/")

    assert [*plain.problems()] == []


def test_all_that_is_wrong_is_found():
    wrong = cookie_of(
        name="__Host-Http-sid",
        path="/a/",
        domain="example.com",
        secure=False,
        httponly=False,
        samesite="None",
        partitioned=True,
    )

    found = [name for name, _ in wrong.problems()]
    assert sorted(found) == ["domain", "httponly", "path", "secure", "secure", "secure"]


def test_of_a_cookie_without_a_right_name_nothing_else_is_said():
    (problem,) = cookie_of(name="a b", path="nowhere", secure=None).problems()

    assert problem[0] == "name"


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        ("samesite", "None", 'must be True, or "auto", with SameSite=None'),
        ("partitioned", True, 'must be True, or "auto", for a partitioned cookie'),
    ],
)
def test_what_other_sites_see_needs_secure(attribute, value, says):
    insecure = cookie_of(secure=False, **{attribute: value})

    assert [*insecure.problems()] == [("secure", says)]
    for secure in (True, "auto"):
        assert not [*cookie_of(secure=secure, **{attribute: value}).problems()]


@pytest.mark.parametrize("option", ["COOKIE_SAMESITE", "COOKIE_PARTITIONED"])
def test_it_is_refused_in_the_settings_too(option, settings):
    value = "none" if option == "COOKIE_SAMESITE" else True
    setattr(settings, f"SESSION_{option}", value)
    site(settings)
    assert "SESSION_COOKIE_SECURE is False; it must be True" in error()

    settings.SESSION_COOKIE_SECURE = True
    assert get_config().cookie.secure is True


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *((value, "Lax") for value in ("Lax", "lax", "LAX", "lAX")),
        *((value, "Strict") for value in ("Strict", "strict", "STRICT")),
        *((value, "None") for value in ("None", "none", "NONE")),
        (None, None),
        (False, None),
    ],
)
def test_samesite_is_read_in_any_case(value, read, settings):
    settings.SESSION_COOKIE_SAMESITE = value
    settings.SESSION_COOKIE_SECURE = True
    site(settings)

    assert get_config().cookie.samesite == read


@pytest.mark.parametrize("name", ["a", "a" * 255, "!#$%&'*+-.^_`|~09azAZ"])
def test_a_cookies_name_may_have_all_that_the_rfc_allows(name, settings):
    settings.SESSION_COOKIE_NAME = name
    site(settings)

    assert get_config().cookie_name == name
    assert get_config().single_capacity == 4096 - len(name)


@pytest.mark.parametrize("path", ["/", "/a", "/a b/", "/" + "a" * 1023])
def test_a_path_may_have_all_that_the_rfc_allows(path):
    assert [*cookie_of(path=path).problems()] == []


# Options in a wrong place


@pytest.mark.parametrize("option", sorted(options.DJANGO_DEFAULTS))
def test_a_cookies_option_in_the_site_is_led_to_djangos_setting(option, settings):
    site(settings, **{option: 100})

    assert (
        f"SECURE_SESSION has the unknown option {option!r}; the site's own session has "
        f"Django's SESSION_{option}. The options are ABSOLUTE_TIMEOUT"
    ) in error()


@pytest.mark.parametrize("option", ["ATTRIBUTE", "URL_PREFIX"])
def test_an_option_of_named_sessions_in_the_site_is_led_there(option, settings):
    site(settings, **{option: "/a/"})

    assert f'option {option!r}; only a session under "SESSIONS" has it.' in error()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cookie_age", "COOKIE_AGE"),
        ("SESSION_COOKIE_AGE", "COOKIE_AGE"),
        ("SESSION_COOKIE_SECURE", "COOKIE_SECURE"),
        ("URL_PREFIXES", "URL_PREFIX"),
        ("COOKIE_SAME_SITE", "COOKIE_SAMESITE"),
        ("COMPRES", "COMPRESS"),
    ],
)
def test_a_mistyped_option_of_a_named_session_gets_the_right_hint(
    written, meant, settings
):
    site(settings, prefs={written: 1})

    assert f"{IN_PREFS} has the unknown option {written!r}" in error()
    assert f"did you mean {meant!r}?" in error()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("IDLE_TIME_OUT", "IDLE_TIMEOUT"),
        ("placement", "PLACEMENT"),
        ("SPILL_OVER", "SPILL_ABOVE"),
        ("CACHE", "CACHE_ALIAS"),
        ("SESSION", "SESSIONS"),
    ],
)
def test_a_mistyped_option_of_the_site_gets_the_right_hint(written, meant, settings):
    site(settings, **{written: 1})

    assert f"did you mean {meant!r}?" in error()


@pytest.mark.parametrize("value", [None, [], "admin", 7, [("COOKIE_AGE", 1)]])
def test_the_options_of_a_named_session_must_be_a_dict(value, settings):
    settings.SECURE_SESSION = {"SESSIONS": {"prefs": value}}

    text = error()
    assert f"{IN_PREFS} is a {type(value).__name__}; it must be a dict" in text
    assert "COOKIE_NAME" in text


# Settings that change in tests


CHANGES = {
    "SECRET_KEY": (secrets.token_urlsafe(50), lambda: _key_ids()),
    "SECRET_KEY_FALLBACKS": ([secrets.token_urlsafe(50)], lambda: _key_ids()),
    "SECURE_SESSION": ({"AUDIENCE": "shop"}, lambda: get_config().audience),
    "CACHES": ({"sessions": CACHES["sessions"]}, lambda: _outcome()),
    "CSRF_COOKIE_NAME": ("sessionid", lambda: _outcome()),
    "LANGUAGE_COOKIE_NAME": ("sessionid", lambda: _outcome()),
    "SESSION_SERIALIZER": (
        "tests.test_conf.Plain",
        lambda: type(get_config().serializer),
    ),
    "SESSION_SAVE_EVERY_REQUEST": (True, lambda: get_config().save_every_request),
    "SESSION_EXPIRE_AT_BROWSER_CLOSE": (True, lambda: get_config().ends_with_browser),
    "SESSION_COOKIE_AGE": (100, lambda: get_config().cookie_age),
    "SESSION_COOKIE_NAME": ("sid", lambda: get_config().cookie_name),
    "SESSION_COOKIE_PATH": ("/a/", lambda: get_config().cookie.path),
    "SESSION_COOKIE_DOMAIN": ("example.com", lambda: get_config().cookie.domain),
    "SESSION_COOKIE_SECURE": (True, lambda: get_config().cookie.secure),
    "SESSION_COOKIE_HTTPONLY": (False, lambda: get_config().cookie.httponly),
    "SESSION_COOKIE_SAMESITE": ("Strict", lambda: get_config().cookie.samesite),
    "SESSION_COOKIE_PARTITIONED": (True, lambda: _outcome()),
}


def _key_ids() -> list[bytes]:
    return sorted(get_codec("default", "session").box.ids)


def _outcome() -> str:
    try:
        get_configs()
    except ImproperlyConfigured as problem:
        return str(problem)
    return "good"


def test_every_setting_that_is_read_is_tried_here():
    assert CHANGES.keys() == _READ_FROM


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_changes_in_a_test_counts_there_and_no_longer(name, settings):
    settings.SECURE_SESSION = {}
    value, read = CHANGES[name]
    before = read()
    with override_settings(**{name: value}):
        changed = read()

    assert changed != before
    assert read() == before


class Recorder:
    """Settings that note what is read of them."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def __getattr__(self, name: str):
        self.read.add(name)
        return getattr(django_settings, name)


def test_no_setting_is_read_whose_change_would_go_unnoticed(settings, monkeypatch):
    settings.SECURE_SESSION = {"SESSIONS": {"prefs": {}}}
    recorder = Recorder()
    package = __import__("django_secure_session.conf", fromlist=["conf"])
    for module in (package, keys, names, options):
        monkeypatch.setattr(module, "settings", recorder)
    get_configs.cache_clear()
    get_configs()

    assert recorder.read == _READ_FROM


def test_codecs_follow_the_settings(settings):
    site(settings, prefs={})
    token = sealed()
    site(settings, prefs={"KEY": OTHER})
    assert not opens("prefs", token)

    site(settings, prefs={})
    assert opens("prefs", token)


def test_a_wrong_setting_that_was_put_right_is_read_again(settings):
    site(settings, PLACEMENT="nowhere")
    error()
    site(settings, PLACEMENT="chunked")

    assert get_config().placement == "chunked"


def test_ages_are_whole_seconds(settings):
    settings.SESSION_COOKIE_AGE = 100.9
    site(settings)
    store = create_session({})

    assert get_config().cookie_age == 100
    assert store.get_expiry_age() == 100
    assert time.time() < store.expires_at.timestamp() <= time.time() + 100
