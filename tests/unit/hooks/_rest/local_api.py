"""A REST API of a test's own, on TLS: it answers what the test has put up, and notes what was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from airflow_provider_defender.simulator.server.tls import issue_tls_files


@dataclass
class Asked:
    """A request as it came."""

    target: str
    headers: Mapping[str, str]


@dataclass
class LocalApi:
    """Serve at 127.0.0.1; `answers` are status, headers and JSON by target, one after the other."""

    folder: Path
    answers: dict[str, list[tuple[int, dict[str, str], Any]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> LocalApi:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.asked.append(Asked(self.path, dict(self.headers)))
                status, headers, body = api._next(self.path)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        files = issue_tls_files(self.folder, ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.ca_bundle = str(files.authority)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def put(self, target: str, body: Any, status: int = 200, **headers: str) -> None:
        """Answer the next request for `target` so; the last answer is given again and again."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(target, []).append((status, named, body))

    def _next(self, target: str) -> tuple[int, dict[str, str], Any]:
        waiting = self.answers.get(target)
        if not waiting:
            return 404, {}, {"error": {"code": "ResourceNotFound", "message": f"nothing at {target}"}}
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]
