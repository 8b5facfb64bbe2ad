from __future__ import annotations

import inspect
import re
from datetime import timedelta

import asgiref.sync
import pytest
from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_cookie
from django.views.generic import ListView, RedirectView, TemplateView, View

from django_secure_session import (
    AuthenticatedMixin,
    AuthorizedMixin,
    NotAuthenticated,
    any_of,
    authenticated,
    authorized,
    public,
)
from django_secure_session.guards.routes import guards_of
from django_secure_session.mixins import GuardMixin
from tests.guard_views import (
    ACME,
    ADMIN,
    JSON,
    MEMBER,
    NOBODY,
    REQUIRED,
    cookie_of,
    request_of,
)
from tests.guard_views import guarded_site as guarded_site
from tests.http import SERVERS, both

ADMINS = authenticated(roles=["admin"])
OWNERS = authenticated(roles=["owner"])


def sync_view(**attributes):
    """Return a class of views that note in ``calls`` what they were called with."""
    calls = []

    def get(self, request, *args, **kwargs):
        calls.append((request.method, args, kwargs))
        return HttpResponse("shown")

    return type("Page", (View,), {"get": get, "calls": calls, **attributes})


def async_view(**attributes):
    """See :func:`sync_view`; to be awaited."""
    calls = []

    async def get(self, request, *args, **kwargs):
        calls.append((request.method, args, kwargs))
        return HttpResponse("shown")

    return type("Page", (View,), {"get": get, "calls": calls, **attributes})


def mixed(view_class, mixin=AuthenticatedMixin, **attributes):
    """Return a class as ``class Report(mixin, view_class)`` with attributes."""
    return type("Report", (mixin, view_class), attributes)


CLASSES = [sync_view, async_view]


# The mixin


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_nobody_reaches_a_view_behind_the_mixin(make, method):
    page = make()
    view = mixed(page).as_view()

    assert both(view, NOBODY, method=method).status == 302
    assert both(view, NOBODY, method=method, headers=JSON).status == 401
    assert page.calls == []


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("method", ["POST", "FOO"])
def test_nobody_writes_to_a_view_behind_the_mixin(make, method):
    page = make(http_method_names=["get", "post", "foo"])
    page.post = page.foo = page.get
    view = csrf_exempt(mixed(page).as_view())  # Django's middleware asks nothing then

    assert both(view, NOBODY, method=method).status == 302
    assert both(view, NOBODY, method=method, headers=JSON).status == 401
    assert page.calls == []


@pytest.mark.parametrize("make", CLASSES)
def test_who_is_logged_in_reaches_a_view_behind_the_mixin_once(make):
    page = make()
    answer = both(mixed(page).as_view(), cookie_of())

    assert (answer.status, answer.body) == (200, b"shown")
    assert len(page.calls) == 2  # under WSGI and ASGI


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize(
    ("attributes", "enters", "does_not"),
    [
        ({"required_roles": ["admin"]}, cookie_of, lambda: cookie_of(MEMBER)),
        ({"required_org": True}, lambda: cookie_of(org=ACME), cookie_of),
        (
            {"required_fresh": timedelta(minutes=1)},
            cookie_of,
            lambda: cookie_of(ago=60),
        ),
    ],
    ids=["required_roles", "required_org", "required_fresh"],
)
def test_the_attributes_say_what_an_account_must_be(make, attributes, enters, does_not):
    page = make()
    view = mixed(page, **attributes).as_view()

    assert both(view, does_not(), headers=JSON).status in (401, 403)
    assert page.calls == []
    assert both(view, enters(), headers=JSON).status == 200


def test_each_attribute_reaches_the_guard():
    minute = timedelta(minutes=1)
    view_class = mixed(
        View,
        required_roles=["a"],
        required_verified=True,
        required_org=True,
        required_fresh=minute,
    )

    assert view_class().get_guard() == authenticated(
        roles=["a"], verified=True, org=True, fresh=minute
    )


