"""ReauthenticateView: people prove again who they are, for guards with ``fresh``."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.debug import (
    SafeExceptionReporterFilter,
    get_exception_reporter_filter,
)
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from django_secure_session import (
    Account,
    AccountProvider,
    DjangoUserProvider,
    Org,
    authenticated,
    login,
    public,
)
from django_secure_session.accounts import claims
from django_secure_session.views import ReauthenticateView, ReauthenticationForm
from tests import http_guards
from tests.http import HOST, SERVERS, Browser, both
from tests.http_guards import (
    FETCH,
    PAGE,
    STACK,
    STOCK,
    entered,
    location,
    signed_in,
    urlconf,
    way_back,
)
from tests.visits import site

TEN_MINUTES = timedelta(minutes=10)
FRESH = authenticated(fresh=TEN_MINUTES)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

PAGE_WITH_FORM = "secure_session/reauthenticate.html"
LOG_IN = LoginView.as_view(template_name=PAGE_WITH_FORM, next_page="/home/")


def urls(*more, again=True, **options):
    view = ReauthenticateView.as_view(next_page="/home/", **options)
    return urlconf(
        path("log-in/", LOG_IN, name="log-in"),
        path("fresh/", FRESH(http_guards.view)),
        path("any/", authenticated(http_guards.view)),
        *([path("again/", view, name="again")] if again else []),
        *more,
    )


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = STACK
    settings.ROOT_URLCONF = urls()
    settings.LOGIN_URL = "/log-in/"


class Person(Browser):
    """A browser whose owner fills forms in."""

    def page(self, path):
        return self.get(path=path, headers=PAGE)

    def submit(self, path, **form):
        """Show the page and send its form."""
        self.page(path)
        token = self.named("csrftoken")[0].value
        body = urlencode({"csrfmiddlewaretoken": token, **form}).encode()
        return self.get(path=path, method="POST", headers={**PAGE, **FORM}, body=body)

    def log_in(self, name="ann", password="right"):
        answer = self.submit("/log-in/", username=name, password=password)
        assert location(answer) == "/home/"

    def confirm(self, password="right", there="/again/", **form):
        return self.submit(there, password=password, **form)

    def may_enter(self):
        """Tell whether the log-in is fresh."""
        return entered(self.page("/fresh/"))

    @property
    def token(self):
        (cookie,) = self.named("sessionid")
        return cookie.value

    @property
    def session(self):
        return http_guards.session_of(f"sessionid={self.token}".encode())

    @property
    def claims(self):
        return claims.parse(self.session.claims)


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann", "ann@example.com", "right")


@pytest.fixture(params=SERVERS)
def person(request, ann, clock):
    """Ann, who has logged in ten minutes ago."""
    person = Person(request.param)
    person.log_in()
    clock.tick(minutes=10)
    return person


def is_refused(answer):
    """Tell whether the page is shown again, with a word on why."""
    return answer.status == 200 and b"errorlist" in answer.body


# The right password


def test_the_right_password_leads_on(person):
    assert location(person.confirm()) == "/home/"


@pytest.mark.parametrize("given_in", ["query", "form", "page"])
def test_it_leads_to_next(person, given_in):
    if given_in == "form":
        answer = person.confirm(next="/fresh/?a=1")
    else:
        asked = person.page("/fresh/?a=1")
        answer = person.confirm(there=location(asked))
    assert location(answer) == "/fresh/?a=1"


def test_a_fresh_guard_then_passes_for_exactly_its_time(person, clock):
    assert not person.may_enter()
    person.confirm()
    assert person.may_enter()
    clock.tick(TEN_MINUTES.total_seconds() - 1)
    assert person.may_enter()
    clock.tick(1)
    assert not person.may_enter()
    assert entered(person.page("/any/"))


def test_before_it_is_too_old_a_log_in_needs_no_confirmation(person, clock):
    clock.tick(-1)
    assert person.may_enter()


@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
def test_it_works_with_either_session_middleware(settings, person, stack):
    settings.MIDDLEWARE = stack
    person.confirm()
    assert person.may_enter()


def test_the_session_goes_on_under_another_sid(person):
    before = person.session
    person.confirm()
    after = person.session
    assert after.sid != before.sid
    assert after.created_at == before.created_at
    assert after.data() == before.data()


def test_nothing_else_is_claimed(person, clock):
    before = person.claims
    person.confirm()
    after = person.claims
    assert after.authenticated_at == int(clock.now)
    assert after.methods == ("password",)
    same = {"authenticated_at": 0, "methods": (), "read_at": 0}
    assert after._replace(**same) == before._replace(**same)


def test_what_the_site_keeps_is_kept(person):
    session = person.session
    session["cart"] = [1, 2]
    session.save()
    (cookie,) = person.named("sessionid")
    cookie.value = session.session_key
    person.confirm()
    assert person.session["cart"] == [1, 2]


def test_it_is_no_log_in(person, ann):
    heard = []

    def hear(**named):
        heard.append(named)

    ann.refresh_from_db()
    before = ann.last_login
    user_logged_in.connect(hear)
    try:
        person.confirm()
    finally:
        user_logged_in.disconnect(hear)
    ann.refresh_from_db()
    assert heard == []
    assert ann.last_login == before


def test_the_user_stays_logged_in(settings, person, ann):
    settings.ROOT_URLCONF = urls(path("me/", lambda r: HttpResponse(str(r.user))))
    person.confirm()
    assert person.page("/me/").body == b"ann"


class Quicker(PBKDF2PasswordHasher):
    iterations = 1


def test_a_password_that_is_hashed_anew_ends_no_session(settings, person, ann, clock):
    """As it is when a new Django, or the site, wants a stronger hash."""
    settings.PASSWORD_HASHERS = [f"{__name__}.Quicker", *settings.PASSWORD_HASHERS]
    settings.ROOT_URLCONF = urls(path("me/", lambda r: HttpResponse(str(r.user))))
    person.confirm()
    before, ann = ann.password, get_user_model().objects.get()
    assert ann.password != before
    assert person.page("/me/").body == b"ann"
    clock.tick(301)  # the claims are read again
    assert person.may_enter()


class Looking(ModelBackend):
    """Asks who it is after checking the password, as receivers of signals do."""

    def authenticate(self, request, username=None, password=None):
        user = super().authenticate(request, username, password)
        str(request.user)
        return user


def test_who_looks_at_the_user_meanwhile_ends_no_session(settings, person, ann):
    settings.PASSWORD_HASHERS = [f"{__name__}.Quicker", *settings.PASSWORD_HASHERS]
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Looking", MODEL]

    assert location(person.confirm()) == "/home/"
    assert person.may_enter()


def test_the_organisation_stays(settings, ann, clock):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=f"{__name__}.Members")
    person = Person()
    person.log_in()
    assert person.claims.org == Org(id="first")
    clock.tick(minutes=10)
    person.confirm()
    assert person.claims.org == Org(id="first")
    assert person.claims.account.role == "owner of first"


class Members(DjangoUserProvider):
    def account_for_user(self, user, org_id):
        return Account(id=str(user.pk), role=f"owner of {org_id}", verified=True)

    def get_org(self, account_id, org_id):
        return Org(id=org_id or "first")


# Any other password


@pytest.mark.parametrize(
    "password", ["wrong", "", " ", "right ", "RIGHT", "r", "right\0", "x" * 5000]
)
def test_any_other_password_is_refused(person, password):
    before = person.session
    assert is_refused(person.confirm(password))
    assert person.session.sid == before.sid
    assert person.session.data() == before.data()
    assert not person.may_enter()


def test_no_password_at_all_is_refused(person):
    assert is_refused(person.submit("/again/"))
    assert not person.may_enter()


def test_a_site_hears_of_a_wrong_password(person):
    heard = []

    def hear(*, credentials, request, **named):
        heard.append((credentials["username"], request.path))
        assert "wrong" not in credentials.values()

    user_login_failed.connect(hear)
    try:
        person.confirm("wrong")
    finally:
        user_login_failed.disconnect(hear)
    assert heard == [("ann", "/again/")]


def test_a_wrong_password_is_told_in_words_of_this_page(person):
    """There is no user name to enter correctly."""
    text = person.confirm("wrong").body.decode()
    assert "password" in text
    assert "both fields" not in text


def test_a_password_is_not_shown_again(person):
    assert b"wrong-secret" not in person.confirm("wrong-secret").body


@pytest.mark.parametrize("extra", [{}, {"username": "bob"}, {"user": "bob", "id": "2"}])
def test_the_password_of_somebody_else_is_refused(person, extra):
    get_user_model().objects.create_user("bob", password="bobs")
    assert is_refused(person.confirm("bobs", **extra))
    assert person.session["_auth_user_id"] == str(get_user_model().objects.first().pk)
    assert not person.may_enter()


def test_a_user_without_a_password_can_not_confirm(ann, clock):
    ann.set_unusable_password()
    ann.save()
    client = Client()
    client.force_login(ann)
    person = Person()
    assert person.store(f"sessionid={client.cookies['sessionid'].value}; Path=/")
    clock.tick(minutes=10)
    for password in ("right", ann.password, "!"):
        assert is_refused(person.confirm(password))
    assert not person.may_enter()


@pytest.mark.parametrize(
    "backend",
    [
        "django.contrib.auth.backends.ModelBackend",
        "django.contrib.auth.backends.AllowAllUsersModelBackend",
    ],
)
def test_a_user_who_was_disabled_meanwhile_is_refused(settings, ann, clock, backend):
    settings.AUTHENTICATION_BACKENDS = [backend]
    person = Person()
    person.log_in()
    ann.is_active = False
    ann.save()
    clock.tick(60)  # the claims are still believed
    before = person.claims
    assert person.confirm().status == 200
    assert person.claims == before


def test_a_user_who_was_deleted_meanwhile_is_refused(person, ann, clock):
    clock.tick(-599)
    ann.delete()
    before = person.claims.authenticated_at
    assert is_refused(person.confirm())
    assert person.claims.authenticated_at == before


def test_a_password_that_was_changed_meanwhile_ends_the_session(person, ann, clock):
    clock.tick(-599)
    ann.set_password("new")
    ann.save()
    for password in ("right", "new"):
        person.confirm(password)
        assert location(person.page("/any/")).startswith("/log-in/")


def test_a_refused_password_leads_nowhere_but_keeps_next(person):
    answer = person.confirm("wrong", there="/again/?next=/fresh/")
    assert is_refused(answer)
    assert b'name="next" value="/fresh/"' in answer.body


def test_an_account_of_no_django_user_has_no_password(settings, clock):
    def own(request):
        login(request, Account(id="7", role="user", verified=False))
        return HttpResponse(b"")

    settings.ROOT_URLCONF = urls(path("own/", own))
    settings.SECURE_SESSION = site(CLAIMS_MAX_AGE=3600)
    get_user_model().objects.create(username="", password=make_password("right"))
    person = Person()
    person.page("/own/")
    clock.tick(minutes=10)
    assert not person.may_enter()
    for password in ("", "right"):
        assert is_refused(person.confirm(password))
    assert not person.may_enter()


# Who asks


def test_nobody_is_sent_to_the_log_in_and_back():
    answer = both(path="/again/?next=/fresh/", headers=PAGE)
    assert location(answer).startswith("/log-in/?next=")
    assert way_back(answer) == "/again/?next=/fresh/"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_nobody_is_answered_401_where_no_page_is_wanted(settings, method):
    settings.MIDDLEWARE = [name for name in STACK if name != http_guards.CSRF]
    assert both(path="/again/", headers=FETCH, method=method).status == 401


def test_after_the_log_in_there_is_nothing_to_confirm(ann):
    person = Person()
    asked = person.page("/fresh/")
    form = {"username": "ann", "password": "right"}
    done = person.submit(location(asked), **form)
    assert location(done) == "/fresh/"
    assert person.may_enter()


def test_a_forged_confirmation_is_refused(settings, person):
    for stack in (STACK, [name for name in STACK if name != http_guards.CSRF]):
        settings.MIDDLEWARE = stack
        body = urlencode({"password": "right"}).encode()
        headers = {**PAGE, **FORM}
        answer = person.get(path="/again/", method="POST", headers=headers, body=body)
        assert answer.status == 403
        assert not person.may_enter()


def test_a_forged_confirmation_is_refused_even_by_an_exempt_view(settings, person):
    view = csrf_exempt(ReauthenticateView.as_view())
    settings.ROOT_URLCONF = urls(path("exempt/", view))
    body = urlencode({"password": "right"}).encode()
    headers = {**PAGE, **FORM}
    answer = person.get(path="/exempt/", method="POST", headers=headers, body=body)
    assert answer.status == 403


@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
def test_it_needs_no_csrf_middleware(settings, person, stack):
    """Django's LoginView brings its own."""
    settings.MIDDLEWARE = [name for name in stack if name != http_guards.CSRF]
    person.cookies = {
        key: cookie for key, cookie in person.cookies.items() if key[0] != "csrftoken"
    }
    person.confirm()
    assert person.may_enter()


