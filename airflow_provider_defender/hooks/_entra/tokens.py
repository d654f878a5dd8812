"""Tokens from msal, which is set up for the first token and whose cache decides about new ones.

Loads msal and requests, so it is imported only when a token is needed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

import msal
import requests

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    DefenderError,
    HostUnreachable,
    UnexpectedHost,
)
from airflow_provider_defender.hooks._connection.hosts import link_host
from airflow_provider_defender.hooks._connection.redaction import excerpt, mask
from airflow_provider_defender.hooks._entra.access_token import AccessToken
from airflow_provider_defender.hooks._entra.advice import Advice, Outcome, advice_for
from airflow_provider_defender.hooks._entra.certificates import msal_certificate
from airflow_provider_defender.hooks._entra.credentials import (
    Certificate,
    ClientSecret,
    ManagedIdentity,
    WorkloadIdentity,
)
from airflow_provider_defender.hooks._entra.refusals import Refusal, json_of, read_refusal
from airflow_provider_defender.hooks._entra.settings import EntraSettings
from airflow_provider_defender.hooks._http.bounds import AnswerBounds
from airflow_provider_defender.hooks._http.failures import (
    connection_problem,
    first_contact_error,
    may_be_restarting,
)
from airflow_provider_defender.hooks._http.transport import (
    HttpSession,
    LocalSession,
    redirect_target,
)
from airflow_provider_defender.hooks._http.waiting import Tries, Waits

__all__ = ["TokenSource"]

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z", re.ASCII)
_SENDABLE = re.compile(r"[\x21-\x7e]+\Z", re.ASCII)
# A token nobody has seen before, so that it could not be masked: by its name, or by how a JWT begins.
_UNSEEN_TOKEN = re.compile(
    r"""((?:token|assertion|secret)["']?\s*[:=]\s*["']?)[^"'&,}\s]+|eyJ[\w-]{7,}[\w.=+/-]*""", re.IGNORECASE
)
_LONGEST_ANSWER = 60.0
_LARGEST_ANSWER = 1 << 20
_LOCAL_TRANSIENT = (HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS)
_LOCAL = "the managed identity endpoint of this machine"


@dataclass(frozen=True)
class _MayHeal:
    """A failure after which a retry may succeed."""

    seen: str
    retry_after: float | None = None
    throttled: bool = False

    def wait(self, tries: Tries) -> None:
        """Wait before the next try, or raise that there is none."""
        wait = tries.throttled if self.throttled else tries.outage
        wait(self.seen, self.retry_after)


@dataclass(frozen=True)
class _Unreached:
    """The first contact failed in a way typical of a restarting service; `error` is the error to raise."""

    error: HostUnreachable

    def wait(self, tries: Tries) -> None:
        """Wait before the next try, or raise that there is none."""
        tries.unreached(self.error)


@dataclass(frozen=True)
class _StaleAssertion:
    """The assertion must be built again; `error` is the error to raise if that was done already."""

    error: DefenderError


class _HealableError(Exception):
    """Carries a failure after which a retry may succeed."""

    def __init__(self, failure: _MayHeal | _Unreached | _StaleAssertion) -> None:
        super().__init__()
        self.failure = failure


class _NoJsonError(Exception):
    """A response is not JSON."""


class TokenSource:
    """Gets tokens for one connection's identity. Errors say what to do; secrets never appear in them."""

    def __init__(
        self,
        settings: EntraSettings,
        *,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._deadline = float("inf") if deadline is None else deadline
        self._local = isinstance(settings.credential, ManagedIdentity)
        bounds = AnswerBounds(_LONGEST_ANSWER, _LARGEST_ANSWER, clock)
        self._session: HttpSession | LocalSession = (
            LocalSession(bounds)
            if self._local
            else HttpSession(settings.network, bounds, check=self._check_host)
        )
        self._session.hooks["response"].append(self._keep_answer)
        self._answer: requests.Response | None = None
        self._cache = msal.TokenCache()
        self._client: Any = None
        self._reached = False
        self._hide = list(settings.secrets)
        self._masked: str | None = None

    def token(self, scope: str, waits: Waits, *, renew: bool = False) -> AccessToken:
        """Return a token for `scope` (`…/.default`); with `renew`, a new one.

        Raises `CredentialError`, `ConfigurationError`, `HostUnreachable` and `UnexpectedHost` (fail now),
        `ServiceUnavailable` and `Throttled` (try again).
        """
        if renew:
            self._cache, self._client = msal.TokenCache(), None
        tries = waits.tries(f"Connection {self._settings.conn_id!r}: {self._where}")
        made_anew = False
        while True:
            self._session.latest = min(self._deadline, waits.latest_answer)
            tries.begin()
            failure = self._try(scope, waits.reached_before)
            if isinstance(failure, AccessToken):
                return failure
            if isinstance(failure, _MayHeal | _Unreached):
                failure.wait(tries)
            elif made_anew:
                raise failure.error
            else:
                made_anew = True

    def _try(self, scope: str, reached_before: bool) -> AccessToken | _MayHeal | _Unreached | _StaleAssertion:
        """Ask once. Return the token, or a failure that can be retried; raise all others."""
        try:
            token = self._checked(self._request(scope, reached_before))
        except _HealableError as error:
            # msal replays an error from a cache of its application's for up to an hour.
            self._client = None
            return error.failure
        except DefenderError as error:
            self._client = None
            raise error from None
        return token

    @property
    def hide(self) -> list[str]:
        """Every secret seen so far, the token included: what messages must not quote."""
        return [*self._hide, *([self._masked] if self._masked else [])]

    @property
    def _where(self) -> str:
        return _LOCAL if self._local else f"Entra ID at {self._settings.authority}"

    def _keep_answer(self, answer: requests.Response, **_: object) -> None:
        """Keep the last response, which msal's exceptions do not carry.

        Raises `_NoJsonError` if it is not JSON, before msal sees it: msal would log the whole text, and a
        token that it may contain.
        """
        self._answer = answer
        try:
            json_of(answer)
        except ValueError:
            raise _NoJsonError from None

    def _request(self, scope: str, reached_before: bool) -> Mapping[str, Any]:
        self._answer = None
        try:
            if self._client is None:
                self._client = self._new_client()
            result = (
                self._client.acquire_token_for_client(resource=scope.removesuffix("/.default"))
                if self._local
                else self._client.acquire_token_for_client(scopes=[scope])
            )
        except DefenderError:
            raise
        except requests.RequestException as error:
            self._raise_connection(error, reached_before)
        except Exception as error:
            # msal raises ValueError, KeyError, RuntimeError and its own errors; the response says more.
            self._raise_refused(error)
        self._reached = True
        if not isinstance(result, dict) or "access_token" not in result:
            self._raise_refused(None)
        return result

    def _new_client(self) -> Any:
        settings, credential = self._settings, self._settings.credential
        if isinstance(credential, ManagedIdentity):
            identity = (
                msal.UserAssignedManagedIdentity(client_id=credential.client_id)
                if credential.client_id
                else msal.SystemAssignedManagedIdentity()
            )
            return msal.ManagedIdentityClient(identity, http_client=self._session, token_cache=self._cache)
        return msal.ConfidentialClientApplication(
            credential.client_id,
            client_credential=self._msal_credential(),
            authority=f"https://{settings.authority}/{settings.tenant_id}",
            # The host is the connection's or from our table, so it needs no validation by a third party.
            instance_discovery=False,
            azure_region=False,
            http_client=self._session,
            token_cache=self._cache,
        )

    def _msal_credential(self) -> Any:
        credential = self._settings.credential
        if isinstance(credential, ClientSecret):
            return credential.secret
        if isinstance(credential, Certificate):
            return msal_certificate(credential, self._settings.conn_id)
        return {"client_assertion": self._read_assertion}

    def _read_assertion(self) -> str:
        """Read the federated token file, each time: it is renewed about hourly."""
        credential = self._settings.credential
        path = credential.token_file if isinstance(credential, WorkloadIdentity) else ""
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            self._wrong("federated_token_file", f"{path!r} cannot be read ({type(error).__name__})")
        if not _TOKEN.match(token):
            # A path in a connection must not send anything but a token from this machine.
            self._wrong("federated_token_file", f"{path!r} holds no token")
        mask([token])
        self._hide.append(token)
        return token

    def _wrong(self, field: str, reason: str) -> NoReturn:
        raise ConfigurationError(f"Connection {self._settings.conn_id!r}: {field}: {reason}.")

    def _check_host(self, url: str) -> None:
        """Refuse a host that the authority's discovery document names but the cloud does not know."""
        try:
            host = link_host(url)
        except ValueError:
            host = excerpt(url, length=80)
        if host not in self._settings.authority_hosts:
            raise UnexpectedHost(
                f"Connection {self._settings.conn_id!r}: {self._settings.authority} sends us to {host} for "
                "the token. The tenant lives in another cloud: check cloud and tenant_id."
            )

    def _checked(self, result: Mapping[str, Any]) -> AccessToken:
        value = str(result["access_token"])
        if not _SENDABLE.match(value):
            self._cache = msal.TokenCache()  # or it would be given out again
            raise CredentialError(
                f"Connection {self._settings.conn_id!r}: {self._where} gave a token with characters that no "
                "HTTP header can carry. Check host, and what stands between it and this machine."
            )
        if value != self._masked:
            mask([value])
            self._masked = value
        try:
            expires_at = datetime.now(timezone.utc) + timedelta(seconds=int(result.get("expires_in", 0)))
        except (TypeError, ValueError, OverflowError):
            self._cache = msal.TokenCache()
            raise _HealableError(_MayHeal("a token that does not say how long it is valid")) from None
        token = AccessToken(value, expires_at.replace(microsecond=0))
        tenant = token.claims.get("tid")
        if self._local and isinstance(tenant, str) and tenant.lower() != self._settings.tenant_id:
            raise CredentialError(
                f"Connection {self._settings.conn_id!r}: the managed identity is of tenant "
                f"{excerpt(tenant, length=40)}, the connection's tenant_id is {self._settings.tenant_id}: "
                "correct tenant_id."
            )
        return token

    def _raise_connection(self, error: requests.RequestException, reached_before: bool) -> NoReturn:
        final = first_contact_error(error, self._where, self._settings.conn_id)
        if self._reached or final is None:
            raise _HealableError(_MayHeal(connection_problem(error))) from None
        if not may_be_restarting(error):
            raise final from None
        failure = _MayHeal(connection_problem(error)) if reached_before else _Unreached(final)
        raise _HealableError(failure) from None

    def _raise_refused(self, error: Exception | None) -> NoReturn:
        """Raise the error for the last response. `error` is msal's, used if there was no response."""
        answer = self._answer
        if answer is None:
            reason = excerpt(str(error), self.hide)
            raise CredentialError(
                f"Connection {self._settings.conn_id!r}: msal cannot use the credential: {reason}"
            ) from None
        self._reached = True
        target = redirect_target(answer)
        if target is not None:
            raise UnexpectedHost(
                f"Connection {self._settings.conn_id!r}: {self._where} redirects to {target}, where no "
                "secret is sent. Check host, cloud, and whether a proxy asks for a login."
            ) from None
        refusal = read_refusal(answer)
        if self._local:
            self._raise_local(refusal, answer)
        self._raise_entra(refusal, answer)

    def _raise_local(self, refusal: Refusal, answer: requests.Response) -> NoReturn:
        """Raise the error of the metadata service. Azure asks to retry its 404, 410, 429 and 5xx."""
        seen = self._seen(refusal, answer)
        status = refusal.status
        if status in _LOCAL_TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            throttled = status == HTTPStatus.TOO_MANY_REQUESTS
            raise _HealableError(_MayHeal(seen, refusal.retry_after, throttled)) from None
        raise CredentialError(
            f"Connection {self._settings.conn_id!r}: {_LOCAL} gave no token ({seen}). Assign the identity to "
            "the machine, and check login (the client ID of a user-assigned identity; empty for the "
            "system's own)."
        ) from None

    def _raise_entra(self, refusal: Refusal, answer: requests.Response) -> NoReturn:
        seen = self._seen(refusal, answer)
        if refusal.status == HTTPStatus.OK:
            raise _HealableError(_MayHeal(seen)) from None
        advice = advice_for(refusal.status, refusal.error, refusal.codes)
        if advice.outcome in (Outcome.RETRY, Outcome.THROTTLED):
            throttled = advice.outcome is Outcome.THROTTLED
            raise _HealableError(_MayHeal(seen, refusal.retry_after, throttled)) from None
        final = CredentialError(self._message(advice, refusal, seen))
        if advice.outcome is Outcome.NEW_ASSERTION:
            raise _HealableError(_StaleAssertion(final)) from None
        raise final from None

    def _message(self, advice: Advice, refusal: Refusal, seen: str) -> str:
        settings = self._settings
        client_id = settings.credential.client_id
        quote = f" Entra ID says: {seen}" if advice.quote else ""
        correlation = f" (correlation ID {refusal.correlation_id})" if refusal.correlation_id else ""
        code = f"AADSTS{refusal.codes[0]}" if refusal.codes else f"HTTP {refusal.status}"
        return (
            f"Connection {settings.conn_id!r}: Entra ID refused application {client_id} in tenant "
            f"{settings.tenant_id} ({settings.cloud.name} cloud), {code}: {advice.meaning}; "
            f"{advice.remedy}.{quote}{correlation}"
        )

    def _seen(self, refusal: Refusal, answer: requests.Response) -> str:
        text = refusal.description
        if not text:
            # Known secrets are replaced first: otherwise a part of one could remain.
            text = _UNSEEN_TOKEN.sub(r"\1***", excerpt(answer.text, self.hide, length=4096))
        return excerpt(f"HTTP {refusal.status}: {text}", self.hide)
