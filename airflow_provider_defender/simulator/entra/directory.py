"""The tenant's registered applications: their credentials, and the roles an administrator has granted."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import jwt
from cryptography import x509

from airflow_provider_defender.simulator.entra.certificates import KeyPair, shared_signing_key
from airflow_provider_defender.simulator.server.draw import draw_for

__all__ = [
    "DEFAULT_ROLES",
    "IDENTITY_RESOURCE",
    "RESOURCES",
    "Application",
    "Directory",
    "FederatedCredential",
    "Secret",
    "TrustedSubject",
    "WorkloadIssuer",
    "default_directory",
]

_XDR_ROLES = frozenset({"Incident.Read.All", "Incident.ReadWrite.All"})

#: Resources that no service of the simulator stands for, with the application roles each of them knows.
RESOURCES: dict[str, frozenset[str]] = {
    "https://api.security.microsoft.com": _XDR_ROLES,
}
_PORT = re.compile(r":\d+\Z")
_EVENT_HUBS_SUFFIXES = (
    ".servicebus.windows.net",
    ".servicebus.usgovcloudapi.net",
    ".servicebus.chinacloudapi.cn",
)
DEFAULT_ROLES = ("Alert.Read.All", "SecurityAlert.Read.All", "SecurityIncident.Read.All")


@dataclass(frozen=True)
class Secret:
    """A client secret; `expires` in seconds since 1970, None for never."""

    value: str
    expires: float | None = None


@dataclass(frozen=True)
class FederatedCredential:
    """A trust in tokens of another issuer for an application; compared letter for letter."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class TrustedSubject:
    """Subject name and issuer: any certificate of this name, issued by this authority, is accepted (SN/I)."""

    common_name: str
    authority: x509.Certificate


@dataclass
class Application:
    """An application registration with its service principal in the tenant.

    `roles` are those granted with admin consent; a token carries the ones that its resource knows.
    `token_seconds` is how long its tokens live (None: the simulator's own default).
    """

    name: str
    client_id: str
    object_id: str
    roles: set[str] = field(default_factory=set)
    enabled: bool = True
    secrets: list[Secret] = field(default_factory=list)
    certificates: list[x509.Certificate] = field(default_factory=list)
    trusted_subjects: list[TrustedSubject] = field(default_factory=list)
    federated_credentials: list[FederatedCredential] = field(default_factory=list)
    token_seconds: int | None = None

    @property
    def client_secret(self) -> str:
        """The newest client secret.

        Raises LookupError when the application has none.
        """
        if not self.secrets:
            raise LookupError(f"The application {self.name!r} has no client secret")
        return self.secrets[-1].value

    def add_secret(self, value: str | None = None, *, expired: bool = False) -> str:
        """Register a client secret and return it; an expired one ran out yesterday."""
        value = value or f"sim~{uuid.uuid4().hex}"
        self.secrets.append(Secret(value, time.time() - 86_400 if expired else None))
        return value

    def add_certificate(self) -> KeyPair:
        """Make a key and a certificate, and register the certificate (by its thumbprint)."""
        pair = KeyPair.create(self.name)
        self.certificates.append(pair.certificate)
        return pair

    def add_trusted_subject(self) -> KeyPair:
        """Make a certificate of an authority, and trust every certificate of its name from there (SN/I)."""
        authority = KeyPair.create(f"{self.name} authority")
        self.trusted_subjects.append(TrustedSubject(self.name, authority.certificate))
        return KeyPair.create(self.name, authority)

    def add_federated_credential(
        self, issuer: str, subject: str, audience: str = "api://AzureADTokenExchange"
    ) -> FederatedCredential:
        """Trust tokens of an issuer for one subject."""
        credential = FederatedCredential(issuer, subject, audience)
        self.federated_credentials.append(credential)
        return credential


class WorkloadIssuer:
    """Another issuer of tokens, such as a Kubernetes cluster, whose service accounts are federated."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = shared_signing_key("workload issuer")

    def token(
        self,
        subject: str,
        *,
        audience: str = "api://AzureADTokenExchange",
        lifetime: float = 3600,
        issuer: str | None = None,
    ) -> str:
        """A token for a service account, to be written where `AZURE_FEDERATED_TOKEN_FILE` points.

        `lifetime` in seconds (negative: run out already); `issuer` to claim another issuer than this one.
        """
        now = time.time()
        claims = {
            "iss": issuer or self.url,
            "sub": subject,
            "aud": [audience],
            "iat": int(min(now, now + lifetime - 1)),
            "nbf": int(min(now, now + lifetime - 1)),
            "exp": int(now + lifetime),
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "workload"})


class Directory:
    """The applications of a tenant, found by name or client id."""

    def __init__(self, seed: int | str) -> None:
        self._random = draw_for(seed, "directory")
        self._applications: dict[str, Application] = {}
        self.issuer = WorkloadIssuer("https://oidc.cluster.example/")
        self._namespaces: set[str] = set()
        self._resources = dict(RESOURCES)

    def add_namespace(self, host: str) -> None:
        """Issue tokens for the Event Hubs namespace at this host, too: scope `https://<host>/.default`.

        Those under Microsoft's suffixes are known. Who may read there is the namespace's own business:
        its rights are no application roles, and never stand in a token.
        """
        self._namespaces.add(f"https://{host.lower()}")

    def add_resource(self, resource: str, roles: frozenset[str] = frozenset()) -> None:
        """Issue tokens for a resource, which knows these application roles."""
        self._resources[resource.rstrip("/").lower()] = roles

    def roles_of(self, resource: str) -> frozenset[str] | None:
        """The application roles that a resource knows, or None when the tenant has no such resource."""
        resource = resource.rstrip("/").lower()
        if resource in self._resources:
            return self._resources[resource]
        namespace = _PORT.sub("", resource)
        hosted = namespace.startswith("https://") and namespace.endswith(_EVENT_HUBS_SUFFIXES)
        return frozenset() if hosted or namespace in self._namespaces else None

    def guid(self) -> str:
        """The next GUID of the sequence from the seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def register(
        self, name: str, *, roles: Iterable[str] = DEFAULT_ROLES, secret: bool = True
    ) -> Application:
        """Register an application with granted roles and, by default, a client secret."""
        application = Application(name, self.guid(), self.guid(), set(roles))
        value = f"sim~{self._random.getrandbits(160):040x}"
        if secret:
            application.add_secret(value)
        self._applications[name] = application
        return application

    def find(self, client_id: str) -> Application | None:
        """The application with this client id, if the tenant has it."""
        return next((a for a in self if a.client_id == client_id.lower()), None)

    def __getitem__(self, name: str) -> Application:
        return self._applications[name]

    def __iter__(self) -> Iterator[Application]:
        return iter(tuple(self._applications.values()))

    def __len__(self) -> int:
        return len(self._applications)


#: The resource id of the user-assigned identity that `default_directory` knows as "assigned identity".
IDENTITY_RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/simulator/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/defender"
)


def default_directory(seed: int | str) -> Directory:
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
    directory.register("endpoint reader", roles=("Alert.Read.All",))
    directory.register("graph alert reader", roles=("SecurityAlert.Read.All",))
    return directory
