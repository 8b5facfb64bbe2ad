"""The demo site for an ASGI server, such as ``uvicorn testproject.asgi:application``.

Such a server does not serve the style sheet; ``manage.py runserver`` does.
"""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.settings")

application = get_asgi_application()