def test_the_scopes_reach_the_guard():
    view_class = mixed(View, AuthorizedMixin, required_scopes=["a", "b"])

    assert view_class().get_guard() == authorized(scopes=["a", "b"])


def test_a_mixin_without_attributes_is_the_bare_guard():
    assert mixed(View)().get_guard() == authenticated()
    assert mixed(View, AuthorizedMixin)().get_guard() == authorized()


@pytest.mark.parametrize("make", CLASSES)
def test_no_session_opens_a_view_for_keys(make):
    page = make()
    view = mixed(page, AuthorizedMixin).as_view()

    for cookie in (NOBODY, cookie_of()):
        answer = both(view, cookie)

        assert answer.status == 401
        assert answer.header("www-authenticate") == 'Bearer realm="api"'
    assert page.calls == []


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("mixin", [AuthenticatedMixin, AuthorizedMixin])
def test_a_view_behind_the_mixin_is_marked_as_guarded(make, mixin):
    view = mixed(make(), mixin).as_view()

    assert guards_of(view) == (mixin().get_guard(),)
    assert view.login_required is False
    assert getattr(view, "csrf_exempt", False) is (mixin is AuthorizedMixin)


@pytest.mark.parametrize("make", CLASSES)
def test_a_view_of_coroutines_is_a_coroutine_function(make):
    view = mixed(make()).as_view()

    assert asgiref.sync.iscoroutinefunction(view) is (make is async_view)


@pytest.mark.parametrize("make", CLASSES)
def test_the_view_class_and_its_arguments_can_be_found(make):
    view_class = mixed(make(), required_roles=["admin"])
    view = view_class.as_view(required_org=True)

    assert view.view_class is view_class
    assert view.view_initkwargs["required_org"] is True


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("error", [Http404, NotAuthenticated, ValueError])
def test_what_a_handler_raises_passes_through_untouched(make, error):
    arguments = ["not_fresh", ("Cookie",)] if error is NotAuthenticated else []
    raised = error(*arguments)

    def handle(self, request):
        raise raised

    async def ahandle(self, request):
        raise raised

    handler = handle if make is sync_view else ahandle
    view = mixed(make(post=handler, get=handler)).as_view()
    with pytest.raises(error) as caught:
        _run(view(request_of(accept="application/json")))

    assert caught.value is raised
    assert (raised.__cause__, raised.__context__) == (None, None)


def _run(response):
    if not inspect.isawaitable(response):
        return response
    return asgiref.sync.async_to_sync(_awaited)(response)


async def _awaited(awaitable):
    return await awaitable


# as_view() and subclasses


@pytest.mark.parametrize("make", CLASSES)
def test_as_view_can_say_what_an_account_must_be(make):
    view_class = mixed(make())
    view = view_class.as_view(required_roles=["admin"])

    assert guards_of(view) == (ADMINS,)
    assert both(view, cookie_of(ADMIN)).status == 200
    assert both(view, cookie_of(MEMBER)).status == 403
    assert both(view_class.as_view(), cookie_of(MEMBER)).status == 200


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("required_roles", "admin"),
        ("required_roles", []),
        ("required_roles", [1]),
        ("required_verified", "yes"),
        ("required_org", 1),
        ("required_fresh", 600),
    ],
)
def test_wrong_attributes_are_refused_when_the_module_is_imported(attribute, value):
    message = f"{attribute.removeprefix('required_')} is {value!r}; it is "

    with pytest.raises(TypeError, match=f"^{re.escape(message)}.* Write authenticated"):
        mixed(View, **{attribute: value})
    with pytest.raises(TypeError, match=f"^{re.escape(message)}.* Write authenticated"):
        mixed(View).as_view(**{attribute: value})


def test_wrong_scopes_are_refused_when_the_module_is_imported():
    with pytest.raises(TypeError, match=r"^scopes is 'a'; .* Write authorized"):
        mixed(View, AuthorizedMixin, required_scopes="a")
    with pytest.raises(TypeError, match=r"^scopes is 'a'; .* Write authorized"):
        mixed(View, AuthorizedMixin).as_view(required_scopes="a")


