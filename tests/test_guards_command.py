from __future__ import annotations

import functools
import io
import re
from datetime import timedelta

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.generic import View

from django_secure_session import (
    AuthenticatedMixin,
    any_of,
    authenticated,
    authorized,
    public,
)
from tests.guard_views import REQUIRED, apage, page, urlconf
from tests.guard_views import guarded_site as guarded_site
from tests.test_main import run_python

LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


@pytest.fixture
def site(settings):
    """Return a function that makes patterns the URLs of the site."""

    def made_of(*patterns):
        settings.ROOT_URLCONF = urlconf(*patterns)

    return made_of


def printed(*arguments) -> str:
    out = io.StringIO()
    call_command("guards", *arguments, stdout=out)
    return out.getvalue()


def table() -> list[tuple[str, ...]]:
    """Return the cells of what is printed."""
    return [tuple(re.split("  +", line)) for line in printed().splitlines()]


class Report(View):
    def get(self, request):
        return HttpResponse("shown")

    def post(self, request):
        return HttpResponse("saved")


class Callable:
    def __call__(self, request):
        return HttpResponse("shown")

    def method(self, request):
        return HttpResponse("shown")


def guards() -> list[str]:
    return [guard for _, guard, _ in table()]


# The table


def test_each_url_has_a_line_with_its_guard_and_its_view(site):
    site(
        path("", public(page)),
        path("reports/<int:pk>/", authenticated(org=True)(Report.as_view())),
        path("open/", apage),
    )

    assert printed().splitlines() == [
        "/                   public                   tests.guard_views.page",
        "/reports/<int:pk>/  authenticated(org=True)  tests.test_guards_command.Report",
        "/open/              -                        tests.guard_views.apage",
    ]


def test_the_columns_are_aligned_and_no_line_ends_with_a_space(site):
    site(
        path("a/", page),
        path("a/very/long/path/", authenticated(roles=["admin", "owner"])(page)),
        path("b/", Report.as_view()),
    )
    lines = printed().splitlines()

    assert {line.index("tests.") for line in lines} == {lines[0].index("tests.")}
    assert lines[0].index(" - ") == lines[1].index(" authenticated(")
    assert all(line == line.rstrip() for line in lines)


def test_a_site_without_urls_has_an_empty_table(site):
    site()

    assert printed() == ""
    assert printed("--fail-unguarded", "/") == ""


@pytest.mark.parametrize(
    ("guard", "text"),
    [
        (authenticated, "authenticated"),
        (
            authenticated(roles=["admin", "owner"], verified=True, org=True),
            "authenticated(roles=['admin', 'owner'], verified=True, org=True)",
        ),
        (
            authenticated(fresh=timedelta(minutes=10)),
            "authenticated(fresh=0:10:00)",
        ),
        (authorized(scopes=["a:read"]), "authorized(scopes=['a:read'])"),
        (
            any_of(authenticated, authorized(scopes=["a"])),
            "any_of(authenticated, authorized(scopes=['a']))",
        ),
        (public, "public"),
    ],
)
def test_a_guard_is_shown_as_it_is_written(site, guard, text):
    site(path("f/", guard(page)), path("i/", guard(include([path("", apage)]))))

    assert guards() == [text] * 2


def test_several_guards_on_a_view_are_joined_outer_first(site):
    admins = authenticated(roles=["admin"])
    site(path("", authenticated(org=True)(include([path("", admins(page))]))))

    assert guards() == ["authenticated(org=True) + authenticated(roles=['admin'])"]


def test_a_mixin_is_shown_as_the_decorator(site):
    class Guarded(AuthenticatedMixin, Report):
        required_roles = ("admin",)

    site(path("a/", Guarded.as_view()), path("b/", Guarded.as_view(required_org=True)))

    assert guards() == [
        "authenticated(roles=['admin'])",
        "authenticated(roles=['admin'], org=True)",
    ]


def test_a_guard_on_dispatch_is_that_of_the_view(site):
    guarded = method_decorator(authenticated, name="dispatch")(type("R", (Report,), {}))
    site(path("", guarded.as_view()))

    assert guards() == ["authenticated"]


def test_guards_on_methods_are_shown_with_the_method(site):
    class Methods(Report):
        @method_decorator(authenticated)
        def get(self, request):
            raise NotImplementedError

        @method_decorator([authenticated(org=True)])
        def post(self, request):
            raise NotImplementedError

    site(path("", Methods.as_view()))

    assert guards() == ["get: authenticated; post: authenticated(org=True)"]


def test_a_method_without_a_guard_is_shown_beside_those_that_have_one(site):
    site(path("", guarded_get().as_view()))

    (guard,) = guards()
    assert guard.startswith("get: authenticated; post: -")


def guarded_get():
    """Return a class that guards one of its methods."""
    return method_decorator(authenticated, name="get")(type("Half", (Report,), {}))


def test_the_other_methods_have_the_guard_of_the_middleware(site, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REQUIRED]
    site(path("", guarded_get().as_view()))

    assert "AccountRequiredMiddleware" in guards()[0]


