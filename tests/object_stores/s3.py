"""Amazon S3: moto's server, in this process."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

import s3fs
from aiobotocore.session import get_session
from airflow.sdk.io import attach
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.object_stores.front import Application, Refusal, Request
from tests.object_stores.store import BUCKET, CONNECTION, Store

REGION = "eu-west-1"


def _error(status: str, code: str) -> Refusal:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return status, [("Content-Type", "application/xml")], body.encode()


class S3(Store):
    """Real S3 checks a condition and creates the object in one step; moto does not, hence one at a time.

    Faults of its own: `"unconditional"` does not heed If-None-Match, `"late error"` answers 200 with an error
    in the body, as a long copy can; `"403 Forbidden|AccessDenied"` answers that status with that code.
    """

    name = "s3"
    scheme = "s3"
    one_at_a_time = True
    refusals: ClassVar = {
        "throttled": _error("503 Slow Down", "SlowDown"),
        "broken": _error("500 Internal Server Error", "InternalError"),
        "late error": _error("200 OK", "InternalError"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._session = get_session()  # only to load the description of S3's API once

    def backend(self) -> Application:
        application: Application = DomainDispatcherApplication(create_backend_app)
        return application

    def connection(self) -> str:
        extra = {"endpoint_url": self.front.url, "region_name": REGION}
        return json.dumps({"conn_type": "aws", "login": "key", "password": "secret", "extra": extra})

    def filesystem(self) -> s3fs.S3FileSystem:
        """Without Airflow's connection: loading the description of S3's API again takes seconds."""
        return s3fs.S3FileSystem(
            key="key",
            secret="secret",
            endpoint_url=self.front.url,
            client_kwargs={"region_name": REGION},
            config_kwargs={"retries": {"max_attempts": 1}},
            session=self._session,
            skip_instance_cache=True,
        )

    def attach(self) -> None:
        """Without Airflow's connection, see `filesystem`."""
        super().attach()
        attach(self.scheme, CONNECTION, fs=self.filesystem())

    def forget_clients(self) -> None:
        s3fs.S3FileSystem.clear_instance_cache()

    def hurry(self) -> None:
        s3fs.S3FileSystem.retries = 3

    def changed(self, kind: str, request: Request, environ: dict[str, Any]) -> Refusal | None:
        status, separator, code = kind.partition("|")
        if separator:
            return _error(status, code)
        assert kind == "unconditional"
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return None

    def completes(self, request: Request) -> str:
        whole = request.method == "PUT" and "partNumber=" not in request.query
        return request.path if whole or (request.method == "POST" and "uploadId=" in request.query) else ""

    def sends(self, request: Request) -> str:
        return request.path if request.method in ("PUT", "POST") else ""

    def is_conditional(self, request: Request) -> bool:
        return "if-none-match" in request.headers

    def part(self, request: Request) -> int:
        found = re.search(r"partNumber=(\d+)", request.query)
        return int(found[1]) if found else 0

    def unfinished_uploads(self) -> list[Any]:
        uploads: list[Any] = self.filesystem().list_multipart_uploads(BUCKET)
        return uploads