@pytest.mark.parametrize("name", ["roles", "required_role", "required_scopes"])
def test_as_view_refuses_attributes_that_there_are_not(name):
    with pytest.raises(TypeError, match=name):
        mixed(View).as_view(**{name: ["admin"]})


@pytest.mark.parametrize("make", CLASSES)
def test_a_subclass_says_for_itself_what_an_account_must_be(make):
    base = mixed(make(), required_roles=["owner"])
    subclass = type("Other", (base,), {"required_roles": ["admin"]})

    assert both(subclass.as_view(), cookie_of(ADMIN)).status == 200
    assert both(base.as_view(), cookie_of(ADMIN)).status == 403


@pytest.mark.parametrize("make", CLASSES)
def test_a_subclass_inherits_the_guard(make):
    base = mixed(make(), required_roles=["owner"])
    subclass = type("Other", (base,), {})

    assert guards_of(subclass.as_view()) == (OWNERS,)
    assert both(subclass.as_view(), cookie_of(ADMIN)).status == 403


@pytest.mark.parametrize("make", CLASSES)
def test_the_guard_may_be_made_by_a_method(make):
    def get_guard(self):
        return any_of(OWNERS, authorized)

    page = make()
    view = mixed(page, get_guard=get_guard).as_view()

    assert both(view, cookie_of(ADMIN)).status == 403
    assert page.calls == []
    assert guards_of(view) == (any_of(OWNERS, authorized),)
    assert view.csrf_exempt is True


def test_the_guard_is_made_before_any_request():
    made = []

    def get_guard(self):
        made.append(self)
        return authenticated()

    view = mixed(sync_view(), get_guard=get_guard).as_view()
    before = len(made)
    both(view, cookie_of())

    assert len(made) == before


def test_a_view_may_want_arguments_to_be_made():
    class Report(AuthenticatedMixin, View):
        title = None

        def __init__(self, *, title, **kwargs):
            super().__init__(title=title, **kwargs)

        def get(self, request):
            return HttpResponse(self.title)

    assert both(Report.as_view(title="Sales"), cookie_of()).body == b"Sales"


@pytest.mark.parametrize(
    "bases",
    [(AuthenticatedMixin, AuthorizedMixin), (AuthorizedMixin, AuthenticatedMixin)],
)
def test_two_mixins_do_not_forget_one_of_the_two(bases):
    # Whether both are wanted or either is not said; any_of() says it.
    with pytest.raises(TypeError, match="any_of"):
        type("Report", (*bases, View), {"required_scopes": ["a"]})


@pytest.mark.parametrize("make", CLASSES)
def test_two_mixins_may_have_a_guard_of_their_class(make):
    def get_guard(self):
        return any_of(ADMINS, authorized)

    page = make()
    view_class = type(
        "Report", (AuthenticatedMixin, AuthorizedMixin, page), {"get_guard": get_guard}
    )

    assert both(view_class.as_view(), cookie_of(ADMIN)).status == 200
    assert both(view_class.as_view(), cookie_of(MEMBER)).status == 403


# The order of base classes


class WithDispatch(View):
    def dispatch(self, request, *args, **kwargs):
        return HttpResponse("dispatched")


@pytest.mark.parametrize("base", [WithDispatch, type("Sub", (WithDispatch,), {})])
def test_a_base_view_that_goes_before_the_guard_is_refused(base):
    message = (
        "Report: WithDispatch stands before the guard and may pass it by. "
        "Name the mixin first: class Report(AuthenticatedMixin, View)."
    )

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        type("Report", (base, AuthenticatedMixin), {})


def test_a_subclass_cannot_bring_a_view_before_the_guard():
    with pytest.raises(
        TypeError, match=r"^Other: WithDispatch stands before the guard"
    ):
        type("Other", (WithDispatch, mixed(View)), {})