# The page


def test_the_page_asks_for_the_password_alone(person):
    text = person.page("/again/").body.decode()
    assert text.count("<input") == 3
    for name in ("password", "next", "csrfmiddlewaretoken"):
        assert f'name="{name}"' in text
    assert 'type="password"' in text
    assert "ann" in text


def test_the_page_is_not_stored(person):
    for answer in (person.page("/again/"), person.confirm("wrong")):
        assert "no-store" in answer.header("cache-control")


@pytest.mark.parametrize("server", SERVERS)
def test_the_page_escapes_what_is_shown(server, clock):
    name = "<script>alert(1)</script>\"'"
    get_user_model().objects.create_user(name, password="right")
    person = Person(server)
    person.log_in(name)
    there = "/x/?\"><script>alert(2)</script>'"
    for answer in (
        person.page(f"/again/?next={quote(there)}"),
        person.confirm("<script>alert(3)</script>", next=there),
    ):
        assert b"<script" not in answer.body
        assert b"&lt;script&gt;alert(1)" in answer.body


def test_the_page_works_without_a_context_processor(settings, person):
    settings.TEMPLATES = [
        {**settings.TEMPLATES[0], "OPTIONS": {"context_processors": []}}
    ]
    text = person.page("/again/").body.decode()
    assert 'name="password"' in text
    assert "ann" in text


