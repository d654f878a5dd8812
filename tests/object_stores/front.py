"""An HTTP server in front of a store's stand-in, with faults to switch on."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Refusal = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers and body of an answer that says no."""

_HOP_BY_HOP = {"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


@dataclass
class Request:
    method: str
    path: str
    """Decoded."""
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """What happens to the next `times` requests that `when` picks: see `Front.fail`."""

    when: Callable[[Request], bool]
    kind: str
    times: int
    met: int = 0


class _Handler(WSGIRequestHandler):
    """Keeps the headers as they came: in an environ's names `_` and `-` are the same."""

    def log(self, *args: Any) -> None: ...

    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), "headers": self.headers.items()}


class _ConnectionGone(Exception):  # noqa: N818
    """Ends the handling of a request whose connection was cut."""


@dataclass
class Front:
    """Answers with what `backend` says, unless a fault is to be met.

    `changed` makes a request what one of the store's own faults asks for, and says how to go on: with an
    answer, or with None for the backend's. `refusals`: how this store says no, by the kind of fault.
    """

    backend: Application
    changed: Callable[[str, Request, dict[str, Any]], Refusal | None]
    refusals: dict[str, Refusal]
    one_at_a_time: bool = False
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    gate: Callable[[Request], None] = lambda request: None
    after: Callable[[Request], None] = lambda request: None

    def __post_init__(self) -> None:
        self._turn: Any = threading.Lock() if self.one_at_a_time else contextlib.nullcontext()
        self._counting = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()

    def fail(self, kind: str, when: Callable[[Request], bool], times: int = 10**6) -> Fault:
        """`"throttled"` and `"broken"` answer 503 and 500, `"lost"` does what was asked but cuts the
        connection, `"cut short"` does so after half of the answer, `"unheard"` does nothing but cut it; the
        others are the store's own."""
        fault = Fault(when, kind, times)
        self.faults.append(fault)
        return fault

    def calm(self) -> None:
        """As if nothing had happened yet."""
        self.faults.clear()
        self.requests.clear()
        self.gate = self.after = lambda request: None

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked"
        body = environ["wsgi.input"].read(*([] if chunked else [int(environ.get("CONTENT_LENGTH") or 0)]))
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        headers = {name.lower(): value for name, value in environ["headers"]}
        request = Request(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], headers, body
        )
        self.gate(request)
        with self._turn:
            answer = self._handled(request, environ, start)
        self.after(request)
        return answer

    def _handled(
        self, request: Request, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        fault = self._met(request)
        if fault is None:
            return self.backend(environ, start)
        if fault.kind in ("lost", "unheard"):
            if fault.kind == "lost":
                list(self.backend(environ, lambda *args: lambda data: None))
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise _ConnectionGone
        if fault.kind == "cut short":
            return self._halved(environ, start)
        refusal = self.refusals.get(fault.kind) or self.changed(fault.kind, request, environ)
        if refusal is None:
            return self.backend(environ, start)
        status, headers, body = refusal
        start(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if request.method == "HEAD" else [body]

    def _halved(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        whole = b"".join(self.backend(environ, start))
        yield whole[: len(whole) // 2]
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise _ConnectionGone

    def _met(self, request: Request) -> Fault | None:
        with self._counting:
            self.requests.append(request)
            for fault in self.faults:
                if fault.met < fault.times and fault.when(request):
                    fault.met += 1
                    return fault
        return None


def forwarding_to(port: int) -> Application:
    """An application that asks another server on this machine."""

    def ask(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            body = environ["wsgi.input"].read()
            method, target = environ["REQUEST_METHOD"], environ["REQUEST_URI"]
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in environ["headers"]:
                if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            content = answer.read()
            headers = [pair for pair in answer.getheaders() if pair[0].lower() not in _HOP_BY_HOP]
            if not any(name.lower() == "content-length" for name, _ in headers):
                headers.append(("Content-Length", str(len(content))))
            start(f"{answer.status} {answer.reason}", headers)
            return [content]

    return ask