def test_what_a_method_wants_beside_its_class_is_shown(site):
    class Guarded(AuthenticatedMixin, Report):
        @method_decorator(authenticated(roles=["admin"]))
        def post(self, request):
            raise NotImplementedError

    site(path("", Guarded.as_view()))

    assert "post: authenticated(roles=['admin'])" in guards()[0]
    assert guards()[0].startswith("authenticated")


# Names and paths


def test_a_path_is_the_whole_way_to_the_view(site):
    inner = [path("", page), path("<slug:word>/", page), re_path(r"^r/(\d+)/$", page)]
    site(path("a/<int:pk>/", include([path("b/", include(inner))])))

    assert [cells[0] for cells in table()] == [
        "/a/<int:pk>/b/",
        "/a/<int:pk>/b/<slug:word>/",
        r"/a/<int:pk>/b/^r/(\d+)/$",
    ]


def test_urls_stand_in_the_order_of_the_urlconf(site):
    site(path("b/", page), path("c/", include([path("a/", page)])), path("a/", page))

    assert [cells[0] for cells in table()] == ["/b/", "/c/a/", "/a/"]


def test_views_in_namespaces_are_listed_too(site):
    inner = ([path("a/", authenticated(page), name="a")], "app")
    site(path("1/", include(inner)), path("2/", include(inner, namespace="two")))

    assert [cells[:2] for cells in table()] == [
        ("/1/a/", "authenticated"),
        ("/2/a/", "authenticated"),
    ]


@pytest.mark.parametrize("language", ["de", "fr"])
def test_paths_are_those_of_the_language(site, language):
    site(*i18n_patterns(path("a/", page), path("b/", authenticated(page))))

    with translation.override(language):
        assert [cells[:2] for cells in table()] == [
            (f"/{language}/a/", "-"),
            (f"/{language}/b/", "authenticated"),
        ]


ODD = {
    "function": page,
    "coroutine function": apage,
    "class": Report.as_view(),
    "lambda": lambda request: HttpResponse(),
    "method": Callable().method,
    "object": Callable(),
    "partial": functools.partial(page, a=1),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_guard_does_not_hide_which_view_it_guards(site, kind):
    view = ODD[kind]
    site(
        path("", view),
        path("", authenticated(view)),
        path("", public(view)),
        path("", authenticated(include([path("", public(view))]))),
    )
    names = {cells[2] for cells in table()}

    assert len(names) == 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("class", "tests.test_guards_command.Report"),
        ("lambda", "tests.test_guards_command.<lambda>"),
        ("method", "tests.test_guards_command.Callable.method"),
        ("object", "tests.test_guards_command.Callable"),
    ],
)
def test_a_view_is_named_after_its_code(site, kind, name):
    site(path("", ODD[kind]))

    assert table()[0][2] == name


SITE_URLS = """
from django.http import HttpResponse
from django.urls import path
from django_secure_session import authenticated

def open_view(request):
    return HttpResponse()

@authenticated(roles={"owner", "admin", "member", "guest", "billing", "support"})
def guarded_view(request):
    return HttpResponse()

urlpatterns = [
    path("open/", open_view),
    path("api/guarded/", guarded_view),
    path("api/open/", open_view),
]
"""
SITE_SETTINGS = """
import secrets

SECRET_KEY = secrets.token_urlsafe(50)
INSTALLED_APPS = [
    "django_secure_session", "django.contrib.contenttypes", "django.contrib.auth"
]
MIDDLEWARE = [
    "django_secure_session.middleware.SecureSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_secure_session.middleware.AccountMiddleware",
]
ROOT_URLCONF = "site_urls"
SECURE_SESSION = {"KEY": secrets.token_bytes(32)}
SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
"""


def manage(folder, *arguments):
    """Run a command of a site of its own, as manage.py does."""
    (folder / "site_settings.py").write_text(SITE_SETTINGS, "utf-8")
    (folder / "site_urls.py").write_text(SITE_URLS, "utf-8")
    return run_python("-m", "django", *arguments, folder=folder, site="site_settings")


def test_each_run_prints_the_same(tmp_path, monkeypatch):
    found = set()
    for seed in ("1", "2", "3"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        found.add(manage(tmp_path, "guards").stdout)

    assert len(found) == 1


# What guards a view without a guard of its own


@pytest.mark.parametrize(
    ("middleware", "guard"),
    [
        (REQUIRED, "authenticated (AccountRequiredMiddleware)"),
        (
            "django_secure_session.middleware.accounts.AccountRequiredMiddleware",
            "authenticated (AccountRequiredMiddleware)",
        ),
        (LOGIN_REQUIRED, "log-in (LoginRequiredMiddleware)"),
        (
            "tests.test_guards_command.OwnLoginRequired",
            "log-in (LoginRequiredMiddleware)",
        ),
    ],
)
def test_a_middleware_guards_what_has_no_guard_of_its_own(
    site, settings, middleware, guard
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
    site(
        path("a/", page),
        path("b/", authenticated(org=True)(page)),
        path("c/", public(page)),
        path("d/", login_not_required(lambda request: HttpResponse())),
    )

    exempt = "public (login_not_required)"
    assert guards() == [guard, "authenticated(org=True)", "public", exempt]


class OwnLoginRequired(LoginRequiredMiddleware):
    pass


def test_of_two_middlewares_the_stricter_one_is_named(site, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED, REQUIRED]
    site(path("a/", page))

    assert guards() == ["authenticated (AccountRequiredMiddleware)"]


# --fail-unguarded


@pytest.fixture
def _api(site):
    inner = [path("open/", page), path("guarded/", authenticated(page))]
    site(
        path("", page),
        path("api/", include([*inner, path("public/", public(page))])),
        path("apis/", page),
        path("safe/", authenticated(include(inner))),
    )


@pytest.mark.usefixtures("_api")
@pytest.mark.parametrize(
    ("prefixes", "unguarded"),
    [
        (["/api/"], "/api/open/"),
        (["/api/open/"], "/api/open/"),
        (["/api"], "/api/open/, /apis/"),
        (["/safe/", "/apis/"], "/apis/"),
        (["/apis/", "/api/"], "/api/open/, /apis/"),
        (["/api/", "/api/"], "/api/open/"),
        (["/"], "/, /api/open/, /apis/"),
    ],
)
def test_views_without_a_guard_below_a_prefix_are_told(prefixes, unguarded):
    options = [f"--fail-unguarded={prefix}" for prefix in prefixes]

    with pytest.raises(CommandError) as error:
        printed(*options)

    assert str(error.value) == f"Without a guard: {unguarded}"
    assert error.value.returncode == 1


@pytest.mark.usefixtures("_api")
@pytest.mark.parametrize(
    "prefixes", [[], ["/safe/"], ["/api/guarded/", "/api/public/"]]
)
def test_a_site_with_guards_passes_with_its_table(prefixes):
    options = [f"--fail-unguarded={prefix}" for prefix in prefixes]

    assert printed(*options) == printed()


@pytest.mark.usefixtures("_api")
def test_the_table_is_printed_where_something_is_unguarded_too():
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("guards", "--fail-unguarded", "/", stdout=out)

    assert out.getvalue() == printed()


@pytest.mark.usefixtures("_api")
def test_a_middleware_that_guards_all_views_is_enough(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REQUIRED]

    assert "AccountRequiredMiddleware" in printed("--fail-unguarded", "/")


def test_a_view_that_django_s_decorator_opens_is_open_on_purpose(site, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    site(path("api/", login_not_required(lambda request: HttpResponse())))

    printed("--fail-unguarded", "/api/")


def test_a_class_with_a_method_that_has_no_guard_is_unguarded(site):
    site(path("api/", guarded_get().as_view()))

    with pytest.raises(CommandError, match="Without a guard: /api/"):
        printed("--fail-unguarded", "/api/")


@pytest.mark.parametrize("role", ["co-owner", "-", "get: -"])
def test_a_guard_is_one_whatever_its_roles_are_called(site, role):
    guard = authenticated(roles=[role])
    methods = method_decorator(guard, name="get")(type("M", (View,), {"get": page}))
    site(path("api/a/", guard(page)), path("api/b/", methods.as_view()))

    printed("--fail-unguarded", "/api/")


def test_a_class_all_of_whose_methods_have_a_guard_is_guarded(site):
    both = method_decorator(authenticated, name="post")(guarded_get())
    site(path("api/", both.as_view()))

    printed("--fail-unguarded", "/api/")


@pytest.mark.parametrize("route", [r"^api/open/$", r"^api/(?P<pk>\d+)/$", r"api/"])
def test_a_regular_expression_below_a_prefix_counts(site, route):
    site(re_path(route, page))

    with pytest.raises(CommandError, match="Without a guard"):
        printed("--fail-unguarded", "/api/")


def test_what_a_regular_expression_escapes_counts_as_it_is_meant(site):
    site(re_path(r"^api/v1\.0/a\-b/$", page))

    with pytest.raises(CommandError, match="Without a guard"):
        printed("--fail-unguarded", "/api/v1.0/a-b/")


def test_a_regular_expression_in_an_included_urlconf_counts(site):
    site(path("api/", include([re_path(r"^open/\d*$", page)])))

    with pytest.raises(CommandError, match="Without a guard"):
        printed("--fail-unguarded", "/api/open/")


@pytest.mark.usefixtures("_api")
def test_a_prefix_may_leave_out_the_first_slash():
    with pytest.raises(CommandError, match=r"Without a guard: /api/open/$"):
        printed("--fail-unguarded", "api/")


@pytest.mark.parametrize(
    ("prefix", "status", "message"),
    [
        ("/api/", 1, "CommandError: Without a guard: /api/open/\n"),
        ("/api/guarded/", 0, ""),
    ],
)
def test_manage_py_ends_with_a_status(tmp_path, prefix, status, message):
    result = manage(tmp_path, "guards", "--fail-unguarded", prefix)

    assert (result.returncode, result.stderr) == (status, message)
    assert len(result.stdout.splitlines()) == 3


def test_manage_py_wants_a_prefix(tmp_path):
    result = manage(tmp_path, "guards", "--fail-unguarded")

    assert result.returncode == 2
    assert "--fail-unguarded: expected one argument" in result.stderr