@pytest.fixture
def templates(settings):
    """Templates of the site, by name."""
    templates: dict[str, str] = {}
    own = ("django.template.loaders.locmem.Loader", templates)
    apps = "django.template.loaders.app_directories.Loader"
    options = {**settings.TEMPLATES[0]["OPTIONS"], "loaders": [own, apps]}
    settings.TEMPLATES = [
        {**settings.TEMPLATES[0], "APP_DIRS": False, "OPTIONS": options}
    ]
    return templates


def test_a_site_may_have_a_page_of_its_own(templates, person):
    person.page("/log-in/")
    templates[PAGE_WITH_FORM] = "own page for {{ user }} {{ next }}"
    assert person.page("/again/?next=/x/").body == b"own page for ann /x/"


def test_the_attributes_of_djangos_view_are_there(settings, templates, person):
    templates["own.html"] = "{{ word }} {{ form.as_p }} {% csrf_token %}"
    view = ReauthenticateView.as_view(
        template_name="own.html",
        redirect_field_name="to",
        next_page="/elsewhere/",
        success_url_allowed_hosts={"shop.example.org"},
        extra_context={"word": "The shop"},
    )
    settings.ROOT_URLCONF = urls(path("own/", view))
    assert person.page("/own/").body.startswith(b"The shop <p>")
    there = "http://shop.example.org/x/"
    assert location(person.confirm(there="/own/", to=there)) == there
    assert location(person.confirm(there="/own/", next="/x/")) == "/elsewhere/"


