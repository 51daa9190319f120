"""The one door of the test portal: an HTTPS proxy with faults on order and a log of requests.

Programs reach it by ``HTTPS_PROXY`` and trust it by ``REQUESTS_CA_BUNDLE`` and ``AWS_CA_BUNDLE``;
nothing in them is changed. It ends TLS itself, answers the portal's GraphQL host from the rows and
sends what is meant for S3 on to moto. ``/control/...`` on the plain port orders faults and gives
the log.
"""

import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from patience import HANG_SECONDS
from portal_servers.names import GRAPHQL_HOST

_HOP = {"connection", "proxy-connection", "transfer-encoding", "keep-alive"}


@dataclass
class Fault:
    """What goes wrong with the objects, or GraphQL queries, whose name matches.

    ``match`` is a regular expression sought in ``HOST/PATH?QUERY`` (in the text of a query for
    GraphQL). ``status`` answers with that status, ``body`` with that text, ``hang`` waits so many
    seconds first, ``drop`` closes the connection. ``times`` bounds how often; None is for ever.
    """

    match: str
    status: int | None = None
    body: str | None = None
    hang: float = 0.0
    drop: bool = False
    times: int | None = None

    def fits(self, name: str) -> bool:
        """Return whether the fault strikes, and count the strike."""
        if self.times == 0 or not re.search(self.match, name):
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class State:
    """What the front knows: faults, log, where the answers come from."""

    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    s3_port: int
    context: ssl.SSLContext
    faults: list[Fault] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, name: str) -> Fault | None:
        """Return the fault that strikes a request."""
        with self.lock:
            return next((fault for fault in self.faults if fault.fits(name)), None)


class Front(ThreadingHTTPServer):
    """The server; ``state`` is shared by its threads."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, state: State) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANG_SECONDS
    host = ""

    @property
    def state(self) -> State:
        assert isinstance(self.server, Front)
        return self.server.state

    def log_message(self, *args: Any) -> None:
        """Keep standard error clean."""

    def do_CONNECT(self) -> None:
        """Open a tunnel that ends here."""
        self.host = self.path.rsplit(":", 1)[0]
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.state.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        """Close the tunnel too, so that the client does not wait."""
        try:
            super().finish()
        except OSError:
            pass
        finally:
            self.connection.close()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.host and self.path.startswith("/control/"):
            return self._control(body)
        is_graphql = self.host == GRAPHQL_HOST
        query = json.loads(body)["query"] if is_graphql and body else None
        name = query or unquote(f"{self.host}{self.path}")
        entry: dict[str, Any] = {
            "host": self.host,
            "method": self.command,
            "path": unquote(self.path),
        }
        entry |= {"query": query, "status": 0, "bytes": 0}
        with self.state.lock:
            self.state.log.append(entry)
        fault = self.state.fault_of(name)
        if fault is not None:
            time.sleep(fault.hang)
            if fault.drop:
                self.close_connection = True
                return None
            if fault.status is not None or fault.body is not None:
                text = fault.body if fault.body is not None else _error_body(fault.status or 0)
                return self._send(fault.status or 200, text.encode(), {}, entry)
        if is_graphql:
            answer = json.dumps(self.state.answer(json.loads(body))).encode()
            return self._send(200, answer, {"Content-Type": "application/json"}, entry)
        return self._forward(body, entry)

    do_GET = do_HEAD = do_POST = _handle  # noqa: N815 - the names that http.server asks for

    def _forward(self, body: bytes, entry: dict[str, Any]) -> None:
        """Send a request on to moto."""
        inner = http.client.HTTPConnection("127.0.0.1", self.state.s3_port, timeout=HANG_SECONDS)
        headers = {name: text for name, text in self.headers.items() if name.lower() not in _HOP}
        inner.request(self.command, self.path, body=body or None, headers=headers)
        answer = inner.getresponse()
        content = answer.read()
        passed = {name: text for name, text in answer.getheaders() if name.lower() not in _HOP}
        inner.close()
        self._send(answer.status, content, passed, entry)

    def _send(
        self, status: int, content: bytes, headers: Mapping[str, str], entry: dict[str, Any]
    ) -> None:
        entry["status"], entry["bytes"] = status, len(content)
        self.send_response(status)
        for name, text in headers.items():
            if name.lower() not in {"content-length", "date", "server"}:
                self.send_header(name, text)
        length = headers.get("Content-Length", str(len(content)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _control(self, body: bytes) -> None:
        order = self.path.removeprefix("/control/")
        entry: dict[str, Any] = {}
        with self.state.lock:
            if order == "reset":
                self.state.faults.clear()
                self.state.log.clear()
            elif order == "fault":
                self.state.faults.append(Fault(**json.loads(body)))
            answer = json.dumps(self.state.log if order == "log" else {}).encode()
        self._send(200, answer, {"Content-Type": "application/json"}, entry)


def _error_body(status: int) -> str:
    codes = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 503: "SlowDown"}
    code = codes.get(status, "Error")
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
