from __future__ import annotations

import jinja2
import pytest
from django.http import HttpResponse
from django.shortcuts import render
from django.template import engines
from django.test import RequestFactory

from django_secure_session import Account, Org, authenticated
from django_secure_session.context_processors import account as processor
from django_secure_session.middleware.requests import AccountRequest
from tests.guard_views import ACME, ADMIN, NOBODY, cookie_of, request_of
from tests.guard_views import guarded_site as guarded_site
from tests.http import both, wsgi

PROCESSOR = "django_secure_session.context_processors.account"
LOCMEM = "django.template.loaders.locmem.Loader"


@pytest.fixture
def page(settings):
    """Return a function that makes a view of a template's text."""

    def made_of(text):
        settings.TEMPLATES = [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": [PROCESSOR],
                    "loaders": [(LOCMEM, {"page.html": text})],
                },
            }
        ]
        return lambda request: render(request, "page.html")

    return made_of


# Django's templates


@pytest.mark.parametrize(
    ("text", "somebody", "nobody"),
    [
        ("{% if account %}in{% else %}out{% endif %}", "in", "out"),
        ("{% if not account %}out{% endif %}", "", "out"),
        ("{% if account is None %}none{% endif %}", "", "none"),
        ("{% if account is not None %}one{% endif %}", "one", ""),
        ("{% if account == None %}none{% endif %}", "", "none"),
        ("{{ account.id }}", "1", ""),
        ("{{ account.role }}", "admin", ""),
        ("{{ account.verified }}", "True", ""),
        ("{{ account.role|upper }}", "ADMIN", ""),
        ('{{ account.role|default:"guest" }}', "admin", "guest"),
        ('{% if account.role == "admin" %}yes{% else %}no{% endif %}', "yes", "no"),
        ("{% if account.verified %}yes{% else %}no{% endif %}", "yes", "no"),
        ("{% with who=account %}{{ who.role }}{% endwith %}", "admin", ""),
        ("{% firstof account.role 'guest' %}", "admin", "guest"),
        ("{{ account.nothing }}", "", ""),
        ("{{ account }}", str(ADMIN).replace("'", "&#x27;"), "None"),
        ("{% if org %}in{% else %}out{% endif %}", "in", "out"),
        ("{% if org is None %}none{% endif %}", "", "none"),
        ("{{ org.id }}", "acme", ""),
    ],
)
def test_templates_see_account_and_org(page, text, somebody, nobody):
    view = page(text)

    assert both(view, cookie_of(ADMIN, ACME)).body.decode() == somebody
    assert both(view, NOBODY).body.decode() == nobody


def test_an_account_without_an_organisation_has_none(page):
    view = page("{% if org is None %}none{% endif %}")

    assert both(view, cookie_of(ADMIN)).body == b"none"


def test_what_an_account_holds_is_escaped(page):
    view = page("{{ account.id }}")
    account = Account(id="<b>", role="admin", verified=True)

    assert both(view, cookie_of(account)).body == b"&lt;b&gt;"


@pytest.mark.parametrize(
    "text", ["static", "{% if False %}{{ account.id }}{% endif %}"]
)
@pytest.mark.parametrize("cookie", [NOBODY, cookie_of])
def test_a_template_that_asks_nothing_leaves_the_session_alone(page, text, cookie):
    view = page(text)
    sent = cookie() if callable(cookie) else cookie

    assert both(view, sent).header("vary") is None


@pytest.mark.parametrize("text", ["{{ account.role }}", "{{ org.id }}"])
@pytest.mark.parametrize("cookie", [NOBODY, cookie_of])
def test_a_template_that_asks_is_told_to_vary_with_the_cookie(page, text, cookie):
    view = page(text)
    sent = cookie() if callable(cookie) else cookie

    assert both(view, sent).header("vary") == "Cookie"


def test_a_template_of_an_async_view_sees_them_too(page):
    view = page("{{ account.role }} {{ org.id }}")

    async def aview(request):
        return view(request)

    assert both(aview, cookie_of(ADMIN, ACME)).body == b"admin acme"


def test_a_guarded_view_sees_the_account_it_was_opened_for(page):
    view = authenticated(roles=["admin"])(page("{{ account.id }}"))

    assert both(view, cookie_of()).body == b"1"


def test_a_site_without_the_middleware_has_no_account(page, settings):
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    view = page("{% if account is None and org is None %}none{% endif %}")

    assert both(view, cookie_of()).body == b"none"


def test_the_site_is_asked_once_for_a_template(page, monkeypatch):
    asked = []
    view = page("{{ account.role }}{{ account.id }}{% if account %}!{% endif %}")

    def noting(request):
        class Noted(type(request)):
            @property
            def account(self):
                asked.append("account")
                return ADMIN

        request.__class__ = Noted
        return view(request)

    assert wsgi(noting, NOBODY).body == b"admin1!"
    assert asked == ["account"]


def test_an_account_of_the_views_own_goes_before(page):
    page("{{ account }}")

    def view(request):
        return render(request, "page.html", {"account": "mine"})

    assert both(view, cookie_of()).body == b"mine"


def test_what_templates_call_is_the_account_and_not_a_copy(page):
    page("")
    request = request_of(ADMIN)
    context = engines["django"].from_string("{{ account.id }}").render({}, request)

    assert context == "1"
    assert processor(request)["account"]() is request.account


# Other templates, such as Jinja2's, which call nothing


def seen(account, org=None):
    context = processor(request_of(account, org))
    return context["account"], context["org"]


def test_there_is_nothing_but_account_and_org():
    assert sorted(processor(request_of())) == ["account", "org"]


def test_somebody_is_true_and_has_attributes():
    account, org = seen(ADMIN, ACME)

    assert account
    assert org
    assert (account.id, account.role, account.verified) == ("1", "admin", True)
    assert org.id == "acme"


def test_nobody_is_false():
    account, org = seen(None)

    assert not account
    assert not org


def test_what_is_given_equals_what_it_stands_for():
    account, org = seen(ADMIN, ACME)

    assert account == ADMIN
    assert org == Org(id="acme")
    assert hash(account) == hash(ADMIN)
    assert str(account) == str(ADMIN)
    assert isinstance(account, Account)
    assert seen(None)[0] == None  # noqa: E711


def test_what_nobody_has_is_an_attribute_error():
    account, _ = seen(None)

    with pytest.raises(AttributeError, match="role"):
        account.role  # noqa: B018


def test_a_request_that_has_not_met_the_middleware_is_from_nobody():
    context = processor(RequestFactory().get("/"))

    assert not context["account"]
    assert not context["org"]


def test_jinja2_sees_account_and_org():
    template = jinja2.Environment(autoescape=True).from_string(
        "{% if account %}{{ account.role }} of {{ org.id }}{% else %}nobody{% endif %}"
    )

    assert template.render(processor(request_of(ADMIN, ACME))) == "admin of acme"
    assert template.render(processor(request_of(None))) == "nobody"


def test_nothing_is_looked_up_before_it_is_used():
    class Request(AccountRequest):
        @property
        def account(self):
            raise AssertionError

        org = account

    assert len(processor(Request())) == 2


def test_what_the_look_up_raises_reaches_the_template(page):
    view = page("{{ account.role }}")

    def failing(request):
        class Broken(type(request)):
            @property
            def account(self):
                raise OSError("no store")

        request.__class__ = Broken
        return view(request)

    with pytest.raises(OSError, match="no store"):
        failing(request_of())


def test_an_untouched_response_of_another_view_has_no_cookie(page):
    page("")

    assert wsgi(lambda request: HttpResponse(), cookie_of()).set_cookies == []
