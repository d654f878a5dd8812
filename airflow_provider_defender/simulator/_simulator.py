"""The simulator as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_defender.simulator._alerts_api import AlertsApi, Page, PageHook
from airflow_provider_defender.simulator._application import Application, RequestLog
from airflow_provider_defender.simulator._certificates import issue_tls_files, write_whole
from airflow_provider_defender.simulator._clock import ServiceClock
from airflow_provider_defender.simulator._control import Control
from airflow_provider_defender.simulator._directory import Directory
from airflow_provider_defender.simulator._entra import EntraId
from airflow_provider_defender.simulator._exporter import EventExporter
from airflow_provider_defender.simulator._faults import Faults
from airflow_provider_defender.simulator._hub import EmbeddedHub
from airflow_provider_defender.simulator._imds import InstanceMetadata
from airflow_provider_defender.simulator._messages import Answer, Request
from airflow_provider_defender.simulator._quota import Quota
from airflow_provider_defender.simulator._server import Server
from airflow_provider_defender.simulator._tenant import Tenant
from airflow_provider_defender.simulator._versions import wire_time

__all__ = ["Simulator"]


class Simulator:
    """Entra ID, the Defender for Endpoint alerts API and IMDS for one tenant, on ports of this machine.

    Use it as a context manager; it serves from threads of this process and leaves nothing behind:

        with Simulator(seed=7, page_size=100) as simulator:
            requests.get(f"{simulator.url}/api/alerts", verify=simulator.ca_bundle, headers=…)

    * `tenant`: a tenant of your own making; by default `Tenant(seed)` with 100 alerts of the past week.
    * `page_size`: rows a page when the request has no `$top` (10,000 at Microsoft).
    * `calls_per_minute`, `calls_per_hour`: the quotas, None for none.
    * `host`: the address to listen on. Links in answers name the host by which the client came.
    * `port`, `imds_port`: 0 lets the operating system choose. `names`: more host names for the certificate.
    * `state_folder`: where the certificates are kept from one start to the next; by default a temporary one.
    * `events`: also an embedded event hub with `event_partitions` partitions, into which `exporter` sends.
    """

    def __init__(
        self,
        seed: int | str = 7,
        *,
        tenant: Tenant | None = None,
        page_size: int = 10_000,
        calls_per_minute: int | None = 100,
        calls_per_hour: int | None = 1_500,
        host: str = "127.0.0.1",
        port: int = 0,
        imds_port: int = 0,
        names: Sequence[str] = (),
        state_folder: Path | str | None = None,
        events: bool = False,
        event_partitions: int = 4,
    ) -> None:
        self._temporary = (
            tempfile.TemporaryDirectory(prefix="defender-simulator-") if not state_folder else None
        )
        self._folder = Path(state_folder or (self._temporary.name if self._temporary else "."))
        reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        hosts = list(dict.fromkeys((reachable, "localhost", "127.0.0.1", "::1", *names)))
        tls = issue_tls_files(self._folder, hosts)
        try:
            self._server = Server(self.answer, tls, host=host, port=port, plain_port=imds_port)
        except OSError:
            self._clean()
            raise
        shown = f"[{reachable}]" if ":" in reachable else reachable
        self.url = f"https://{shown}:{self._server.port}"
        self.imds_url = f"http://{shown}:{self._server.plain_port}"
        self.ca_bundle = str(tls.authority)
        self.faults = Faults()
        self.clock = ServiceClock()
        self._event_partitions = event_partitions if events else 0
        self._exporter: EventExporter | None = None
        self._build(tenant or Tenant(seed), page_size, Quota(self.clock, calls_per_minute, calls_per_hour))

    def _build(self, tenant: Tenant, page_size: int, quota: Quota) -> None:
        self.apps = _default_directory(tenant.seed)
        self.entra = EntraId(self.apps, tenant.tenant_id, tenant.domain, self.url, self.clock)
        self.imds = InstanceMetadata(self.entra, self.clock)
        self.imds.system = self.apps["system identity"]
        self.imds.assigned[_IDENTITY_RESOURCE] = self.apps["assigned identity"]
        self.api = AlertsApi(tenant, self.entra, quota, self.url, page_size)
        self._application = Application(self.entra, self.api, self.imds, self.faults, Control(self))

    # -- without a network

    def answer(self, request: Request) -> Answer:
        """The answer to a request, as the server would send it; works without `start`, too."""
        return self._application.answer(request)

    def access_token(
        self, app: str = "reader", resource: str = "https://api.securitycenter.microsoft.com"
    ) -> str:
        """A token for one of the applications, without asking Entra ID's endpoint for it.

        Raises KeyError for an unknown application.
        """
        application = self.apps[app]
        seconds = application.token_seconds
        return self.entra.issue(
            application, resource, self.entra.token_seconds if seconds is None else seconds
        )

    # -- start and stop

    def start(self) -> None:
        """Serve. Raises RuntimeError when that fails."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving and delete the temporary folder; open connections are broken."""
        if self._exporter is not None:
            self._exporter.stop()
            self._exporter.namespace.stop()
        self._server.stop()
        self._clean()

    def _clean(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # -- what is in it

    @property
    def tenant(self) -> Tenant:
        """The living tenant. Another can be put in its place, with an id and applications of its own."""
        return self.api.tenant

    @tenant.setter
    def tenant(self, tenant: Tenant) -> None:
        api, entra = self.api, self.entra
        api.quota.reset()
        self._build(tenant, api.page_size, api.quota)
        self.api.orderby = api.orderby
        self.entra.token_seconds, self.entra.refresh_in = entra.token_seconds, entra.refresh_in

    @property
    def tenant_id(self) -> str:
        """The tenant's id, a GUID."""
        return self.tenant.tenant_id

    @property
    def client_id(self) -> str:
        """The client id of the application "reader", which may read alerts."""
        return self.apps["reader"].client_id

    @property
    def client_secret(self) -> str:
        """The client secret of the application "reader"."""
        return self.apps["reader"].client_secret

    @property
    def exporter(self) -> EventExporter:
        """What sends this tenant's events into the embedded hub; both begin when first asked for.

        Raises RuntimeError for a simulator without events, EmbeddedHubError when the hub cannot start.
        """
        if not self._event_partitions:
            raise RuntimeError("This simulator has no event hub: make it with events=True (--events).")
        if self._exporter is None:
            self._exporter = EventExporter(self.tenant, EmbeddedHub(), partitions=self._event_partitions)
        return self._exporter

    @property
    def requests(self) -> RequestLog:
        """The requests answered so far; without secrets."""
        return self._application.requests

    @property
    def page_size(self) -> int:
        """Rows a page; may be set at any time."""
        return self.api.page_size

    @page_size.setter
    def page_size(self, rows: int) -> None:
        self.api.page_size = rows

    @property
    def before_page(self) -> PageHook | None:
        """Called with a `Page` before it is read from the tenant; what it changes is in the page."""
        return self.api.before_page

    @before_page.setter
    def before_page(self, hook: PageHook | None) -> None:
        self.api.before_page = hook

    @property
    def after_page(self) -> PageHook | None:
        """Called with a `Page` that is ready to be sent; what it changes is seen by the next page."""
        return self.api.after_page

    @after_page.setter
    def after_page(self, hook: PageHook | None) -> None:
        self.api.after_page = hook

    def stir(self, page: Page) -> None:
        """Change the tenant after a page, as its seed decides: `simulator.after_page = simulator.stir`.

        A second passes; then rows already read are updated, or rows not yet read, alone or several at
        once, or new alerts come, some with ids below all others.
        """
        self.tenant.advance(timedelta(seconds=1))
        self.tenant.stir((*page.read, *page.rows), page.unread)

    def advance(self, span: timedelta) -> int:
        """Let the tenant's time pass; see `Tenant.advance`."""
        return self.tenant.advance(span)

    def elapse(self, seconds: float) -> None:
        """Let the services' time pass: tokens run out, quotas fill up again. The tenant's time stays."""
        self.clock.elapse(seconds)

    # -- for people and scripts

    def connections(self) -> dict[str, dict[str, Any]]:
        """Airflow connections to this simulator, by connection id, in the form of `AIRFLOW_CONN_…` JSON."""
        host, _, port = self.url.removeprefix("https://").rpartition(":")
        common = {
            "host": host,
            "port": int(port),
            "login": self.client_id,
            "password": self.client_secret,
            "extra": {"tenant_id": self.tenant_id, "cloud": "custom", "ca_bundle": self.ca_bundle},
        }
        connections = {
            "entra_id_default": {"conn_type": "entra_id", **common},
            "defender_default": {"conn_type": "defender", **common},
        }
        if self._event_partitions:
            connections["event_hub_default"] = self.exporter.connection()
        return connections

    def write_credentials(self, folder: Path | str) -> dict[str, str]:
        """Files for the other ways in which the application "reader" can prove who it is, by what they are.

        A certificate with its key as PEM and as PFX (passphrase "simulator"), and a federated token, valid
        for a year, for `AZURE_FEDERATED_TOKEN_FILE`.
        """
        reader, folder = self.apps["reader"], Path(folder)
        pair = reader.add_certificate()
        credential = reader.add_federated_credential(
            self.apps.issuer.url, "system:serviceaccount:airflow:worker"
        )
        token = self.apps.issuer.token(credential.subject, lifetime=365 * 86_400)
        contents = {
            "certificate_pem": ("certificate.pem", (pair.private_key_pem + pair.certificate_pem).encode()),
            "certificate_pfx": ("certificate.pfx", pair.pfx("simulator")),
            "federated_token_file": ("federated-token", token.encode()),
        }
        for name, content in contents.values():
            write_whole(folder / name, content, mode=0o600)
        return {what: str(folder / name) for what, (name, _) in contents.items()}

    def state(self) -> dict[str, Any]:
        """URLs, tenant, clock and counts; no secrets."""
        return {
            "url": self.url,
            "imds_url": self.imds_url,
            "ca_bundle": self.ca_bundle,
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "seed": self.tenant.seed,
            "now": wire_time(self.tenant.now_ticks()),
            "alerts": len(self.tenant.alerts),
            "versions": len(self.tenant.versions),
            "requests": len(self.requests),
            "page_size": self.page_size,
        }

    def ready(self) -> dict[str, Any]:
        """What a script needs to begin: `state`, the client secret, and the connections."""
        return {**self.state(), "client_secret": self.client_secret, "connections": self.connections()}


_IDENTITY_RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/simulator/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/defender"
)


def _default_directory(seed: int | str) -> Directory:
    """Applications for the usual cases: one that works, and one for each thing that can be wrong."""
    directory = Directory(seed)
    directory.add_namespace("localhost")
    directory.add_namespace("127.0.0.1")
    directory.register("reader")
    directory.register("no role", roles=())
    directory.register("other role", roles=("Machine.Read.All",))
    directory.register("expired secret", secret=False).add_secret(expired=True)
    directory.register("disabled").enabled = False
    directory.register("system identity", secret=False)
    directory.register("assigned identity", secret=False)
    workload = directory.register("workload", secret=False)
    workload.add_federated_credential(directory.issuer.url, "system:serviceaccount:airflow:worker")
    return directory
