from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msal
import pytest
import requests

from airflow_provider_defender.simulator import Simulator, Tenant


class AskToken(Protocol):
    """Asks for a token with msal; what it answers."""

    def __call__(self, credential: Any, app: str = "reader", **options: Any) -> dict[str, Any]: ...


SCOPE = "https://api.securitycenter.microsoft.com/.default"


class Client:
    """requests against a simulator, as its application "reader" unless told otherwise."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False  # a CA bundle in the environment would win over ours
        self.session.verify = simulator.ca_bundle
        self.token = self.new_token()

    def new_token(self, app: str = "reader") -> str:
        reply = self.token_reply(app=app)
        token: str = reply.json()["access_token"]
        return token

    def token_reply(
        self, app: str = "reader", tenant: str | None = None, auth: Any = None, **form: Any
    ) -> requests.Response:
        application = self.simulator.apps[app]
        fields = {
            "client_id": application.client_id,
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_secret": application.secrets[-1].value if application.secrets else None,
            **form,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        url = f"{self.simulator.url}/{tenant or self.simulator.tenant_id}/oauth2/v2.0/token"
        return self.session.post(url, data=fields, auth=auth, timeout=30)

    def get(self, path: str = "/api/alerts", token: str | None = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        url = path if path.startswith("http") else self.simulator.url + path
        return self.session.get(url, headers=headers, timeout=30, **options)

    def ids(self, filter_text: str | None = None, **options: Any) -> list[str]:
        params = {**options} if filter_text is None else {"$filter": filter_text, **options}
        reply = self.get(params=params)
        assert reply.status_code == 200, reply.text
        return [row["id"] for row in reply.json()["value"]]

    def drain(self, **params: str) -> list[dict[str, Any]]:
        """All rows, following nextLink to the end."""
        rows: list[dict[str, Any]] = []
        reply = self.get(params=params)
        while True:
            assert reply.status_code == 200, reply.text
            rows += reply.json()["value"]
            link = reply.json().get("@odata.nextLink")
            if link is None:
                return rows
            reply = self.get(link)

    def control(self, method: str, path: str = "", body: Any = None) -> requests.Response:
        return self.session.request(method, f"{self.simulator.url}/_simulator{path}", json=body, timeout=30)


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with Simulator(tenant=Tenant(7, alerts=0)) as running:
        yield running


@pytest.fixture
def simulator(server: Simulator) -> Simulator:
    """A small tenant on which nobody works but the test; all as at the start, five rows a page."""
    server.tenant = Tenant(7, alerts=0)
    server.page_size, server.entra.token_seconds, server.entra.refresh_in = 5, 3599, None
    server.api.quota.per_minute, server.api.quota.per_hour = 100, 1_500
    server.faults.clear()
    return server


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return Client(simulator)


@pytest.fixture
def msal_token(simulator: Simulator) -> AskToken:
    """Ask for a token with msal, by any credential it knows."""

    def ask(credential: Any, app: str = "reader", **options: Any) -> dict[str, Any]:
        session = requests.Session()
        session.trust_env = False
        session.verify = simulator.ca_bundle
        application = msal.ConfidentialClientApplication(
            simulator.apps[app].client_id,
            authority=options.pop("authority", f"{simulator.url}/{simulator.tenant_id}"),
            client_credential=credential,
            instance_discovery=False,
            http_client=session,
        )
        answer: dict[str, Any] = application.acquire_token_for_client([options.pop("scope", SCOPE)])
        return answer

    return ask