class CodeForm(ReauthenticationForm):
    """Asks for a code in the place of a password."""

    def clean(self):
        if self.cleaned_data.get("password") != "123456":
            raise self.get_invalid_login_error()
        return self.cleaned_data


def test_a_site_may_ask_for_something_else(settings, person):
    view = ReauthenticateView.as_view(authentication_form=CodeForm)
    settings.ROOT_URLCONF = urls(path("code/", view))
    assert is_refused(person.confirm("right", there="/code/"))
    person.confirm("123456", there="/code/")
    assert person.may_enter()


def test_the_form_is_one_of_djangos():
    assert issubclass(ReauthenticationForm, AuthenticationForm)


def test_a_password_is_hidden_in_reports_of_errors(settings, person, caplog):
    """Wherever the error is: here the provider fails, before the view begins."""
    broken = site(ACCOUNT_PROVIDER=f"{__name__}.Broken", CLAIMS_MAX_AGE=0)
    settings.SECURE_SESSION = broken
    reports = []

    def report(request, **named):
        shown = get_exception_reporter_filter(request).get_post_parameters(request)
        reports.append(shown["password"])

    got_request_exception.connect(report)
    token = person.named("csrftoken")[0].value
    form = {"csrfmiddlewaretoken": token, "password": "my-secret-password"}
    body = urlencode(form).encode()
    try:
        answer = person.get(
            path="/again/", method="POST", headers={**PAGE, **FORM}, body=body
        )
    finally:
        got_request_exception.disconnect(report)
        caplog.clear()
    assert answer.status == 500
    assert reports == [SafeExceptionReporterFilter.cleansed_substitute]


