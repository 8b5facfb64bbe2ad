"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from testproject.users import DEMO_PASSWORD, DEMO_USERS

login = LoginView.as_view(
    redirect_authenticated_user=True,
    extra_context={"demo_users": DEMO_USERS, "demo_password": DEMO_PASSWORD},
)

urlpatterns = [
    path("", include("testproject.pages.urls")),
    path("", include("testproject.preferences.urls")),
    path("", include("testproject.shop.urls")),
    path("", include("testproject.sizes.urls")),
    path("login/", login, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
