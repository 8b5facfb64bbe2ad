"""AccountRequiredMiddleware, and Django's LoginRequiredMiddleware beside the guards."""

from __future__ import annotations

import itertools
from contextlib import closing
from datetime import timedelta

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.vary import vary_on_headers
from django.views.generic import RedirectView, TemplateView
from django.views.static import serve

from django_secure_session import (
    AuthenticatedMixin,
    AuthorizedMixin,
    any_of,
    authenticated,
    authorized,
    public,
)
from django_secure_session.middleware import AccountRequiredMiddleware
from django_secure_session.views import ReauthenticateView
from tests import http_guards
from tests.http import SERVERS, both, wsgi
from tests.http_guards import (
    FETCH,
    KINDS,
    LOGIN_REQUIRED,
    PAGE,
    REQUIRED,
    STACK,
    STOCK,
    asking,
    entered,
    home,
    location,
    signed_in,
    urlconf,
    views_in,
)

SERVER = pytest.mark.parametrize("server", SERVERS)
KIND = pytest.mark.parametrize("kind", KINDS)
STACKED = pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = [*STACK, REQUIRED]
    settings.LOGIN_URL = "/log-in/"


# Views without a guard


@KIND
@SERVER
@STACKED
def test_a_view_without_a_guard_wants_an_account(settings, server, kind, stack):
    settings.MIDDLEWARE = [*stack, REQUIRED]
    view = KINDS[kind]()
    assert location(server(view, headers=PAGE)) == "/log-in/?next=/"
    assert server(view, headers=FETCH).status == 401
    assert entered(server(view, signed_in()))


@KIND
@SERVER
@pytest.mark.parametrize("headers", [{}, PAGE, FETCH], ids=["none", "page", "fetch"])
def test_its_answer_is_that_of_authenticated(settings, server, kind, headers):
    gated = server(KINDS[kind](), headers=headers)
    settings.MIDDLEWARE = STACK
    assert gated == server(KINDS[kind](authenticated()), headers=headers)


def test_a_view_that_is_refused_does_not_run():
    ran = []
    both(lambda request: ran.append(request))
    assert ran == []


@pytest.mark.parametrize(
    "view",
    [
        TemplateView.as_view(template_name="admin/login.html"),
        RedirectView.as_view(url="/elsewhere/"),
        login_required(http_guards.view),
        http_guards.on_dispatch(http_guards.Page, login_required),
        type("Callable", (), {"__call__": lambda self, request: None})(),
        asking(lambda request: request.authenticated()),
    ],
)
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_no_view_is_forgotten(view, headers):
    assert both(view, headers=headers).status == (302 if headers is PAGE else 401)


def test_static_files_are_views_too(tmp_path):
    (tmp_path / "plan.txt").write_text("the plan")

    def view(request):
        return serve(request, "plan.txt", document_root=str(tmp_path))

    assert wsgi(view, headers=FETCH).status == 401
    assert wsgi(view, signed_in()).body == b"the plan"


@pytest.fixture
def site_urls(settings, tmp_path, db):
    """The URLs of a site, and a client that asks as a browser does."""
    (tmp_path / "plan.txt").write_text("the plan")
    inner = [path("deep/", http_guards.view, name="deep")]
    settings.ROOT_URLCONF = urlconf(
        path("", http_guards.view),
        path("tree/", include((inner, "tree"))),
        path("static/<path:path>", serve, {"document_root": str(tmp_path)}),
        path("admin/", admin.site.urls),
        path("log-in/", LoginView.as_view(template_name="admin/login.html")),
        path("again/", ReauthenticateView.as_view()),
    )
    return Client(headers=PAGE)


GATED = ["/", "/tree/deep/", "/static/plan.txt", "/admin/", "/admin/auth/user/"]


@pytest.mark.parametrize("url", GATED)
def test_each_url_of_a_site_is_gated(site_urls, url):
    response = site_urls.get(url)
    assert response.status_code == 302
    assert response["Location"] == f"/log-in/?next={url}"


def test_who_is_logged_in_may_go_anywhere(site_urls):
    site_urls.force_login(get_user_model().objects.create_superuser("root"))
    for url in [*GATED, "/admin/login/?next=/admin/"]:
        with closing(site_urls.get(url, follow=True)) as response:
            assert response.status_code == 200


def test_the_log_in_itself_is_open(site_urls):
    get_user_model().objects.create_user("ann", password="right")
    assert site_urls.get("/log-in/").status_code == 200
    form = {"username": "ann", "password": "right"}
    done = site_urls.post("/log-in/?next=/tree/deep/", form)
    assert (done.status_code, done["Location"]) == (302, "/tree/deep/")
    assert site_urls.get("/tree/deep/").status_code == 200


def test_the_log_in_of_the_admin_is_open(site_urls):
    assert site_urls.get("/admin/login/").status_code == 200


def test_a_confirmation_is_for_who_is_logged_in(site_urls):
    assert site_urls.get("/again/")["Location"] == "/log-in/?next=/again/"


@pytest.mark.parametrize("url", ["/no-such-page/", "/static", "/tree/"])
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_a_page_that_is_not_there_is_not_found(site_urls, url, headers):
    assert site_urls.get(url, headers=headers).status_code == 404


def test_a_file_that_is_not_there_is_not_told_of(site_urls):
    assert site_urls.get("/static/no-such-file.txt").status_code == 302


@pytest.mark.parametrize("debug", [False, True])
def test_a_page_for_404_shows_with_debug_too(settings, site_urls, debug):
    settings.DEBUG = debug
    assert site_urls.get("/no-such-page/").status_code == 404


# Views that are marked

MARKS = [public, login_not_required]


@KIND
@SERVER
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_a_marked_view_is_for_everybody(server, kind, mark, headers):
    answer = server(KINDS[kind](mark), headers=headers)
    assert entered(answer)
    assert answer.header("vary") is None


def test_a_marked_tree_is_for_everybody():
    tree = include(([path("", http_guards.view), path("x/", http_guards.aview)], "t"))
    for view in views_in(public(tree)):
        assert entered(both(view))


@pytest.mark.parametrize("base", [http_guards.Page, http_guards.AsyncPage])
@pytest.mark.parametrize("mark", MARKS)
def test_a_marked_class_is_for_everybody(base, mark):
    marked = method_decorator(mark, name="dispatch")(type("Marked", (base,), {}))
    assert entered(both(marked.as_view()))


@pytest.mark.parametrize("value", [True, None, 1])
def test_only_a_view_that_says_no_is_for_everybody(value):
    """What Django's own LoginRequiredMiddleware lets pass, passes here."""

    def view(request):
        return HttpResponse(http_guards.ENTERED)

    view.login_required = value
    open_for_django = value is None
    answer = both(view, headers=FETCH)
    assert answer.status == (200 if open_for_django else 401)


# Views with a guard

GUARDS = {
    "authenticated": authenticated(),
    "roles": authenticated(roles=["admin"]),
    "more": authenticated(verified=True, org=True, fresh=timedelta(minutes=10)),
    "authorized": authorized(scopes=["a"]),
    "any_of": any_of(authenticated(roles=["admin"]), authorized()),
    "public": public,
}
WHO = {
    "nobody": lambda: (),
    "user": signed_in,
    "admin": lambda: signed_in("admin", verified=True, org="4"),
    "stale": lambda: signed_in("admin", verified=True, org="4", age=601),
}
GATES = {"ours": REQUIRED, "django's": LOGIN_REQUIRED}
GUARDED = [
    pytest.param(kind, guard, who, headers, id=f"{kind}-{guard}-{who}-{name}")
    for kind, guard, who in itertools.product(KINDS, GUARDS, WHO)
    for name, headers in (("page", PAGE), ("fetch", FETCH))
    if "function" in kind or ("dispatch" in kind and headers is FETCH)
]


@pytest.fixture
def gate(request, settings):
    """Put the middleware in and out."""
    return Gate(settings, GATES[request.param])


class Gate:
    def __init__(self, settings, name):
        self.settings = settings
        self.name = name

    def both_ways(self, view, cookie, **options):
        """Return the answers with the middleware, and without it.

        Vary is left out: Django's middleware before 6.0 looks at the user of any
        request.
        """
        answers = []
        for gates in ([self.name], []):
            self.settings.MIDDLEWARE = [*STACK, *gates]
            answer = home(view, cookie, **options)
            headers = [pair for pair in answer.headers if pair[0] != "vary"]
            answers.append(answer._replace(headers=headers))
        return answers


EACH_GATE = pytest.mark.parametrize("gate", GATES, indirect=True)


@pytest.mark.heavy
@EACH_GATE
@pytest.mark.parametrize(("kind", "guard", "who", "headers"), GUARDED)
def test_a_guarded_view_is_as_without_the_middleware(gate, kind, guard, who, headers):
    view = KINDS[kind](GUARDS[guard])
    with_it, without = gate.both_ways(view, WHO[who](), headers=headers)
    assert with_it == without


MIXED = [
    type("Mixed", (AuthenticatedMixin, base), {"required_roles": roles})
    for base in (http_guards.Page, http_guards.AsyncPage)
    for roles in (None, ["admin"])
] + [
    type("Keyed", (AuthorizedMixin, base), {})
    for base in (http_guards.Page, http_guards.AsyncPage)
]


@EACH_GATE
@pytest.mark.parametrize("view_class", MIXED)
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_guarded_class_is_as_without_the_middleware(gate, view_class, who, method):
    options = {"headers": FETCH, "method": method}
    with_it, without = gate.both_ways(view_class.as_view(), WHO[who](), **options)
    assert with_it == without


@EACH_GATE
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("who", WHO)
def test_a_guarded_tree_is_as_without_the_middleware(gate, guard, who):
    views = [path("", http_guards.view), path("x/", http_guards.aview)]
    tree = GUARDS[guard](include((views, "tree")))
    for view in views_in(tree):
        with_it, without = gate.both_ways(view, WHO[who](), headers=FETCH)
        assert with_it == without


@EACH_GATE
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", WHO)
def test_a_decorator_around_a_guard_changes_nothing(gate, kind, who):
    view = vary_on_headers("X-Any")(KINDS[kind](authenticated(roles=["admin"])))
    with_it, without = gate.both_ways(view, WHO[who](), headers=FETCH)
    assert with_it == without


@EACH_GATE
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guarded_tree_in_a_site_is_as_without_the_middleware(gate, settings, guard):
    tree = GUARDS[guard](include(([path("x/", http_guards.view)], "tree")))
    settings.ROOT_URLCONF = urlconf(path("tree/", tree))
    for who in WHO.values():
        with_it, without = gate.both_ways(None, who(), path="/tree/x/", headers=PAGE)
        assert with_it == without
        assert with_it.status != 404


@EACH_GATE
def test_a_forged_request_is_refused_as_without_the_middleware(gate):
    view = KINDS["function"](authenticated())
    with_it, without = gate.both_ways(view, signed_in(), method="POST", headers=FETCH)
    assert with_it == without
    assert with_it.status == 403


@EACH_GATE
def test_an_account_of_no_django_user_passes(gate):
    """Django's middleware knows only users; a guard has the word."""
    view = authenticated(http_guards.view)
    assert all(map(entered, gate.both_ways(view, signed_in())))


# How it fits in


def test_it_works_before_the_account_middleware_too(settings):
    settings.MIDDLEWARE = [REQUIRED, *STACK]
    assert both(http_guards.view, headers=FETCH).status == 401
    assert entered(both(http_guards.view, signed_in()))


def test_both_gates_work_together(settings):
    settings.MIDDLEWARE = [*STACK, LOGIN_REQUIRED, REQUIRED]
    assert both(http_guards.view, headers=FETCH).status == 302
    assert entered(both(authenticated(http_guards.view), signed_in()))


@pytest.mark.parametrize("after", [http_guards.view, http_guards.aview])
def test_it_is_what_comes_after_it(after):
    middleware = AccountRequiredMiddleware(after)
    is_async = after is http_guards.aview
    assert iscoroutinefunction(middleware) == is_async
    assert iscoroutinefunction(middleware.process_view) == is_async


@SERVER
@pytest.mark.parametrize("kind", ["function", "async function"])
def test_a_log_in_that_django_has_ended_is_no_account(settings, server, kind, db):
    user = get_user_model().objects.create_user("ann")
    client = Client()
    client.force_login(user)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    assert entered(server(KINDS[kind](), cookie))
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "CLAIMS_MAX_AGE": 0}
    user.is_active = False
    user.save()
    assert server(KINDS[kind](), cookie, headers=FETCH).status == 401
