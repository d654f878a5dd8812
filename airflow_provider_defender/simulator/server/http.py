"""HTTP in front of the application: Starlette on uvicorn, in a thread, one TLS port and one plain port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_defender.simulator.server.messages import Answer, Ending, Request
from airflow_provider_defender.simulator.server.tls import TlsFiles

__all__ = ["Server"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_START_SECONDS = 30
_STOP_SECONDS = 5


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application see its connection, so that it can be broken on purpose."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _BrokenResponse(Response):
    """An answer that is no proper HTTP, or ends in a reset: after some of it, at once, or when we stop."""

    def __init__(self, answer: Answer, parts: Iterable[bytes], stopping: asyncio.Event) -> None:
        super().__init__(status_code=answer.status, headers=answer.headers)
        del self.headers["content-length"]
        self._ending = answer.ending
        self._pause = answer.pause
        self._parts = parts
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport = scope["state"]["transport"]
        if self._ending is Ending.CUT:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await self._flushed(transport)
        elif self._ending is Ending.SILENT:
            await self._until_client_leaves(receive)
        elif self._ending is Ending.WIRE:
            await self._write(transport)
            transport.close()
        if self._ending is not Ending.WIRE:
            transport.abort()
        await self._until_client_leaves(receive)  # the protocol has seen that the connection is gone

    async def _write(self, transport: asyncio.Transport) -> None:
        for part in self._parts:
            pieces = [part[at : at + 1] for at in range(len(part))] if self._pause else [part]
            for piece in pieces:
                if transport.is_closing() or self._stopping.is_set():
                    return
                transport.write(piece)
                await asyncio.sleep(self._pause)

    @staticmethod
    async def _flushed(transport: asyncio.Transport) -> None:
        while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async def _until_client_leaves(self, receive: Receive) -> None:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        waits = [asyncio.ensure_future(gone()), asyncio.ensure_future(self._stopping.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


class Server:
    """Serves an application from a thread of its own, until `stop`.

    `port` and `plain_port` are those that the operating system gave, where 0 was asked for.
    """

    def __init__(
        self,
        answer: Callable[[Request], Answer],
        tls: TlsFiles,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        plain_port: int = 0,
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._sockets = [_listening(host, port)]
        try:
            self._sockets.append(_listening(host, plain_port))
        except OSError:
            self._sockets[0].close()
            raise
        self.port, self.plain_port = (sock.getsockname()[1] for sock in self._sockets)
        self._thread = threading.Thread(target=self._run, name="defender-simulator", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event

    def start(self) -> None:
        """Serve; returns when requests are answered.

        Raises RuntimeError when the thread ends before that.
        """
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or self._failure is not None:
            raise RuntimeError("The simulator's server did not start") from self._failure

    def stop(self) -> None:
        """Stop serving, break open connections, and wait for the thread to end."""
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop ended by itself meanwhile
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        for sock in self._sockets:
            sock.close()

    # -- in the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        application = Starlette(routes=[Route("/{path:path}", self._respond, methods=_METHODS)])
        servers = [uvicorn.Server(self._config(application, secure)) for secure in (True, False)]
        for server, sock in zip(servers, self._sockets, strict=True):
            server.config.load()
            server.lifespan = server.config.lifespan_class(server.config)
            await server.startup(sockets=[sock])
        self._ready.set()
        await self._stopping.wait()
        await _close(servers)

    def _config(self, application: Starlette, secure: bool) -> uvicorn.Config:
        return uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=120,
            ssl_certfile=str(self._tls.certificate) if secure else None,
            ssl_keyfile=str(self._tls.key) if secure else None,
        )

    async def _respond(self, request: HttpRequest) -> Response:
        asked = Request(
            request.method,
            request.url.path,
            request.scope["query_string"].decode("latin-1"),
            {name.lower(): value for name, value in request.headers.items()},
            await request.body(),
            request.url.scheme == "https",
        )
        answer = await run_in_threadpool(self._answer, asked)
        if answer.delay:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), answer.delay)
        return self._response(answer, asked)

    def _response(self, answer: Answer, request: Request) -> Response:
        if answer.ending is Ending.WIRE:
            return _BrokenResponse(answer, answer.body, self._stopping)
        compress = "gzip" in request.headers.get("accept-encoding", "") and bool(answer.body)
        answer.headers.setdefault("Vary", "Accept-Encoding")
        if compress:
            answer.headers["Content-Encoding"] = "gzip"
        body = answer.body
        if answer.ending in (Ending.TRUNCATED, Ending.CUT):
            body = _first_half(list(_compressed(body)) if compress and answer.ending is Ending.CUT else body)
            compress = compress and answer.ending is Ending.TRUNCATED
        parts = _compressed(body) if compress else iter(body)
        if answer.ending in (Ending.WHOLE, Ending.TRUNCATED):
            streamed = _in_threads(parts) if compress else _as_they_are(body)
            return StreamingResponse(streamed, answer.status, answer.headers)
        return _BrokenResponse(answer, parts, self._stopping)


async def _close(servers: Sequence[uvicorn.Server]) -> None:
    """Close ports and connections at once, without uvicorn's grace: nobody is to be waited for."""
    for server in servers:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
    tasks = [task for server in servers for task in server.server_state.tasks]
    if tasks:
        await asyncio.wait(tasks, timeout=_STOP_SECONDS)


async def _as_they_are(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _in_threads(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The parts, each made in another thread, so that compressing a large page stops nobody else."""
    while (part := await run_in_threadpool(next, parts, None)) is not None:
        yield part


def _compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(level=1, wbits=31)
    for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()


def _first_half(parts: list[bytes]) -> list[bytes]:
    whole = b"".join(parts)
    return [whole[: len(whole) // 2]]


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named, because asyncio switches Nagle's delay off only then: 40 ms a request
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock
