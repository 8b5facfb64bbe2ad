from __future__ import annotations

import sys
import types

import asgiref.sync
import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.core.checks.urls import check_url_config
from django.http import JsonResponse
from django.urls import (
    NoReverseMatch,
    Resolver404,
    converters,
    include,
    path,
    re_path,
    register_converter,
    resolve,
    reverse,
    reverse_lazy,
)
from django.urls.resolvers import get_resolver
from django.utils import translation
from django.utils.functional import lazy
from django.views.generic import RedirectView, View

from django_secure_session import (
    AuthenticatedMixin,
    any_of,
    authenticated,
    authorized,
    public,
)
from django_secure_session.guards.routes import guards_of, routes
from tests import urls as tests_urls
from tests.guard_views import (
    ADMIN,
    JSON,
    MEMBER,
    NOBODY,
    REQUIRED,
    apage,
    aspy,
    cookie_of,
    page,
    spy,
    urlconf,
)
from tests.guard_views import guarded_site as guarded_site
from tests.http import both

ADMINS = authenticated(roles=["admin"])
MEMBERS = authenticated(roles=["member"])


@pytest.fixture
def site(settings):
    """Return a function that makes patterns the URLs of the site."""

    def made_of(*patterns):
        settings.ROOT_URLCONF = urlconf(*patterns)

    return made_of


def arguments(request, **kwargs):
    return JsonResponse(kwargs)


class Hexadecimal:
    regex = "[0-9a-f]+"

    def to_python(self, value):
        return int(value, 16)

    def to_url(self, value):
        return f"{value:x}"


class Report(View):
    def get(self, request, **kwargs):
        return JsonResponse(kwargs)


def tree():
    """Return patterns of many kinds."""
    inner = [
        path("", page, name="index"),
        path("<slug:word>/", arguments, {"given": "inner"}, name="word"),
    ]
    return [
        path("", page, name="home"),
        path("same/", arguments, {"which": "first"}, name="same"),
        path("same/", arguments, {"which": "second"}, name="second"),
        path("int/<int:number>/", arguments, name="int"),
        path("number/<hexadecimal:number>/", arguments, name="hexadecimal"),
        re_path(r"^regex/(?P<year>[0-9]{4})/$", arguments, name="regex"),
        path("class/<int:pk>/", Report.as_view(), name="class"),
        path("async/", apage, name="async"),
        path("nameless/", page),
        path("moved/", RedirectView.as_view(url=reverse_lazy("home")), name="moved"),
        path("plain/", include(inner)),
        path("space/", include((inner, "app"), namespace="space")),
        path("other/", include((inner, "app"), namespace="other"), {"given": "outer"}),
        path("deep/<int:level>/", include([path("er/", include(inner))])),
    ]


PATHS = [
    *("/", "/same/", "/int/5/", "/number/ff/", "/regex/1999/", "/class/5/", "/async/"),
    *("/nameless/", "/moved/", "/plain/", "/plain/x/", "/space/", "/space/x/"),
    *("/other/", "/other/x/", "/deep/5/er/", "/deep/5/er/x/"),
]
WRONG_PATHS = ["/int/x/", "/number/x/", "/regex/1/", "/deep/5/", "/nothing/", "/same"]


@pytest.fixture(autouse=True, scope="module")
def _converter():
    register_converter(Hexadecimal, "hexadecimal")
    yield
    del converters.REGISTERED_CONVERTERS["hexadecimal"]
    converters.get_converters.cache_clear()


# Every view below is guarded


@pytest.mark.parametrize("place", PATHS)
def test_nobody_reaches_a_view_in_a_guarded_tree(site, place):
    site(path("in/", authenticated(include(tree()))))

    answer = both(path=f"/in{place}")
    assert (answer.status, answer.header("location")) == (
        302,
        f"/accounts/login/?next=/in{place}",
    )
    assert both(path=f"/in{place}", headers=JSON).status == 401


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("guard", [authenticated, ADMINS, any_of(ADMINS, authorized)])
def test_a_guarded_tree_answers_as_an_open_one(site, place, guard):
    site(path("", include(tree())))
    expected = both(path=place)
    site(path("", guard(include(tree()))))

    answer = both(cookie=cookie_of(), path=place)

    assert (answer.status, answer.body) == (expected.status, expected.body)
    assert answer.header("location") == expected.header("location")


@pytest.mark.parametrize("place", WRONG_PATHS)
@pytest.mark.parametrize("cookie", [NOBODY, cookie_of])
def test_a_path_that_no_view_has_stays_404_for_everybody(site, place, cookie):
    site(path("in/", authenticated(include(tree()))))

    sent = cookie() if callable(cookie) else cookie
    assert both(cookie=sent, path=f"/in{place}").status == 404


@pytest.mark.parametrize("make", [spy, aspy])
def test_a_view_in_a_guarded_tree_runs_once_or_not_at_all(site, make):
    view = make()
    site(path("in/", authenticated(include([path("page/", view)]))))

    both(path="/in/page/")
    assert view.calls == []
    both(cookie=cookie_of(), path="/in/page/")
    assert len(view.calls) == 2  # under WSGI and ASGI


def test_all_views_of_a_tree_have_the_guard(site):
    site(path("in/", ADMINS(include(tree()))))
    found = list(routes())

    assert len(found) == len(tree()) + 4  # four includes of two views each
    assert {route.guards for route in found} == {(ADMINS,)}


@pytest.mark.parametrize(
    "included",
    [
        lambda: include("tests.urls"),
        lambda: include(tests_urls),
        lambda: include(tests_urls.urlpatterns),
        lambda: include((tests_urls.urlpatterns, "app")),
        lambda: include((tests_urls.urlpatterns, "app"), namespace="space"),
        lambda: include(("tests.urls", "app")),
        lambda: include("tests.urls", namespace=None),
        lambda: include(urlconf(*tests_urls.urlpatterns)),
        lambda: (tests_urls.urlpatterns, None, None),
    ],
)
def test_whatever_include_takes_can_be_guarded(site, included):
    site(path("in/", include(tests_urls)))
    expected = [(route.path, route.view) for route in routes()]

    site(path("in/", authenticated(included())))

    assert [(route.path, route.view.__wrapped__) for route in routes()] == expected
    assert both(path="/in/untouched/").status == 302
    assert both(path="/in/untouched/", cookie=cookie_of()).body == b"ok"


def test_a_module_with_an_app_name_keeps_it(site, monkeypatch):
    module = types.ModuleType("shop_urls")
    module.app_name = "shop"
    module.urlpatterns = [path("page/", page, name="page")]
    monkeypatch.setitem(sys.modules, "shop_urls", module)
    site(
        path("a/", authenticated(include("shop_urls"))),
        path("b/", authenticated(include("shop_urls", namespace="second"))),
    )

    assert reverse("shop:page") == "/a/page/"
    assert reverse("second:page") == "/b/page/"
    assert resolve("/b/page/").app_names == ["shop"]


def test_what_is_included_stays_open_elsewhere(site):
    module = urlconf(path("page/", page))
    site(path("in/", authenticated(include(module))), path("out/", include(module)))

    assert both(path="/in/page/").status == 302
    assert both(path="/out/page/").status == 200
    assert module.urlpatterns[0].callback is page


def test_a_tree_can_be_included_under_several_guards(site):
    patterns = [path("page/", page)]
    site(path("a/", ADMINS(include(patterns))), path("b/", MEMBERS(include(patterns))))

    for cookie, statuses in [(cookie_of(ADMIN), (200, 403)), (NOBODY, (302, 302))]:
        found = (
            both(cookie=cookie, path="/a/page/"),
            both(cookie=cookie, path="/b/page/"),
        )

        assert tuple(answer.status for answer in found) == statuses


def test_guards_around_each_other_all_have_to_let_in(site):
    patterns = [path("page/", MEMBERS(page)), path("other/", page)]
    site(path("in/", authenticated(ADMINS(include(patterns)))))

    assert both(cookie=cookie_of(ADMIN), path="/in/page/").status == 403
    assert both(cookie=cookie_of(MEMBER), path="/in/page/").status == 403
    assert both(cookie=cookie_of(ADMIN), path="/in/other/").status == 200
    assert guards_of(resolve("/in/page/").func) == (authenticated(), ADMINS, MEMBERS)


def test_a_tree_in_a_guarded_tree_may_want_more(site):
    inner = ADMINS(include([path("page/", page)]))
    site(path("in/", authenticated(include([path("er/", inner), path("", page)]))))

    assert both(cookie=cookie_of(MEMBER), path="/in/").status == 200
    assert both(cookie=cookie_of(MEMBER), path="/in/er/page/").status == 403
    assert both(path="/in/er/page/").status == 302