def test_view_before_the_mixin_is_refused():
    with pytest.raises(TypeError, match=r"MRO|method resolution order"):
        type("Report", (View, AuthenticatedMixin), {})


def test_a_base_view_behind_the_mixin_is_guarded_with_its_dispatch():
    view = mixed(WithDispatch).as_view()

    assert both(view, NOBODY).status == 302
    assert both(view, cookie_of()).body == b"dispatched"


@pytest.mark.parametrize("bases", [(AuthenticatedMixin, TemplateView)])
def test_a_base_view_without_a_dispatch_may_stand_anywhere(bases):
    for order in (bases, bases[::-1]):
        view = type("Report", order, {"template_name": "none.html"}).as_view()

        assert both(view, NOBODY).status == 302


@pytest.mark.parametrize("make", CLASSES)
def test_a_class_may_have_its_own_dispatch_behind_the_guard(make):
    page, seen = make(), []

    class Report(AuthenticatedMixin, page):
        def dispatch(self, request, *args, **kwargs):
            seen.append(request.method)
            return super().dispatch(request, *args, **kwargs)

    assert both(Report.as_view(), NOBODY).status == 302
    assert page.calls == []
    assert both(Report.as_view(), cookie_of()).status == 200
    assert seen == ["GET"] * 2


class Noting:
    """A mixin as many libraries have."""

    def dispatch(self, request, *args, **kwargs):
        request.noted = True
        return super().dispatch(request, *args, **kwargs)


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("is_before", [True, False])
def test_the_mixin_works_with_another_one_that_has_a_dispatch(make, is_before):
    page = make()
    mixins = (Noting, AuthenticatedMixin) if is_before else (AuthenticatedMixin, Noting)
    view = type("Report", (*mixins, page), {}).as_view()

    assert both(view, NOBODY).status == 302
    assert page.calls == []
    assert both(view, cookie_of()).status == 200


def test_the_mixin_works_with_djangos_test_of_users():
    class Report(AuthenticatedMixin, UserPassesTestMixin, sync_view()):
        def test_func(self):
            return self.request.account.role == "admin"

    assert both(Report.as_view(), NOBODY).status == 302
    assert both(Report.as_view(), cookie_of(ADMIN)).status == 200
    assert both(Report.as_view(raise_exception=True), cookie_of(MEMBER)).status == 403


# Generic views


class Names(ListView):
    template_name = "none.html"

    def render_to_response(self, context, **kwargs):
        return HttpResponse(", ".join(context["object_list"]))


def test_a_list_view_can_be_guarded():
    view = mixed(Names, queryset=["one", "two"]).as_view()

    assert both(view, NOBODY).status == 302
    assert both(view, cookie_of()).body == b"one, two"


def test_a_template_view_can_be_guarded(settings):
    loaders = [("django.template.loaders.locmem.Loader", {"a.html": "{{ what }}"})]
    engine = {**settings.TEMPLATES[0], "OPTIONS": {"loaders": loaders}}
    settings.TEMPLATES = [engine | {"APP_DIRS": False}]
    view_class = mixed(TemplateView, template_name="a.html")
    view = view_class.as_view(extra_context={"what": "shown"})

    assert both(view, NOBODY, headers=JSON).status == 401
    assert both(view, cookie_of()).body == b"shown"


@pytest.mark.parametrize("guard", [mixed, lambda base: base])
def test_a_redirect_view_can_be_guarded(guard):
    view = guard(RedirectView).as_view(url="/there/")
    guarded = view if guard is mixed else authenticated(view)

    assert both(guarded, NOBODY).header("location").startswith("/accounts/login/")
    assert both(guarded, cookie_of()).header("location") == "/there/"


# as_view(), decorated


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("guard", [authenticated, ADMINS, any_of(ADMINS, authorized)])
def test_a_decorated_as_view_is_guarded(make, guard):
    page = make()
    view = guard(page.as_view())

    assert both(view, NOBODY).status == 302
    assert both(view, NOBODY, headers=JSON).status == 401
    assert page.calls == []
    assert both(view, cookie_of()).body == b"shown"


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("guard", [authenticated, public])
def test_a_decorated_as_view_keeps_its_class(make, guard):
    page = make()
    view = guard(page.as_view())

    assert view.view_class is page
    assert view.view_initkwargs == {}
    assert asgiref.sync.iscoroutinefunction(view) is (make is async_view)


