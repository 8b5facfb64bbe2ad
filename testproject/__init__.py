"""The demo site: a small shop whose sessions live encrypted in the cookie."""