def test_a_class_with_a_mixin_is_guarded_twice(site):
    class Page(AuthenticatedMixin, Report):
        required_roles = ("member",)

    site(path("in/", ADMINS(include([path("page/", Page.as_view())]))))

    for account in (ADMIN, MEMBER):
        assert both(cookie=cookie_of(account), path="/in/page/").status == 403


# public()


def test_a_public_tree_is_for_everybody_where_accounts_are_required(site, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REQUIRED]
    site(path("out/", public(include(tree()))), path("in/", include(tree())))

    assert both(path="/out/async/").status == 200
    assert both(path="/out/plain/x/").status == 200
    assert both(path="/in/plain/x/").status == 302


def test_a_guard_in_a_public_tree_still_guards(site):
    site(path("out/", public(include([path("page/", authenticated(page))]))))

    assert both(path="/out/page/").status == 302


def test_a_public_view_in_a_guarded_tree_is_guarded(site):
    site(path("in/", authenticated(include([path("page/", public(page))]))))

    assert both(path="/in/page/").status == 302


# Names and paths stay as they are


def seen(place):
    """Return what resolve() tells of a path, but for the view itself."""
    match = resolve(place)
    return {
        name: getattr(match, name)
        for name in (
            *("args", "kwargs", "url_name", "app_names", "namespaces", "view_name"),
            *("route", "captured_kwargs", "extra_kwargs", "_func_path"),
        )
    }


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("guard", [authenticated, public])
def test_a_path_resolves_to_the_same(site, place, guard):
    site(path("<slug:above>/", include(tree()), {"given": "root"}))
    expected = seen(f"/in{place}")

    site(path("<slug:above>/", guard(include(tree())), {"given": "root"}))

    assert seen(f"/in{place}") == expected


@pytest.mark.parametrize("place", WRONG_PATHS)
def test_what_was_tried_for_a_wrong_path_is_the_same(site, place):
    def tried():
        with pytest.raises(Resolver404) as error:
            resolve(f"/in{place}")
        return [[str(p.pattern) for p in way] for way in error.value.args[0]["tried"]]

    site(path("in/", include(tree())))
    expected = tried()
    site(path("in/", authenticated(include(tree()))))

    assert tried() == expected


NAMES = [
    ("home", {}),
    ("same", {}),
    ("second", {}),
    ("int", {"number": 5}),
    ("hexadecimal", {"number": 255}),
    ("regex", {"year": "1999"}),
    ("class", {"pk": 5}),
    ("index", {}),
    ("word", {"word": "x"}),
    ("space:word", {"word": "x"}),
    ("other:index", {}),
    ("app:index", {}),
]


@pytest.mark.parametrize(("name", "kwargs"), NAMES)
@pytest.mark.parametrize("guard", [authenticated, public])
def test_a_name_reverses_to_the_same(site, name, kwargs, guard):
    site(path("in/", include(tree())))
    expected = reverse(name, kwargs=kwargs)

    site(path("in/", guard(include(tree()))))

    assert reverse(name, kwargs=kwargs) == expected


def test_an_app_is_found_in_the_current_namespace(site):
    def inner():
        return include(([path("page/", page, name="page")], "app"), namespace="one")

    site(
        path("1/", authenticated(inner())),
        path("2/", authenticated((*inner()[:2], "two"))),
    )

    assert reverse("app:page", current_app="one") == "/1/page/"
    assert reverse("app:page", current_app="two") == "/2/page/"


def test_a_view_function_in_a_guarded_tree_needs_a_name_to_be_reversed(site):
    site(path("in/", authenticated(include([path("page/", page)]))))

    with pytest.raises(NoReverseMatch):
        reverse(page)


def test_a_view_function_that_is_guarded_itself_can_be_reversed(site):
    guarded = authenticated(page)
    site(path("page/", guarded))

    assert reverse(guarded) == "/page/"


def test_the_kwargs_of_all_levels_reach_the_view(site):
    inner = include([path("<slug:b>/", arguments, {"c": 3})])
    middle = authenticated(include([path("<slug:a>/", inner, {"d": 4})]))
    site(path("in/", middle, {"e": 5}))

    answer = both(cookie=cookie_of(), path="/in/1/2/")
    assert answer.json() == {"a": "1", "b": "2", "c": 3, "d": 4, "e": 5}


def test_coroutine_functions_of_a_tree_stay_coroutine_functions(site):
    site(path("in/", authenticated(include(tree()))))

    assert asgiref.sync.iscoroutinefunction(resolve("/in/async/").func)
    assert not asgiref.sync.iscoroutinefunction(resolve("/in/same/").func)


