"""Entra ID: discovery, the token endpoint for every kind of client credential, and the signing keys."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_defender.simulator._aadsts import aadsts_answer
from airflow_provider_defender.simulator._certificates import shared_signing_key, thumbprint_header
from airflow_provider_defender.simulator._clock import ServiceClock
from airflow_provider_defender.simulator._directory import (
    RESOURCES,
    Application,
    Directory,
    FederatedCredential,
)
from airflow_provider_defender.simulator._messages import Answer, Request, json_answer

__all__ = ["EntraId", "TokenRefusedError"]

_KEY_ID = "defender-simulator"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CLOCK_SKEW = 300
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")
_DISCOVERY = re.compile(r"/(?P<tenant>[^/]+)(/v2\.0)?/\.well-known/openid-configuration/?\Z")
_TOKEN = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token/?\Z")
_KEYS = re.compile(r"/(?P<tenant>[^/]+)/discovery/(v2\.0/)?keys/?\Z")


class TokenRefusedError(Exception):
    """An access token that an API does not accept; the text says why (for the log of requests only)."""


class _RefusalError(Exception):
    """A token request that Entra ID refuses: an AADSTS code and what its text names."""

    def __init__(self, code: int, **values: str) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


class EntraId:
    """One tenant's identity provider.

    `token_seconds` is how long tokens live, `refresh_in` is sent when set; both in seconds.
    """

    def __init__(
        self, directory: Directory, tenant_id: str, domain: str, base_url: str, clock: ServiceClock
    ) -> None:
        self.directory = directory
        self.tenant_id = tenant_id
        self.domain = domain
        self.token_seconds = 3599
        self.refresh_in: int | None = None
        self._base_url = base_url
        self._clock = clock
        self._key = shared_signing_key("Entra ID")
        self._revoked: set[str] = set()

    # -- the endpoints

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request that belongs to Entra ID, else None."""
        if request.path == "/common/discovery/instance":
            return self._instance_discovery(request)
        if match := _DISCOVERY.match(request.path):
            return self._checked(match["tenant"], request, self._openid_configuration)
        if match := _KEYS.match(request.path):
            return self._checked(match["tenant"], request, self._keys)
        if match := _TOKEN.match(request.path):
            if request.method != "POST":
                return Answer(405, {"Allow": "POST"})
            return self._checked(match["tenant"], request, self._token)
        return None

    def _checked(self, tenant: str, request: Request, answer: Any) -> Answer:
        """Run `answer` for one of our tenant's names; refusals become error bodies."""
        tenant = unquote(tenant)
        try:
            if tenant.lower() not in (self.tenant_id, self.domain):
                raise _RefusalError(90002 if _GUID.match(tenant) or _DOMAIN.match(tenant) else 900023)
            result: Answer = answer(request)
            return result
        except _RefusalError as refusal:
            values = {"tenant": tenant, "directory": self.domain, **refusal.values}
            return aadsts_answer(
                refusal.code, correlation_id=request.headers.get("client-request-id"), **values
            )

    def _instance_discovery(self, request: Request) -> Answer:
        endpoint = request.parameters().get("authorization_endpoint", "")
        host = (urlsplit(endpoint).hostname or "").lower()
        base_url = request.origin(self._base_url)
        ours = (urlsplit(base_url).hostname or "").lower()
        if host not in (ours, "localhost", "127.0.0.1", "login.microsoftonline.com"):
            body = {
                "error": "invalid_instance",
                "error_description": "AADSTS50049: Unknown or invalid instance.",
                "error_codes": [50049],
            }
            return json_answer(400, body)
        tenant = urlsplit(endpoint).path.lstrip("/").split("/")[0] or self.tenant_id
        body = {
            "tenant_discovery_endpoint": f"{base_url}/{tenant}/.well-known/openid-configuration",
            "api-version": "1.0",
            "metadata": [],
        }
        return json_answer(200, body)

    def _root(self, request: Request) -> str:
        return f"{request.origin(self._base_url)}/{self.tenant_id}"

    def _openid_configuration(self, request: Request) -> Answer:
        root = self._root(request)
        body = {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "tenant_region_scope": "NA",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }
        return json_answer(200, body, {"Access-Control-Allow-Origin": "*"})

    def _keys(self, request: Request) -> Answer:
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": _KEY_ID,
            "n": _base64url_number(numbers.n),
            "e": _base64url_number(numbers.e),
        }
        return json_answer(200, {"keys": [key]})

    def _token(self, request: Request) -> Answer:
        form = request.form()
        if "grant_type" not in form:
            raise _RefusalError(900144, parameter="grant_type")
        if form["grant_type"] != "client_credentials":
            raise _RefusalError(70003, parameter=form["grant_type"])
        client_id, secret = _client(request, form)
        resource = _resource(form)
        application = self._authenticated(client_id, secret, form, self._root(request))
        if self.directory.roles_of(resource) is None:
            raise _RefusalError(500011, resource=resource)
        lifetime = self.token_seconds if application.token_seconds is None else application.token_seconds
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": self.issue(application, resource, lifetime),
        }
        if self.refresh_in is not None:
            body["refresh_in"] = self.refresh_in
        return json_answer(200, body, {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})

    # -- who asks

    def _authenticated(
        self, client_id: str, secret: str | None, form: Mapping[str, str], root: str
    ) -> Application:
        """The application that a credential belongs to; `root` is where assertions must be meant for."""
        application = self.directory.find(client_id)
        if application is None:
            raise _RefusalError(700016, app=client_id)
        if not application.enabled:
            raise _RefusalError(7000112, app=client_id)
        if secret is not None:
            self._check_secret(application, secret)
        elif "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                raise _RefusalError(900144, parameter="client_assertion_type")
            self._check_assertion(application, form["client_assertion"], root)
        else:
            raise _RefusalError(7000216, app=client_id)
        return application

    def _check_secret(self, application: Application, secret: str) -> None:
        for known in application.secrets:
            if hmac.compare_digest(known.value.encode(), secret.encode()):
                if known.expires is not None and known.expires <= self._clock.seconds():
                    raise _RefusalError(7000222, app=application.client_id)
                return
        raise _RefusalError(7000215, app=application.client_id)

    def _check_assertion(self, application: Application, assertion: str, root: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise _RefusalError(50027) from error
        if claims.get("iss") == application.client_id:
            certificate = _registered_certificate(application, header)
            self._check_certificate_assertion(application, certificate, assertion, claims, root)
        elif application.federated_credentials:
            self._check_federated_assertion(application, assertion, claims)
        elif "x5t" in header or "x5t#S256" in header:
            raise _RefusalError(700021)
        else:
            raise _RefusalError(70021)

    def _check_certificate_assertion(
        self,
        application: Application,
        certificate: x509.Certificate | None,
        assertion: str,
        claims: Mapping[str, Any],
        root: str,
    ) -> None:
        public_key = certificate.public_key() if certificate else None
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise _RefusalError(700027)
        _check_signature(assertion, public_key, ["RS256", "PS256"], 700027)
        self._check_lifetime(claims)
        if claims.get("sub") != application.client_id:
            raise _RefusalError(700021)
        audiences = {f"{root}/oauth2/v2.0/token", f"{root}/v2.0", root}
        if not audiences & set(_audiences(claims)):
            raise _RefusalError(700023)

    def _check_federated_assertion(
        self, application: Application, assertion: str, claims: Mapping[str, Any]
    ) -> None:
        credentials = application.federated_credentials
        issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
        presented = FederatedCredential(issuer, subject, next(iter(_audiences(claims)), ""))
        if issuer not in {c.issuer for c in credentials}:
            raise _RefusalError(700211, issuer=issuer)
        if presented.audience not in {c.audience for c in credentials if c.issuer == issuer}:
            raise _RefusalError(700212, audience=presented.audience)
        if presented not in credentials:
            raise _RefusalError(700213, subject=subject)
        _check_signature(assertion, self.directory.issuer.key.public_key(), ["RS256"], 50027)
        self._check_lifetime(claims)

    def _check_lifetime(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.seconds()
        expires, begins = claims.get("exp", 0), claims.get("nbf", 0)
        if expires <= now - _CLOCK_SKEW or begins > now + _CLOCK_SKEW:
            raise _RefusalError(700024, now=str(int(now)))

    # -- access tokens

    def issue(self, application: Application, resource: str, lifetime: float) -> str:
        """A signed access token for one of the tenant's applications; `lifetime` in seconds."""
        now = int(self._clock.seconds())
        claims: dict[str, Any] = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{self.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": int(now + lifetime),
            "appid": application.client_id,
            "appidacr": "1",
            "idp": f"https://sts.windows.net/{self.tenant_id}/",
            "oid": application.object_id,
            "sub": application.object_id,
            "tid": self.tenant_id,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        roles = sorted(application.roles & (self.directory.roles_of(resource) or frozenset()))
        if roles:  # without a granted role there is no claim, yet a token is issued
            claims["roles"] = roles
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID, "x5t": _KEY_ID})

    def verify(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of an access token that an API accepts.

        Raises TokenRefusedError when it is not ours, not for one of `audiences`, run out or revoked.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError(f"not a token of this tenant: {error}") from error
        if claims.get("tid") != self.tenant_id:
            raise TokenRefusedError("a token of another tenant")
        if claims.get("aud") not in audiences:
            raise TokenRefusedError("a token for another resource")
        if claims.get("exp", 0) <= self._clock.seconds():
            raise TokenRefusedError("the token has run out")
        if claims.get("uti") in self._revoked:
            raise TokenRefusedError("the token was revoked")
        return claims

    def revoke(self, claims: Mapping[str, Any]) -> None:
        """From now on, refuse the token with these claims as if it had run out."""
        self._revoked.add(str(claims["uti"]))


#: Resource names by which the Defender for Endpoint API accepts a token.
DEFENDER_AUDIENCES = frozenset(name for name, roles in RESOURCES.items() if "Alert.Read.All" in roles)


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str | None]:
    """Client id and secret, from the form or from HTTP Basic."""
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith("basic "):
        try:
            user, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _RefusalError(7000216) from error
        return unquote(user), unquote(password)
    if "client_id" not in form:
        raise _RefusalError(900144, parameter="client_id")
    return form["client_id"], form.get("client_secret")


def _resource(form: Mapping[str, str]) -> str:
    """The resource that the scope names; client credentials ask for `<resource>/.default`, and one only."""
    if "scope" not in form:
        raise _RefusalError(900144, parameter="scope")
    scope = form["scope"]
    scopes = [s for s in scope.split() if s not in ("openid", "profile", "offline_access")]
    if not scopes:
        raise _RefusalError(70011, scope=scope)
    if not all(s.endswith("/.default") for s in scopes):
        raise _RefusalError(1002012, scope=scope)
    if len(set(scopes)) > 1:
        raise _RefusalError(700022, scope=scope)
    return scopes[0].removesuffix("/.default").rstrip("/")


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    audience = claims.get("aud", [])
    return [audience] if isinstance(audience, str) else [str(item) for item in audience]


def _check_signature(assertion: str, key: rsa.RSAPublicKey, algorithms: list[str], code: int) -> None:
    options: Any = {"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False}
    try:
        jwt.decode(assertion, key, algorithms=algorithms, options=options)
    except jwt.PyJWTError as error:
        raise _RefusalError(code) from error


def _registered_certificate(application: Application, header: Mapping[str, Any]) -> x509.Certificate | None:
    """The certificate that an assertion says it is signed with, if the application trusts it."""
    sha1, sha256 = (str(header.get(name, "")).rstrip("=") for name in ("x5t", "x5t#S256"))  # msal pads them
    for certificate in application.certificates:
        if sha1 == thumbprint_header(certificate, hashes.SHA1()):  # noqa: S303 - as `x5t` is defined
            return certificate
        if sha256 == thumbprint_header(certificate, hashes.SHA256()):
            return certificate
    return _trusted_by_name(application, header.get("x5c"))


def _trusted_by_name(application: Application, chain: Any) -> x509.Certificate | None:
    """Subject name and issuer (SN/I): the chain's first certificate, when its name and issuer are trusted."""
    if not application.trusted_subjects or not chain:
        return None
    try:
        first = chain if isinstance(chain, str) else chain[0]
        certificate = x509.load_der_x509_certificate(base64.b64decode(first))
    except (ValueError, TypeError):
        return None
    name = certificate.subject.rfc4514_string()
    for trusted in application.trusted_subjects:
        try:
            certificate.verify_directly_issued_by(trusted.authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        if name == f"CN={trusted.common_name}":
            return certificate
    return None


def _base64url_number(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
