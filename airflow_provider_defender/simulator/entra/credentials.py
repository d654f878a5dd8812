"""Authentication of token requests: secrets, certificates, federated tokens, required parameters."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_defender.simulator.entra.certificates import thumbprint_header
from airflow_provider_defender.simulator.entra.directory import Application, Directory, FederatedCredential
from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.messages import Request

__all__ = ["CredentialCheck", "RefusalError", "client_of", "resource_of"]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CLOCK_SKEW = 300


class RefusalError(Exception):
    """A token request that Entra ID refuses: an AADSTS code and what its text names."""

    def __init__(self, code: int, **values: str) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


class CredentialCheck:
    """Checks the credentials of a directory's applications. Each refusal is a RefusalError."""

    def __init__(self, directory: Directory, clock: ServiceClock) -> None:
        self._directory = directory
        self._clock = clock

    def authenticated(
        self, client_id: str, secret: str | None, form: Mapping[str, str], root: str
    ) -> Application:
        """The application that a credential belongs to; `root` is the required audience of assertions."""
        application = self._directory.find(client_id)
        if application is None:
            raise RefusalError(700016, app=client_id)
        if not application.enabled:
            raise RefusalError(7000112, app=client_id)
        if secret is not None:
            self._check_secret(application, secret)
        elif "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                raise RefusalError(900144, parameter="client_assertion_type")
            self._check_assertion(application, form["client_assertion"], root)
        else:
            raise RefusalError(7000216, app=client_id)
        return application

    def _check_secret(self, application: Application, secret: str) -> None:
        for known in application.secrets:
            if hmac.compare_digest(known.value.encode(), secret.encode()):
                if known.expires is not None and known.expires <= self._clock.seconds():
                    raise RefusalError(7000222, app=application.client_id)
                return
        raise RefusalError(7000215, app=application.client_id)

    def _check_assertion(self, application: Application, assertion: str, root: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise RefusalError(50027) from error
        if claims.get("iss") == application.client_id:
            certificate = _registered_certificate(application, header)
            self._check_certificate_assertion(application, certificate, assertion, claims, root)
        elif application.federated_credentials:
            self._check_federated_assertion(application, assertion, claims)
        elif "x5t" in header or "x5t#S256" in header:
            raise RefusalError(700021)
        else:
            raise RefusalError(70021)

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
            raise RefusalError(700027)
        _check_signature(assertion, public_key, ["RS256", "PS256"], 700027)
        self._check_lifetime(claims)
        if claims.get("sub") != application.client_id:
            raise RefusalError(700021)
        audiences = {f"{root}/oauth2/v2.0/token", f"{root}/v2.0", root}
        if not audiences & set(_audiences(claims)):
            raise RefusalError(700023)

    def _check_federated_assertion(
        self, application: Application, assertion: str, claims: Mapping[str, Any]
    ) -> None:
        credentials = application.federated_credentials
        issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
        presented = FederatedCredential(issuer, subject, next(iter(_audiences(claims)), ""))
        if issuer not in {c.issuer for c in credentials}:
            raise RefusalError(700211, issuer=issuer)
        if presented.audience not in {c.audience for c in credentials if c.issuer == issuer}:
            raise RefusalError(700212, audience=presented.audience)
        if presented not in credentials:
            raise RefusalError(700213, subject=subject)
        _check_signature(assertion, self._directory.issuer.key.public_key(), ["RS256"], 50027)
        self._check_lifetime(claims)

    def _check_lifetime(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.seconds()
        expires, begins = claims.get("exp", 0), claims.get("nbf", 0)
        if expires <= now - _CLOCK_SKEW or begins > now + _CLOCK_SKEW:
            raise RefusalError(700024, now=str(int(now)))


def client_of(request: Request, form: Mapping[str, str]) -> tuple[str, str | None]:
    """Client id and secret, from the form or from HTTP Basic."""
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith("basic "):
        try:
            user, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RefusalError(7000216) from error
        return unquote(user), unquote(password)
    if "client_id" not in form:
        raise RefusalError(900144, parameter="client_id")
    return form["client_id"], form.get("client_secret")


def resource_of(form: Mapping[str, str]) -> str:
    """The resource of the scope; client credentials must request exactly one `<resource>/.default`."""
    if "scope" not in form:
        raise RefusalError(900144, parameter="scope")
    scope = form["scope"]
    scopes = [s for s in scope.split() if s not in ("openid", "profile", "offline_access")]
    if not scopes:
        raise RefusalError(70011, scope=scope)
    if not all(s.endswith("/.default") for s in scopes):
        raise RefusalError(1002012, scope=scope)
    if len(set(scopes)) > 1:
        raise RefusalError(700022, scope=scope)
    return scopes[0].removesuffix("/.default").rstrip("/")


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    audience = claims.get("aud", [])
    return [audience] if isinstance(audience, str) else [str(item) for item in audience]


def _check_signature(assertion: str, key: rsa.RSAPublicKey, algorithms: list[str], code: int) -> None:
    options: Any = {"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False}
    try:
        jwt.decode(assertion, key, algorithms=algorithms, options=options)
    except jwt.PyJWTError as error:
        raise RefusalError(code) from error


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
