from __future__ import annotations

from django.urls import path

from testproject.pages import views

app_name = "pages"
urlpatterns = [
    path("", views.home, name="home"),
    path("cookie/", views.cookie, name="cookie"),
    path("visits/", views.visits, name="visits"),
]
