"""moto's S3 server on a port of its own, one request at a time, with faults to switch on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import s3fs
from aiobotocore.session import get_session
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "eu-west-1"


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass
class Fault:
    """What happens to the next `times` requests that `when` picks: see `S3Server.fail`."""

    when: Callable[[Request], bool]
    kind: str
    times: int
    met: int = 0


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any) -> None: ...


class _ConnectionGone(Exception):  # noqa: N818
    """Ends the handling of a request whose connection was cut."""


@dataclass
class S3Server:
    """Real S3 checks a condition and creates the object in one step; moto does not, hence the lock."""

    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    gate: Callable[[Request], None] = lambda request: None

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._session = get_session()  # only to load the description of S3's API once
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()

    def filesystem(self) -> s3fs.S3FileSystem:
        """A client that shares nothing with others, as in another process."""
        filesystem = s3fs.S3FileSystem(
            key="key",
            secret="secret",
            endpoint_url=self.url,
            client_kwargs={"region_name": REGION},
            config_kwargs={"retries": {"max_attempts": 1}},
            session=self._session,
            skip_instance_cache=True,
        )
        filesystem.retries = 3  # its own tries, with waits that grow
        return filesystem

    def fail(self, kind: str, when: Callable[[Request], bool], times: int = 10**6) -> Fault:
        """`"throttled"` and `"broken"` answer 503 and 500, `"lost"` does what was asked but cuts the
        connection, `"unheard"` only cuts it, `"unconditional"` does not heed If-None-Match, `"late error"`
        answers 200 with an error in the body, as a long copy can; `"403 Forbidden|AccessDenied"` answers that
        status with that code."""
        fault = Fault(when, kind, times)
        self.faults.append(fault)
        return fault

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ["QUERY_STRING"],
            {
                name[5:].replace("_", "-").lower(): value
                for name, value in environ.items()
                if name[:5] == "HTTP_"
            },
        )
        self.gate(request)
        with self._lock:
            self.requests.append(request)
            fault = next((each for each in self.faults if each.met < each.times and each.when(request)), None)
            if fault is None:
                return self._moto(environ, start)
            fault.met += 1
            if fault.kind == "unconditional":
                environ.pop("HTTP_IF_NONE_MATCH", None)
                return self._moto(environ, start)
            if fault.kind == "lost":
                list(self._moto(environ, lambda *args: lambda data: None))
        return self._refuse(fault.kind, environ, start)

    def _refuse(self, kind: str, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if kind in ("lost", "unheard"):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise _ConnectionGone
        status, code = {
            "throttled": ("503 Slow Down", "SlowDown"),
            "broken": ("500 Internal Server Error", "InternalError"),
            "late error": ("200 OK", "InternalError"),
        }.get(kind) or kind.split("|")
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
