"""The site of the browser's tests, served on a free port, with TLS or without."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from threading import Thread

from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import DEFAULT_DB_ALIAS, connections
from django.test.testcases import QuietWSGIRequestHandler


class Server(ThreadedWSGIServer):
    """Django's server of live tests, but it speaks TLS too and outlives a test.

    Each test gives it an application, made under the settings of that test.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        # A database in memory is one connection's; see Django's LiveServerThread.
        self._database = connections[DEFAULT_DB_ALIAS]
        self._database.inc_thread_sharing()
        super().__init__(
            ("127.0.0.1", 0),
            QuietWSGIRequestHandler,
            connections_override={DEFAULT_DB_ALIAS: self._database},
        )
        if tls:
            self.base_environ["HTTPS"] = "on"
        self._thread = Thread(target=self.serve_forever, args=[0.01], daemon=True)
        self._thread.start()

    def get_request(self):
        connection, address = super().get_request()
        if self._tls:
            # The first read does the handshake, in the thread of this connection.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def serve(self, application: Callable) -> None:
        self.set_app(application)

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._database.dec_thread_sharing()
