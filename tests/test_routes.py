from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.views import LoginView
from django.http import HttpResponseRedirect
from django.test import override_settings
from django.urls import include, path, re_path, reverse, set_urlconf
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView

from django_secure_session import any_of, authenticated, authorized, public
from django_secure_session.guards.routes import (
    Route,
    guards_of,
    reauthenticate_view,
    routes,
)
from django_secure_session.views import ReauthenticateView
from tests.guard_views import apage, cookie_of, page, spy, urlconf
from tests.guard_views import guarded_site as guarded_site
from tests.http import both, wsgi
from tests.visits import site as options

confirm = ReauthenticateView.as_view()
FRESH = authenticated(fresh=timedelta(minutes=1))


@pytest.fixture
def site(settings):
    """Return a function that makes patterns the URLs of the site."""

    def made_of(*patterns):
        settings.ROOT_URLCONF = urlconf(*patterns)

    return made_of


# The views of a URLconf


def test_a_site_without_urls_has_no_routes(site):
    site()

    assert list(routes()) == []


def test_a_route_tells_path_name_and_view(site):
    site(path("page/<int:pk>/", page, name="page"))

    assert list(routes()) == [Route("/page/<int:pk>/", "page", page)]


def test_a_route_without_a_name_has_an_empty_one(site):
    inner = ([path("", page)], "app")
    site(path("a/", page), path("b/", include(inner)))

    assert [route.name for route in routes()] == ["", ""]


def test_names_have_the_namespaces_that_reverse_wants(site):
    inner = [path("page/", page, name="page")]
    deep = [path("c/", include((inner, "inner"))), path("d/", include(inner))]
    site(
        path("a/", include(inner)),
        path("b/", include((deep, "outer"), namespace="one")),
    )
    found = {route.name: route.path for route in routes()}

    assert list(found) == ["page", "one:inner:page", "one:page"]
    assert {name: reverse(name) for name in found} == found


def test_paths_are_put_together_from_their_parts(site):
    inner = re_path(r"^b\d/", include([path("c", page)]))
    site(path("a/<int:x>/", include([inner])))

    assert [route.path for route in routes()] == [r"/a/<int:x>/^b\d/c"]


def test_another_urlconf_than_the_sites_can_be_named(site):
    site(path("page/", page))

    assert "untouched" in [route.name for route in routes("tests.urls")]


def test_a_route_knows_the_guards_of_its_view(site):
    site(path("a/", authenticated(public(page))), path("b/", page))

    assert [route.guards for route in routes()] == [(authenticated(), _PUBLIC), ()]


_PUBLIC = guards_of(public(page))[0]


class Methods(View):
    @method_decorator(authenticated(org=True))
    def get(self, request):
        raise NotImplementedError

    @method_decorator([authenticated(roles=["admin"])])
    def post(self, request):
        raise NotImplementedError

    def put(self, request):
        raise NotImplementedError


def test_a_route_knows_the_guards_on_methods(site):
    site(path("a/", Methods.as_view()), path("b/", page))
    route, other = routes()

    assert route.guards == ()
    assert route.method_guards == {
        "get": (authenticated(org=True),),
        "post": (authenticated(roles=["admin"]),),
        "put": (),
    }
    assert other.method_guards == {}


def test_a_class_without_guards_on_methods_has_none_there(site):
    site(path("a/", authenticated(RedirectView.as_view(url="/"))))
    (route,) = routes()

    assert route.guards == (authenticated(),)
    assert route.method_guards == {}


def test_a_route_knows_what_its_guards_want_wherever_they_are(site):
    keys = authorized(scopes=["a"])
    site(
        path("a/", any_of(authenticated, keys)(Methods.as_view())),
        path("b/", public(page)),
        path("c/", page),
    )
    wanted, *others = routes()

    assert [str(policy) for policy in wanted.policies] == [
        "authenticated",
        "authorized(scopes=['a'])",
        "authenticated(org=True)",
        "authenticated(roles=['admin'])",
    ]
    assert [route.policies for route in others] == [[], []]


@pytest.mark.parametrize("thing", [page, apage, None, object(), "page"])
def test_what_nobody_guarded_has_no_guards(thing):
    assert guards_of(thing) == ()


# The page to confirm who one is


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (path("sudo/", confirm, name="sudo"), "sudo"),
        (path("in/", include(([path("", confirm, name="a")], "x"))), "x:a"),
        (path("in/", authenticated(include([path("", confirm, name="a")]))), "a"),
        (path("a/", never_cache(confirm), name="a"), "a"),
        (path("a/", authenticated(confirm), name="a"), "a"),
        (path("a/", type("Own", (ReauthenticateView,), {}).as_view(), name="a"), "a"),
        (path("a/", confirm), confirm),
        (path("a/", LoginView.as_view(), name="a"), None),
        (path("a/", page, name="a"), None),
    ],
)
def test_the_sites_page_to_confirm_who_one_is_is_found(site, pattern, found):
    site(path("first/", page), pattern, path("last/", page))

    assert reauthenticate_view() == found