# method_decorator

PLACES = ["method", "dispatch"]


def decorated(make, decorators, place):
    """Return a class with decorators on its ``get`` or its ``dispatch``."""
    page = make()
    name = "get" if place == "method" else "dispatch"
    return method_decorator(decorators, name=name)(page)


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("guard", [authenticated, ADMINS, any_of(ADMINS, authorized)])
def test_method_decorator_guards(make, place, guard):
    page = decorated(make, guard, place)

    assert both(page.as_view(), NOBODY).status == 302
    assert both(page.as_view(), NOBODY, headers=JSON).status == 401
    assert page.calls == []
    assert both(page.as_view(), cookie_of()).body == b"shown"
    assert len(page.calls) == 2


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("place", PLACES)
def test_method_decorator_gives_arguments_on(make, place):
    page = decorated(make, authenticated, place)
    _run(page.as_view()(request_of(), 1, pk=2))

    assert page.calls == [("GET", (1,), {"pk": 2})]


@pytest.mark.parametrize("make", CLASSES)
def test_the_mixin_gives_arguments_on(make):
    page = make()
    _run(mixed(page).as_view()(request_of(), 1, pk=2))

    assert page.calls == [("GET", (1,), {"pk": 2})]


@pytest.mark.parametrize("make", CLASSES)
def test_method_decorator_on_a_method_says_nothing_of_the_others(make):
    page = decorated(make, authenticated, "method")

    assert both(page.as_view(), NOBODY, method="OPTIONS").status == 200
    assert both(page.as_view(), NOBODY, method="HEAD").status == 302


@pytest.mark.parametrize("make", CLASSES)
def test_method_decorator_on_dispatch_guards_all_methods(make):
    page = decorated(make, authenticated, "dispatch")

    for method in ("GET", "HEAD", "OPTIONS", "POST", "FOO"):
        view = csrf_exempt(page.as_view())
        assert both(view, NOBODY, method=method).status == 302


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("place", PLACES)
def test_stacked_method_decorators_all_have_to_let_in(make, place):
    name = "get" if place == "method" else "dispatch"
    orders = [(ADMINS, authenticated(org=True)), (authenticated(org=True), ADMINS)]
    for first, second in orders:
        page = decorated(make, first, place)
        view = method_decorator(second, name=name)(page).as_view()

        assert both(view, cookie_of(ADMIN)).status == 403
        assert both(view, cookie_of(MEMBER, ACME)).status == 403
        assert page.calls == []
        assert both(view, cookie_of(ADMIN, ACME)).status == 200


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("place", PLACES)
def test_guards_in_one_method_decorator_all_have_to_let_in(make, place):
    page = decorated(make, [ADMINS, authenticated(org=True)], place)

    assert both(page.as_view(), cookie_of(ADMIN)).status == 403
    assert both(page.as_view(), cookie_of(MEMBER, ACME)).status == 403
    assert page.calls == []
    assert both(page.as_view(), cookie_of(ADMIN, ACME)).status == 200


OTHERS = {
    "cache_control": cache_control(private=True),
    "csrf_exempt": csrf_exempt,
    "csrf_protect": csrf_protect,
    "never_cache": never_cache,
    "require_safe": require_safe,
    "sensitive_post_parameters": sensitive_post_parameters(),
    "vary_on_cookie": vary_on_cookie,
}

#: What Django's decorators themselves can't do to an async ``dispatch``: they take what
#: it returns for a response.
NOT_ON_ASYNC_DISPATCH = {"cache_control", "never_cache", "vary_on_cookie"}


