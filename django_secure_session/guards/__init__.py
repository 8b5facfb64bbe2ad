"""Guards: what a view wants of whoever asks, whether that is so, and the answer if not.

``policy`` is pure. ``admission`` holds it against a request, and ``responses`` turns
its refusals into HTTP. ``routes`` finds the guards in a URLconf.
"""