class Broken(AccountProvider):
    def account_for_user(self, user, org_id):
        raise ZeroDivisionError


# Authentication backends


class CodeBackend(BaseBackend):
    """Takes one code for each user, and users from ModelBackend."""

    def authenticate(self, request, username=None, password=None):
        if password == "code":
            return get_user_model().objects.get(username=username)
        return None

    def get_user(self, user_id):
        return ModelBackend().get_user(user_id)


class NeverAgain(BaseBackend):
    def authenticate(self, request, username=None, password=None):
        raise PermissionDenied


class WrongUser(CodeBackend):
    """A backend that returns whom it likes."""

    def authenticate(self, request, username=None, password=None):
        return get_user_model().objects.exclude(username=username).first()


class ByToken(BaseBackend):
    def authenticate(self, request, token):
        raise NotImplementedError


MODEL = "django.contrib.auth.backends.ModelBackend"


def backends(*names):
    return [f"{__name__}.{name}" for name in names]


def test_any_backend_of_the_site_may_say_yes(settings, person):
    settings.AUTHENTICATION_BACKENDS = [MODEL, *backends("ByToken", "CodeBackend")]
    assert is_refused(person.confirm("wrong"))
    person.confirm("code")
    assert person.may_enter()


def test_a_backend_that_forbids_ends_it(settings, person):
    settings.AUTHENTICATION_BACKENDS = [*backends("NeverAgain"), MODEL]
    assert is_refused(person.confirm())
    assert not person.may_enter()


def test_a_backend_that_says_yes_for_somebody_else_does_not_count(settings, person):
    get_user_model().objects.create_user("bob", password="bobs")
    settings.AUTHENTICATION_BACKENDS = [*backends("WrongUser"), MODEL]
    assert is_refused(person.confirm())
    assert not person.may_enter()


def test_a_log_in_by_one_of_several_backends_can_be_confirmed(settings, ann, clock):
    settings.AUTHENTICATION_BACKENDS = [MODEL, *backends("CodeBackend")]
    person = Person()
    person.log_in(password="code")
    clock.tick(minutes=10)
    assert not person.may_enter()
    person.confirm()
    assert person.may_enter()
    assert person.session["_auth_user_backend"] == backends("CodeBackend")[0]


# Where it is


def asked():
    """Return where a log-in that is too old is sent."""
    return location(both(FRESH(http_guards.view), signed_in(age=600), headers=PAGE))


INNER = [path("in/", ReauthenticateView.as_view(), name="inner")]
UNNAMED = [path("in/", ReauthenticateView.as_view())]