@pytest.mark.heavy
@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("server", SERVERS)
def test_a_guard_works_among_other_method_decorators(
    make, place, other, is_first, server
):
    decorators = [authenticated, OTHERS[other]]
    page = decorated(make, decorators if is_first else decorators[::-1], place)
    view = page.as_view()

    assert server(view, NOBODY).status == 302
    assert server(view, NOBODY, headers=JSON).status == 401
    assert page.calls == []
    is_async_dispatch = make is async_view and place == "dispatch"
    if not (is_async_dispatch and is_first and other in NOT_ON_ASYNC_DISPATCH):
        assert server(view, cookie_of()).body == b"shown"


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("other", sorted(OTHERS.keys() - NOT_ON_ASYNC_DISPATCH))
@pytest.mark.parametrize("server", SERVERS)
def test_the_mixin_works_on_a_view_whose_dispatch_is_decorated(make, other, server):
    page = decorated(make, OTHERS[other], "dispatch")
    view = mixed(page).as_view()

    assert server(view, NOBODY).status == 302
    assert server(view, NOBODY, headers=JSON).status == 401
    assert page.calls == []
    assert server(view, cookie_of()).body == b"shown"


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("other", sorted(OTHERS.keys() - NOT_ON_ASYNC_DISPATCH))
@pytest.mark.parametrize("server", SERVERS)
def test_the_dispatch_of_a_view_with_the_mixin_can_be_decorated(make, other, server):
    page = make()
    view_class = method_decorator(OTHERS[other], name="dispatch")(mixed(page))
    view = view_class.as_view()

    assert server(view, NOBODY).status == 302
    assert page.calls == []
    assert server(view, cookie_of()).body == b"shown"
    assert guards_of(view) == (authenticated(),)


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("server", SERVERS)
def test_a_subclass_keeps_the_guard_on_the_dispatch_of_its_base(make, server):
    base = decorated(make, ADMINS, "dispatch")
    view = type("Sub", (base,), {}).as_view()

    assert server(view, NOBODY).status == 302
    assert server(view, cookie_of(MEMBER)).status == 403
    assert server(view, cookie_of()).status == 200
    assert guards_of(view) == (ADMINS,)


@pytest.mark.parametrize("make", CLASSES)
def test_a_guard_on_dispatch_and_a_mixin_both_have_to_let_in(make):
    page = make()
    view = method_decorator(authenticated(org=True), name="dispatch")(
        mixed(page, required_roles=["admin"])
    ).as_view()

    assert both(view, cookie_of(ADMIN)).status == 403
    assert both(view, cookie_of(MEMBER, ACME)).status == 403
    assert page.calls == []
    assert both(view, cookie_of(ADMIN, ACME)).status == 200


@pytest.mark.parametrize("make", CLASSES)
def test_a_guard_on_as_view_and_a_mixin_both_have_to_let_in(make):
    page = make()
    view = authenticated(org=True)(mixed(page, required_roles=["admin"]).as_view())

    assert both(view, cookie_of(ADMIN)).status == 403
    assert both(view, cookie_of(MEMBER, ACME)).status == 403
    assert page.calls == []
    assert both(view, cookie_of(ADMIN, ACME)).status == 200
    assert guards_of(view) == (authenticated(org=True), ADMINS)


def _of_dispatch(make, inner, outer):
    return method_decorator(outer, name="dispatch")(decorated(make, inner, "dispatch"))


def _of_list(make, inner, outer):
    return decorated(make, [outer, inner], "dispatch")


def _of_mixin(make, inner, outer):
    view_class = mixed(make(), required_roles=["admin"])
    return method_decorator(outer, name="dispatch")(view_class)


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("way", [_of_dispatch, _of_list, _of_mixin])
def test_all_guards_on_a_dispatch_are_known(make, way):
    outer = authenticated(org=True)

    view = way(make, ADMINS, outer).as_view()

    assert set(guards_of(view)) == {outer, ADMINS}


