"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from django_secure_session.views import ReauthenticateView
from testproject.users import DEMO_PASSWORD, DEMO_USERS

DEMO = {"demo_users": DEMO_USERS, "demo_password": DEMO_PASSWORD}

login = LoginView.as_view(redirect_authenticated_user=True, extra_context=DEMO)
reauthenticate = ReauthenticateView.as_view(extra_context=DEMO)

handler403 = "testproject.guards.views.refused"
urlpatterns = [
    path("", include("testproject.api_keys.urls")),
    path("", include("testproject.guards.urls")),
    path("", include("testproject.log_ins.urls")),
    path("", include("testproject.organisations.urls")),
    path("", include("testproject.pages.urls")),
    path("", include("testproject.preferences.urls")),
    path("", include("testproject.shop.urls")),
    path("", include("testproject.sizes.urls")),
    path("", include("testproject.thief.urls")),
    path("login/", login, name="login"),
    path("reauthenticate/", reauthenticate, name="reauthenticate"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/", include("testproject.api.urls")),
]
