"""The simulator as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from airflow_provider_defender.simulator._services import SERVICES, Parts
from airflow_provider_defender.simulator.attack.story import Attack
from airflow_provider_defender.simulator.defender.alerts_api import AlertsApi
from airflow_provider_defender.simulator.defender.faults import DefenderFaults
from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.entra.directory import default_directory
from airflow_provider_defender.simulator.entra.faults import EntraFaults
from airflow_provider_defender.simulator.entra.identity import EntraId
from airflow_provider_defender.simulator.entra.imds import InstanceMetadata
from airflow_provider_defender.simulator.graph.faults import GraphFaults
from airflow_provider_defender.simulator.graph.service import GraphApi
from airflow_provider_defender.simulator.hub.exporter import EventExporter
from airflow_provider_defender.simulator.hub.service import EventHubService
from airflow_provider_defender.simulator.server.application import Application
from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.control import Control, fault_routes, log_routes, seconds_of
from airflow_provider_defender.simulator.server.files import write_whole
from airflow_provider_defender.simulator.server.http import Server
from airflow_provider_defender.simulator.server.log import RequestLog
from airflow_provider_defender.simulator.server.messages import Answer, Request
from airflow_provider_defender.simulator.server.quota import Quota
from airflow_provider_defender.simulator.server.rest import Page, PageHook
from airflow_provider_defender.simulator.server.service import Handler, Route, Service, Services, Surroundings
from airflow_provider_defender.simulator.server.tls import issue_tls_files

__all__ = ["Faults", "Simulator"]


class Faults(DefenderFaults, EntraFaults, GraphFaults):
    """The faults of a simulator, including those of its services."""


class Simulator:
    """Serves Microsoft's services for one tenant on local ports: those in `_services.SERVICES`, and your own.

    Use it as a context manager. It serves from threads of this process and leaves nothing behind:

        with Simulator(seed=7, page_size=100) as simulator:
            requests.get(f"{simulator.url}/api/alerts", verify=simulator.ca_bundle, headers=…)

    * `tenant`: your own tenant; by default `Tenant(seed)` with 100 alerts of the past week.
    * `page_size`: rows per page for requests without `$top` (Microsoft's is 10,000; of Graph, 1,000 and 50).
    * `calls_per_minute`, `calls_per_hour`: the quotas; None: no limit.
    * `host`: the address to listen on. Links in responses have the host that the client used.
    * `port`, `imds_port`: 0 lets the operating system choose. `names`: more host names for the certificate.
    * `state_folder`: the folder that keeps the certificates between starts; by default a temporary one.
    * `events`: whether to start an embedded event hub with `event_partitions` partitions, into which
      `exporter` sends.
    * `services`: your own services, which are asked first whether they own a request; see `RestService`. The
      application "reader" has all roles of their resources.
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
        services: Sequence[Service] = (),
    ) -> None:
        self._temporary = (
            tempfile.TemporaryDirectory(prefix="defender-simulator-") if not state_folder else None
        )
        self._folder = Path(state_folder or (self._temporary.name if self._temporary else "."))
        self._serve_at(host, port, imds_port, names)
        self.faults = Faults()
        self.clock = ServiceClock()
        self._own_services = tuple(services)
        self._hub = EventHubService(lambda: self.tenant, event_partitions if events else 0)
        self._build(tenant or Tenant(seed), page_size, Quota(self.clock, calls_per_minute, calls_per_hour))

    def _serve_at(self, host: str, port: int, imds_port: int, names: Sequence[str]) -> None:
        """Bind the ports, with a certificate for every name by which they can be reached."""
        reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        hosts = list(dict.fromkeys((reachable, "localhost", "127.0.0.1", "::1", *names)))
        try:
            tls = issue_tls_files(self._folder, hosts)
            self._server = Server(self.answer, tls, host=host, port=port, plain_port=imds_port)
        except (OSError, ValueError):
            self._clean()
            raise
        shown = f"[{reachable}]" if ":" in reachable else reachable
        self.url = f"https://{shown}:{self._server.port}"
        self.imds_url = f"http://{shown}:{self._server.plain_port}"
        self.ca_bundle = str(tls.authority)

    def _build(self, tenant: Tenant, page_size: int, quota: Quota) -> None:
        self._log = RequestLog()
        self.apps = default_directory(tenant.seed)
        self.entra = EntraId(self.apps, tenant.tenant_id, tenant.domain, self.url, self.clock)
        parts = Parts(tenant, self.entra, self._hub, self.clock, page_size)
        known = {name: make(parts) for name, make in SERVICES.items()}
        self.imds = cast(InstanceMetadata, known["imds"])
        self.api = cast(AlertsApi, known["alerts"])
        self.graph = cast(GraphApi, known["graph"])
        self._services = Services((*self._own_services, *known.values()))
        surroundings = Surroundings(self.url, self.clock, quota, self.entra, tenant.date_header)
        for service in self._services:
            self._connect(service, surroundings)
        for service in self._own_services:
            self.apps["reader"].roles.update(*service.resources.values())
        control = Control(self._routes())
        self._application = Application(self._services, self.faults, self._log, control, tenant.date_header)

    def _connect(self, service: Service, surroundings: Surroundings) -> None:
        service.connect(surroundings)
        self.faults.learn(service.faults)
        for resource, roles in service.resources.items():
            self.apps.add_resource(resource, roles)

    def _routes(self) -> Mapping[Route, Handler]:
        routes: dict[Route, Handler] = {
            ("GET", ""): lambda request: self.state(),
            ("POST", "/advance"): self._advance,
            ("POST", "/elapse"): self._elapse,
            ("POST", "/attack"): self._attack,
            **fault_routes(self.faults),
            **log_routes(self._log),
        }
        for service in self._services:
            routes |= service.routes()
        return routes

    def _advance(self, request: Request) -> object:
        written = self.advance(timedelta(seconds=seconds_of(request)))
        return {"written": written, **self.state()}

    def _elapse(self, request: Request) -> object:
        self.elapse(seconds_of(request))
        return self.state()

    def _attack(self, request: Request) -> object:
        attack = self.attack()
        return {
            "user": attack.cast.victim.principal,
            "alerts": attack.alerts,
            "events": len(attack.events) if self._hub.enabled else 0,
        }

    # -- without a network

    def answer(self, request: Request) -> Answer:
        """The response to a request, as the server would send it; also works without `start`."""
        return self._application.answer(request)

    def access_token(
        self, app: str = "reader", resource: str = "https://api.securitycenter.microsoft.com"
    ) -> str:
        """A token for one of the applications, without a request to Entra ID's endpoint.

        Raises KeyError for an unknown application.
        """
        application = self.apps[app]
        return self.entra.issue(application, resource, self.entra.lifetime_for(application))

    # -- start and stop

    def start(self) -> None:
        """Start serving. Raises RuntimeError if that fails."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving and delete the temporary folder; open connections are broken."""
        self._hub.stop()
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
        """The tenant. It can be replaced by another one, with an id and applications of its own."""
        return self.api.tenant

    @tenant.setter
    def tenant(self, tenant: Tenant) -> None:
        api, graph, entra = self.api, self.graph, self.entra
        api.quota.reset()
        self._build(tenant, api.page_size, api.quota)
        self.api.orderby = api.orderby
        self.graph.copy_switches(graph)
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
        """The exporter that sends this tenant's events into the embedded hub; both start on first use.

        Raises RuntimeError for a simulator without events, EmbeddedHubError if the hub cannot start.
        """
        return self._hub.exporter

    @property
    def requests(self) -> RequestLog:
        """The requests answered so far, without secrets."""
        return self._log

    @property
    def page_size(self) -> int:
        """Rows per page; can be set at any time."""
        return self.api.page_size

    @page_size.setter
    def page_size(self, rows: int) -> None:
        self.api.page_size = self.graph.page_size = rows

    @property
    def before_page(self) -> PageHook | None:
        """Called with a `Page` of any API before it is read from the tenant; its changes are in the page."""
        return self.api.before_page

    @before_page.setter
    def before_page(self, hook: PageHook | None) -> None:
        self.api.before_page = self.graph.before_page = hook

    @property
    def after_page(self) -> PageHook | None:
        """Called with a `Page` of any API that is ready to be sent; its changes are in the next page."""
        return self.api.after_page

    @after_page.setter
    def after_page(self, hook: PageHook | None) -> None:
        self.api.after_page = self.graph.after_page = hook

    def stir(self, page: Page) -> None:
        """Change the tenant after a page, by its seed: `simulator.after_page = simulator.stir`.

        A second passes; then rows already read or not yet read are updated, one or several at once, or new
        alerts arrive, some with ids below all others.
        """
        self.tenant.advance(timedelta(seconds=1))
        self.tenant.stir((*page.read, *page.rows), page.unread)

    def advance(self, span: timedelta) -> int:
        """Let the tenant's time pass; see `Tenant.advance`."""
        return self.tenant.advance(span)

    def attack(self) -> Attack:
        """Let an attack on the tenant be noticed now: its alerts are there, its events are sent to the hub.

        Raises ValueError if it has happened: another one would have the same ids.
        """
        attack = Attack(self.tenant)
        if self._hub.enabled:
            self.exporter.tell((event.table, event.properties, event.at) for event in attack.events)
        return attack

    def elapse(self, seconds: float) -> None:
        """Let the services' time pass: tokens expire, quotas fill up again. The tenant's time stays."""
        self.clock.elapse(seconds)

    # -- for people and scripts

    def connections(self) -> dict[str, dict[str, Any]]:
        """Airflow connections to this simulator by connection id, as for `AIRFLOW_CONN_…` in JSON."""
        host, _, port = self.url.removeprefix("https://").rpartition(":")
        common = {
            "host": host,
            "port": int(port),
            "login": self.client_id,
            "password": self.client_secret,
            "extra": {"tenant_id": self.tenant_id, "cloud": "custom", "ca_bundle": self.ca_bundle},
        }
        return {
            "entra_id_default": {"conn_type": "entra_id", **common},
            "defender_default": {"conn_type": "defender", **common},
            **self._hub.connections(),
        }

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
        state = {
            "url": self.url,
            "imds_url": self.imds_url,
            "ca_bundle": self.ca_bundle,
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "requests": len(self.requests),
        }
        for service in self._services:
            state |= service.state()
        return state

    def ready(self) -> dict[str, Any]:
        """All that a script needs to begin: `state`, the client secret, and the connections."""
        return {**self.state(), "client_secret": self.client_secret, "connections": self.connections()}