@pytest.mark.parametrize("make", CLASSES)
def test_all_guards_on_base_classes_are_known(make):
    base = mixed(decorated(make, ADMINS, "dispatch"), required_verified=True)
    subclass = method_decorator(authenticated(org=True), name="dispatch")(
        type("Sub", (base,), {})
    )
    view = subclass.as_view()

    assert set(guards_of(view)) == {
        *(ADMINS, authenticated(verified=True), authenticated(org=True)),
    }
    assert both(view, cookie_of(MEMBER, ACME)).status == 403
    assert both(view, cookie_of(ADMIN)).status == 403
    assert both(view, cookie_of(ADMIN, ACME)).status == 200


@pytest.mark.parametrize("make", CLASSES)
def test_a_dispatch_for_keys_is_exempt_from_djangos_csrf_check(make):
    page = decorated(make, any_of(authenticated, authorized), "dispatch")

    assert page.as_view().csrf_exempt is True
    assert both(page.as_view(), cookie_of(), method="POST").status == 403
    assert page.calls == []


@pytest.mark.parametrize("make", CLASSES)
def test_a_public_class_is_for_everybody_where_accounts_are_required(make, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REQUIRED]
    page = decorated(make, public, "dispatch")

    assert both(page.as_view(), NOBODY).status == 200
    assert both(public(make().as_view()), NOBODY).status == 200
    assert both(make().as_view(), NOBODY).status == 302


@pytest.mark.parametrize("make", CLASSES)
def test_a_view_may_answer_before_its_handler(make):
    page = make()

    class Moved(page):
        def dispatch(self, request, *args, **kwargs):
            return HttpResponseRedirect("/there/")

    for view in (mixed(Moved).as_view(), authenticated(make().as_view())):
        assert both(view, NOBODY).header("location").startswith("/accounts/login/")


def test_a_mixin_that_says_nothing_is_refused():
    with pytest.raises(NotImplementedError):
        type("Report", (GuardMixin,), {})


class Forgetful(AuthenticatedMixin, View):
    required_roles = ("admin",)

    def dispatch(self, request, *args, **kwargs):
        return HttpResponse("shown")


def test_a_dispatch_that_forgets_the_mixin_is_guarded_all_the_same():
    assert both(Forgetful.as_view(), NOBODY).status == 302
    assert both(Forgetful.as_view(), cookie_of(MEMBER)).status == 403
    assert both(Forgetful.as_view(), cookie_of(ADMIN)).body == b"shown"


@pytest.mark.parametrize("make", CLASSES)
def test_a_dispatch_that_is_called_without_as_view_is_guarded(make):
    view_class = mixed(make(), required_roles=["admin"])

    def view(request):
        instance = view_class()
        instance.setup(request)
        return instance.dispatch(request)

    if view_class.view_is_async:
        asgiref.sync.markcoroutinefunction(view)
    assert both(view, NOBODY).status == 302
    assert both(view, cookie_of(MEMBER)).status == 403
    assert both(view, cookie_of(ADMIN)).status == 200


def test_a_view_may_have_a_guard_of_another_kind():
    class Prison(AuthenticatedMixin, View):
        def setup(self, request, *args, **kwargs):
            super().setup(request, *args, **kwargs)
            self.guard = "somebody with a bunch of keys"

        def get(self, request):
            return HttpResponse(self.guard)

    assert both(Prison.as_view(), cookie_of()).body.startswith(b"somebody")


def test_a_guard_that_says_what_two_mixins_mean_is_inherited():
    class Both(AuthenticatedMixin, AuthorizedMixin, View):
        def get_guard(self):
            return any_of(authenticated, authorized)

    assert guards_of(type("Sub", (Both,), {}).as_view()) == (
        any_of(authenticated, authorized),
    )


def test_a_guard_of_one_mixin_does_not_speak_for_the_other():
    class One(AuthenticatedMixin, View):
        def get_guard(self):
            return authenticated(roles=["admin"])

    with pytest.raises(TypeError, match="two guards"):
        type("Sub", (One, AuthorizedMixin), {"required_scopes": ["a"]})