class Own(ReauthenticateView):
    pass


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([path("a/", ReauthenticateView.as_view(), name="again")], "/a/"),
        ([path("a/", ReauthenticateView.as_view())], "/a/"),
        ([path("a/", Own.as_view(), name="own")], "/a/"),
        ([path("a/", never_cache(ReauthenticateView.as_view()))], "/a/"),
        ([path("a/", public(ReauthenticateView.as_view()))], "/a/"),
        ([path("a/", include(INNER))], "/a/in/"),
        ([path("a/", include(UNNAMED))], "/a/in/"),
        ([path("a/", include((INNER, "space")))], "/a/in/"),
        ([path("a/", include((INNER, "app"), namespace="space"))], "/a/in/"),
        ([path("a/", include(([path("b/", include(INNER))], "space")))], "/a/b/in/"),
        ([path("a/", authenticated(include(INNER)))], "/a/in/"),
        ([path("a/", authenticated(include(UNNAMED)))], "/a/in/"),
        (
            [path("a/", include(([path("b/", include((INNER, "y")))], "x")))],
            "/a/b/in/",
        ),
    ],
)
def test_the_view_is_found_in_the_urls(settings, patterns, expected):
    settings.ROOT_URLCONF = urlconf(*patterns)
    assert asked() == f"{expected}?next=/"


@pytest.mark.parametrize(
    "patterns",
    [
        [path("<slug:tenant>/again/", ReauthenticateView.as_view(), name="again")],
        [path("<slug:tenant>/again/", ReauthenticateView.as_view())],
        [path("a/", include((UNNAMED, "space")))],
    ],
)
def test_a_view_that_can_not_be_reversed_is_not_taken(settings, patterns):
    """Its URL has arguments that nobody knows, or it has no name in its namespace."""
    settings.ROOT_URLCONF = urlconf(*patterns)
    assert asked() == "/log-in/?next=/"


OTHER_HOST = "other.example.com"
OTHER_URLS = urlconf(path("fresh/", FRESH(http_guards.view)))


def urls_by_host(get_response):
    """Middleware of a site whose hosts have different URLs."""

    def middleware(request):
        if request.get_host() == OTHER_HOST:
            request.urlconf = OTHER_URLS
        return get_response(request)

    return middleware


@pytest.mark.parametrize("first", [HOST, OTHER_HOST])
def test_a_host_with_urls_of_its_own_does_not_get_the_view_of_another(settings, first):
    settings.MIDDLEWARE = [f"{__name__}.urls_by_host", *STACK]
    pages = {HOST: "/again/", OTHER_HOST: "/log-in/"}
    for host in sorted(pages, key=lambda host: host != first):
        answer = both(None, signed_in(age=600), path="/fresh/", host=host, headers=PAGE)
        assert location(answer) == f"{pages[host]}?next=/fresh/"


def test_urls_of_another_site_are_not_remembered(settings):
    settings.ROOT_URLCONF = urls()
    assert asked() == "/again/?next=/"
    settings.ROOT_URLCONF = urls(again=False)
    assert asked() == "/log-in/?next=/"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/confirm/", "/confirm/?next=/"),
        ("/confirm/?a=1", "/confirm/?a=1&next=/"),
        ("log-in", "/log-in/?next=/"),
        (reverse_lazy("again"), "/again/?next=/"),
        ("https://sso.example.org/in", None),
    ],
    ids=["path", "query", "name", "lazy", "absolute"],
)
def test_the_setting_names_it(settings, value, expected):
    settings.SECURE_SESSION = site(REAUTHENTICATE_URL=value)
    away = "https://sso.example.org/in?next=http%3A//www.example.com/"
    assert asked() == (expected or away)


def test_the_setting_wins_over_the_view(settings):
    settings.SECURE_SESSION = site(REAUTHENTICATE_URL="/confirm/")
    assert asked().startswith("/confirm/")


def test_a_named_session_may_have_another(settings):
    admin = {"URL_PREFIX": "/admin/", "REAUTHENTICATE_URL": "/admin/again/"}
    settings.SECURE_SESSION = site(SESSIONS={"admin": admin})
    cookie = signed_in(age=600, alias="admin")
    fresh = FRESH(http_guards.view)
    answer = both(fresh, cookie, path="/admin/x/", headers=PAGE)
    assert location(answer) == "/admin/again/?next=/admin/x/"
    assert asked() == "/again/?next=/"


def test_it_is_found_although_login_url_names_nothing(settings):
    settings.LOGIN_URL = "no-such-name"
    assert asked() == "/again/?next=/"


# The log-in page in its place


@pytest.mark.parametrize("server", SERVERS)
def test_without_the_view_the_log_in_page_serves(settings, server, ann, clock):
    settings.ROOT_URLCONF = urls(again=False)
    person = Person(server)
    person.log_in()
    before = person.session.sid
    clock.tick(minutes=10)
    asked = person.page("/fresh/")
    assert location(asked) == "/log-in/?next=/fresh/"
    form = {"username": "ann", "password": "right"}
    assert location(person.submit(location(asked), **form)) == "/fresh/"
    assert person.may_enter()
    assert person.session.sid != before
    clock.tick(minutes=10)
    assert not person.may_enter()


def test_somebody_else_who_logs_in_there_is_somebody_else(settings, ann, clock):
    settings.ROOT_URLCONF = urls(again=False)
    bob = get_user_model().objects.create_user("bob", password="bobs")
    person = Person()
    person.log_in()
    clock.tick(minutes=10)
    person.submit("/log-in/?next=/fresh/", username="bob", password="bobs")
    assert person.claims.account.id == str(bob.pk)
    assert person.may_enter()


# In other forms


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("base", [http_guards.Page, http_guards.AsyncPage])
def test_a_method_that_wants_a_fresh_log_in_leads_there(settings, server, base):
    guard = method_decorator(FRESH)
    view = type("Some", (base,), {"post": guard(base.post)}).as_view()
    settings.MIDDLEWARE = [name for name in STACK if name != http_guards.CSRF]
    stale = signed_in(age=600)
    answer = server(view, stale, method="POST", headers=PAGE, path="/pay/")
    assert location(answer) == "/again/?next=/pay/"
    assert entered(server(view, stale, headers=PAGE))


@pytest.mark.parametrize("server", SERVERS)
def test_a_guard_in_a_view_leads_there(server):
    held = http_guards.asking(lambda r: r.authenticated(fresh=TEN_MINUTES))
    aheld = http_guards.aasking(lambda r: r.aauthenticated(fresh=TEN_MINUTES))
    for view in (held, aheld):
        answer = server(view, signed_in(age=600), headers=PAGE)
        assert location(answer) == "/again/?next=/"
        assert entered(server(view, signed_in(age=599), headers=PAGE))


def test_the_page_is_shown_although_its_visitor_is_logged_in(settings, person):
    """Sending them back would send them round in circles."""
    view = ReauthenticateView.as_view(redirect_authenticated_user=True)
    settings.ROOT_URLCONF = urlconf(path("again/", view))

    assert b'name="password"' in person.page("/again/").body


class Impostor:
    """Middleware that takes a header's word for who the user is, not the session's."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.user = get_user_model().objects.get(username="bob")
        return self.get_response(request)


def test_the_password_of_a_user_whom_the_session_does_not_hold_proves_nothing(
    settings, person
):
    get_user_model().objects.create_user("bob", password="bobs own")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Impostor"]

    assert is_refused(person.confirm("bobs own"))
    assert not person.may_enter()


@pytest.mark.parametrize("hasher", ["MD5PasswordHasher", "PBKDF2PasswordHasher"])
def test_the_password_of_the_session_s_user_proves_it_whoever_else_is_there(
    settings, person, clock, hasher
):
    get_user_model().objects.create_user("bob", password="bobs own")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Impostor"]
    hashers = [f"django.contrib.auth.hashers.{hasher}", *settings.PASSWORD_HASHERS]
    settings.PASSWORD_HASHERS = list(dict.fromkeys(hashers))

    assert location(person.confirm("right")) == "/home/"
    clock.tick(301)  # the claims are read again
    assert person.may_enter()
