"""Limits for the time and size of a response, whatever the server does.

Loads requests, so it is imported only when a request is needed.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests
from requests import exceptions as errors
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["LARGEST_REFUSAL", "AnswerBounds", "AnswerTooLarge", "AnswerTooSlow", "BoundedAdapter"]

LARGEST_REFUSAL = 64 * 1024
"""Bytes read of a response that is not 200: an error is described at its beginning."""

_CHUNK = 16 * 1024  # even if compressed a thousandfold, what is decompressed at once stays within 16 MiB


class AnswerTooSlow(TimeoutError):  # noqa: N818  a kind of timeout
    """A response was not complete in time."""


class AnswerTooLarge(errors.RequestException):
    """A response has more bytes, once decompressed, than may be read."""


@dataclass
class AnswerBounds:
    """The limits for the responses of one session.

    Args:
        seconds: the most seconds from sending a request until its response is complete.
        size: the most bytes of a response with status 200, decompressed.
        clock: monotonic seconds; for tests.
    """

    seconds: float
    size: int
    clock: Callable[[], float] = time.monotonic
    _end: float = field(default=float("inf"), init=False)
    _silence: float = field(default=float("inf"), init=False)

    def begin(self, silence: float, latest: float) -> float:
        """Begin a request whose response may pause for `silence` seconds and must be complete at `latest`.

        Returns:
            The seconds available, at least 0.1.
        """
        now = self.clock()
        self._end, self._silence = max(now + 0.1, min(now + self.seconds, latest)), silence
        return self._end - now

    def pause(self) -> float:
        """The seconds to wait for the next bytes of the response.

        Raises:
            AnswerTooSlow: its time is over.
        """
        left = self._end - self.clock()
        if left <= 0:
            raise AnswerTooSlow("the answer was not whole in its time")
        return min(left, self._silence)


class BoundedAdapter(HTTPAdapter):
    """Sends requests, and applies the session's limits to every response from its first byte on."""

    def __init__(self, bounds: AnswerBounds) -> None:
        self._bounds = bounds
        self._pools = _pool_classes(bounds)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool of connections to hosts."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Make the pool of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Make the response, whose body is counted while it is read."""
        response = super().build_response(req, resp)
        if "," in response.headers.get("Content-Encoding", ""):
            response.close()  # each layer may decompress a thousandfold
            raise errors.ContentDecodingError("packed more than once")
        return _CountedResponse(response, self._bounds)


class _CountedResponse(requests.Response):
    """A response whose body is counted while it is read.

    A class of its own, since a method put into each response would refer to it in a circle: its body would
    stay in memory until the next garbage collection.
    """

    def __init__(self, response: requests.Response, bounds: AnswerBounds) -> None:
        super().__init__()
        self.__dict__.update(response.__dict__)
        self._bounds = bounds

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        """The parts of the body. Raises `AnswerTooLarge`; of an error, only the beginning is given."""
        size, whole = 0, self.status_code == HTTPStatus.OK
        for part in super().iter_content(min(chunk_size or _CHUNK, _CHUNK), decode_unicode):
            size += len(part)
            if whole and size > self._bounds.size:
                self.close()
                raise AnswerTooLarge(f"an answer of more than {self._bounds.size >> 20} MiB, unpacked")
            yield part
            if not whole and size >= LARGEST_REFUSAL:
                self.close()
                return


class _TimedReader(io.RawIOBase):
    """The socket's bytes, read with the session's limits of time."""

    def __init__(self, raw: io.RawIOBase, connection: Any, bounds: AnswerBounds) -> None:
        self._raw = raw
        self._connection = connection
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(self._bounds.pause())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _pool_classes(bounds: AnswerBounds) -> dict[str, type[HTTPConnectionPool]]:
    """The classes of urllib3's connections, so that status line and headers are limited, too."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, bounds))

    class Plain(HTTPConnection):
        response_class = Response

    class Secure(HTTPSConnection):
        response_class = Response

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