def test_the_class_of_a_view_in_a_tree_can_be_found(site):
    site(path("in/", authenticated(include(tree()))))

    assert resolve("/in/class/5/").func.view_class is Report


def test_djangos_checks_find_nothing_wrong(site):
    site(path("in/", authenticated(include(tree()))))

    assert check_url_config(None) == []


# The admin


@pytest.fixture
def _admin_site(site):
    site(path("admin/", authenticated(roles=["staff"])(admin.site.urls)))


@pytest.mark.usefixtures("_admin_site")
def test_the_admin_can_be_guarded():
    place = reverse("admin:auth_user_changelist")

    assert place == "/admin/auth/user/"
    assert both(path=place).status == 302
    assert both(path=place).header("location") == f"/accounts/login/?next={place}"
    assert both(path=place, cookie=cookie_of(MEMBER)).status == 403
    assert {route.name.partition(":")[0] for route in routes()} == {"admin", ""}


@pytest.mark.usefixtures("_admin_site")
def test_the_log_in_of_a_guarded_admin_is_guarded_too():
    assert both(path=reverse("admin:login")).status == 302


@pytest.mark.usefixtures("_admin_site")
def test_names_in_a_guarded_admin_are_those_of_the_admin(site):
    guarded = [(route.path, route.name) for route in routes()]
    site(path("admin/", admin.site.urls))

    assert guarded == [(route.path, route.name) for route in routes()]
    assert reverse("admin:index") == "/admin/"


# Languages


def in_language(text):
    """Return a text that depends on the language, as gettext_lazy() does."""
    return lazy(lambda: f"{translation.get_language()}-{text}", str)()


def test_translated_paths_of_a_tree_are_translated_when_they_are_used(site):
    inner = [path(in_language("page/"), page, name="page")]
    site(path(in_language("in/"), authenticated(include(inner))))

    for language in ("de", "fr"):
        with translation.override(language):
            place = reverse("page")

            assert place == f"/{language}-in/{language}-page/"
            assert guards_of(resolve(place).func) == (authenticated(),)


def test_a_guarded_tree_may_stand_in_i18n_patterns(site, settings):
    locale = "django.middleware.locale.LocaleMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, locale]
    inner = [path("page/", page, name="page")]
    site(*i18n_patterns(path("in/", authenticated(include(inner)))))

    with translation.override("de"):
        assert reverse("page") == "/de/in/page/"
    assert both(path="/de/in/page/").header("location").endswith("next=/de/in/page/")
    assert both(path="/de/in/page/", cookie=cookie_of()).status == 200


# Odd trees


@pytest.mark.parametrize("wrong", [([], "app"), ([],), ([], "app", "space", 1)])
def test_what_include_has_not_returned_is_refused_at_import(wrong):
    with pytest.raises(TypeError, match=r'^A guard takes include\("\.\.\."\), not '):
        authenticated(wrong)


def test_a_list_of_patterns_is_refused_at_import():
    with pytest.raises(TypeError, match="takes a view alone, @authenticated, or opti"):
        authenticated([path("page/", page)])


@pytest.mark.parametrize("guard", [authenticated, lambda tree: public(ADMINS(tree))])
def test_patterns_that_a_module_gets_later_are_guarded_too(site, guard):
    module = urlconf(path("page/", page))
    included = guard(include(module))
    module.urlpatterns.append(path("later/", page))
    site(path("in/", included))

    assert guards_of(resolve("/in/later/").func) == guards_of(resolve("/in/page/").func)
    assert both(path="/in/later/").status == 302


def test_an_empty_tree_can_be_guarded(site):
    site(path("in/", authenticated(include([]))))

    assert both(path="/in/").status == 404


def test_a_request_for_a_tree_makes_no_new_views(site):
    site(path("in/", authenticated(include(tree()))))
    one = resolve("/in/same/").func

    assert resolve("/in/same/").func is one
    assert get_resolver().resolve("/in/same/").func is one


def test_a_tree_that_includes_itself_can_be_guarded(site):
    # Django resolves a tree as far as a path needs.
    module = urlconf(path("page/", page))
    module.urlpatterns.append(path("again/", (module, None, None)))
    site(path("in/", ADMINS(include(module))))

    for place in ("/in/page/", "/in/again/page/", "/in/again/again/page/"):
        assert guards_of(resolve(place).func) == (ADMINS,)