def test_the_first_of_several_is_taken(site):
    site(path("a/", page), path("b/", confirm, name="b"), path("c/", confirm, name="c"))

    assert reauthenticate_view() == "b"


def test_it_is_looked_for_once(site, monkeypatch):
    site(path("a/", confirm, name="a"))
    assert reauthenticate_view() == "a"

    monkeypatch.setattr("django_secure_session.guards.routes.routes", None)

    assert reauthenticate_view() == "a"


def test_other_urls_are_searched_anew(site):
    site(path("a/", confirm, name="a"))
    assert reauthenticate_view() == "a"

    with override_settings(ROOT_URLCONF=urlconf(path("b/", confirm, name="b"))):
        assert reauthenticate_view() == "b"
    with override_settings(LOGIN_URL="/elsewhere/"):
        assert reauthenticate_view() == "a"
    assert reauthenticate_view() == "a"


def where_from(view, place="/page/"):
    """Return where the visitor with an old log-in is sent for a view."""
    answer = both(path=place, cookie=cookie_of(ago=3600))
    assert answer.status == 302
    return answer.header("location")


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (path("sudo/", confirm, name="sudo"), "/sudo/"),
        (path("sudo/", confirm), "/sudo/"),
        (path("in/", include(([path("", confirm, name="a")], "x"))), "/in/"),
        # Django reverses nothing without a name in a namespace.
        (path("in/", include(([path("", confirm)], "x"))), "/accounts/login/"),
        (path("in/", authenticated(include([path("", confirm)]))), "/in/"),
        (path("none/", page), "/accounts/login/"),
    ],
)
def test_an_old_log_in_is_sent_to_that_page(site, pattern, place):
    site(path("page/", FRESH(page)), pattern)

    assert where_from(page) == f"{place}?next=/page/"


def test_a_page_that_needs_arguments_is_not_the_one_to_send_people_to(site):
    site(path("page/", FRESH(page)), path("<slug:org>/sudo/", confirm, name="sudo"))

    assert where_from(page) == "/accounts/login/?next=/page/"


OTHER_URLS = urlconf(path("page/", FRESH(page)))


def other_urls(get_response):
    """Serve one host with URLs of its own, as libraries for subdomains do."""

    def middleware(request):
        if request.get_host() == "other.example.com":
            request.urlconf = OTHER_URLS
        return get_response(request)

    return middleware


def test_a_host_with_other_urls_does_not_decide_for_the_site(site):
    site(path("sudo/", confirm, name="sudo"))

    set_urlconf(OTHER_URLS)
    reauthenticate_view()
    set_urlconf(None)

    assert reauthenticate_view() == "sudo"


def test_a_host_without_that_page_sends_people_to_log_in(site, settings):
    settings.MIDDLEWARE = ["tests.test_routes.other_urls", *settings.MIDDLEWARE]
    site(path("page/", FRESH(page)), path("sudo/", confirm, name="sudo"))

    assert where_from(page) == "/sudo/?next=/page/"
    answer = wsgi(path="/page/", cookie=cookie_of(ago=3600), host="other.example.com")
    assert answer.header("location") == "/accounts/login/?next=/page/"


def test_the_setting_goes_before_what_is_found(site, settings):
    settings.SECURE_SESSION = options(REAUTHENTICATE_URL="/own/?a=1")
    site(path("page/", FRESH(page)), path("sudo/", confirm))

    assert where_from(page) == "/own/?a=1&next=/page/"


@pytest.mark.parametrize("make", [spy])
def test_a_redirect_of_the_view_itself_is_left_alone(site, make):
    site(path("page/", FRESH(lambda request: HttpResponseRedirect("/there/"))))

    answer = both(path="/page/", cookie=cookie_of())
    assert answer.header("location") == "/there/"


def test_a_subclass_on_whose_dispatch_is_a_guard_is_found(site):
    own = type("Own", (ReauthenticateView,), {})
    guarded = method_decorator(authenticated, name="dispatch")(own)
    site(path("a/", guarded.as_view(), name="a"))

    assert reauthenticate_view() == "a"


@pytest.mark.parametrize("guard", [authenticated, lambda included: included])
def test_a_tree_that_includes_itself_has_an_end(site, guard):
    # Django resolves a tree as far as a path needs.
    module = urlconf(path("page/", page))
    module.urlpatterns.append(path("again/", (module, None, None)))
    site(path("in/", guard(include(module))), path("last/", page))
    found = [route.path for route in routes()]

    assert (found[0], found[-1]) == ("/in/page/", "/last/")


def test_a_tree_that_stands_in_two_places_is_listed_in_both(site):
    module = urlconf(path("page/", page))
    twice = [path("a/", include(module)), path("b/", include(module))]
    site(*twice, path("c/", include(twice)))

    assert [route.path for route in routes()] == [
        *("/a/page/", "/b/page/", "/c/a/page/", "/c/b/page/"),
    ]
