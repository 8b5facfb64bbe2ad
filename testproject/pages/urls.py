from __future__ import annotations

from django.urls import path

from testproject.pages import views

app_name = "pages"
urlpatterns = [
    path("", views.home, name="home"),
    path("cookies/", views.cookies, name="cookies"),
    path("cookies/<slug:alias>/", views.cookies, name="cookies-of"),
    path("visits/", views.visits, name="visits"),
]
