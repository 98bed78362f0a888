"""The review server: one page on 127.0.0.1 whose address holds a random token; it reads images by catalog id only.

The standard library's server is enough: one reader, six routes, nothing that a framework would add but dependencies.
What its documentation warns of (it is no server for the open network) is kept out by the address that it listens on, the
token, the check of the Host header against names that another site has bound to 127.0.0.1, and limits of length and time.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from snellen.report.review_answer import Misfit, take
from snellen.report.review_desk import Desk
from snellen.report.review_page import policy, render
from snellen.report.review_pixels import Unseen, picture
from snellen.report.review_view import classes, mask_picture, overview, runs_picture, view

INTERFACE = "127.0.0.1"
SIDE, MOST_SIDE = 1600, 4096
MOST_BYTES = 100_000
Body = tuple[bytes, str]


class ReviewServer(ThreadingHTTPServer):
    """Serves one desk; `address` is what the browser is given. `port` 0 takes a free one.

    Raises OSError where the port is taken. Use `serve_forever` and `server_close`, as with any server of the standard library.
    """

    daemon_threads = True
    # On Windows this would let another program take the port while it is in use.
    allow_reuse_address = os.name == "posix"

    def __init__(self, desk: Desk, *, port: int = 0) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__((INTERFACE, port), _Visit)
        self.desk = desk
        self.token = secrets.token_urlsafe(24)
        self.page = render(desk)
        self.headers = _headers(policy(self.page))

    @property
    def address(self) -> str:
        """The page's address, with the token."""
        return f"http://{INTERFACE}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a Host header may say."""
        return tuple(f"{name}:{self.server_port}" for name in (INTERFACE, "localhost"))

    def get_request(self) -> tuple[socket.socket, Any]:
        """A new connection, remembered until it ends."""
        connection, client = super().get_request()
        self._connections.add(connection)
        return connection, client

    def shutdown_request(self, request: Any) -> None:
        """A connection that ends."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and end the connections that a browser keeps open: from then on no answer is taken."""
        super().server_close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):  # It ended by itself meanwhile.
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes on to the next image hangs up on this one: that is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _headers(page_policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": page_policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


class _Refused(Exception):
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Visit(BaseHTTPRequestHandler):
    """One connection."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "snellen", ""
    timeout = 60

    def do_GET(self) -> None:
        """Answer the page, its data and its images."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take an answer."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the address holds the token."""

    def _answer(self, ask: Any) -> None:
        try:
            status, (body, kind) = HTTPStatus.OK, ask(self._route())
        except _Refused as refused:
            # What was not read of the request must not be taken for the next one.
            self.close_connection = True
            status, (body, kind) = refused.status, (f"{refused}\n".encode(), "text/plain; charset=utf-8")
        self.send_response(status)
        for name, value in {**self.server.headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _route(self) -> list[str]:
        """The parts of the path behind the token; refuses another host and a request without the token."""
        if self.headers.get("Host", "") not in self.server.hosts:
            raise _Refused(HTTPStatus.FORBIDDEN, "this host is not served here")
        token, *route = self.path.partition("?")[0].removeprefix("/").split("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "use the address that snellen printed: it holds a token")
        return [unquote(part) for part in route]

    def _get(self, route: list[str]) -> Body:
        desk = self.server.desk
        match route:
            case [""]:
                return self.server.page.encode(), "text/html; charset=utf-8"
            case ["overview"]:
                return _json(overview(desk))
            case ["item", number] if number.isdecimal() and len(number) < 10 and int(number) < len(desk.asked.items):
                return _json(view(desk, int(number)))
            case ["image" | "pair" | "mask" | "runs" as kind, sample]:
                return self._pixels(kind, sample)
        raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _pixels(self, kind: str, sample: str) -> Body:
        desk, side = self.server.desk, self._side()
        path = desk.file(sample, "pair" if kind == "pair" else "path")
        if path is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "the catalog has no such sample")
        try:
            if kind == "mask":
                return mask_picture(desk, sample, side=side), "image/png"
            if kind == "runs":
                return runs_picture(desk, sample, side=side), "image/png"
            return picture(path, side=side)
        except Unseen as reason:
            raise _Refused(HTTPStatus.NOT_FOUND, str(reason)) from None

    def _side(self) -> int:
        given = parse_qs(self.path.partition("?")[2]).get("side", [""])[0]
        return min(MOST_SIDE, max(16, int(given))) if given.isdecimal() and len(given) < 6 else SIDE

    def _post(self, route: list[str]) -> Body:
        if route != ["answer"]:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        given, desk = self._body(), self.server.desk
        try:
            n = take(desk, given)
        except Misfit as misfit:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(misfit)) from None
        answered = desk.answered(desk.asked.items[n])
        told = {"n": n, "answer": str((answered or {}).get("answer", "")), "estimate": desk.estimate()}
        return _json({**told, "classes": classes(desk)})

    def _body(self) -> Any:
        origin, length = self.headers.get("Origin"), self.headers.get("Content-Length", "")
        if origin is not None and origin not in {f"http://{host}" for host in self.server.hosts}:
            raise _Refused(HTTPStatus.FORBIDDEN, "answers come from the page itself")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "an answer is JSON")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an answer has at most {MOST_BYTES} bytes")
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "an answer is JSON") from None


def _json(value: Any) -> Body:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"), "application/json"


def serve(server: ReviewServer) -> None:
    """Serve until Ctrl-C, then close."""
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
