from __future__ import annotations

from django.urls import path

from testproject.log_ins import views

app_name = "log_ins"
urlpatterns = [
    path("sessions/", views.show, name="list"),
    path("sessions/end-others/", views.end_others, name="end-others"),
    path("sessions/<slug:handle>/end/", views.end, name="end"),
]
