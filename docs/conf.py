"""How Sphinx builds these pages: ``make docs``. Nothing is fetched from anywhere."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _version() -> str:
    """Read the version without importing the package, which would need Django."""
    text = (ROOT / "django_secure_session" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise RuntimeError("django_secure_session/__init__.py has no __version__ line")
    return found[1]


project = "django-secure-session"
author = "The django-secure-session maintainers"
project_copyright = "the django-secure-session maintainers"
release = version = _version()

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"django-secure-session {release}"
html_static_path = ["_static"]
html_show_sphinx = False
html_copy_source = False
