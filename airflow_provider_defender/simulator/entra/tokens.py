"""Access tokens: issued to applications, verified for APIs, revoked."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from typing import Any

import jwt

from airflow_provider_defender.simulator.entra.certificates import shared_signing_key
from airflow_provider_defender.simulator.entra.directory import Application
from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.service import TokenRefusedError

__all__ = ["AccessTokens"]

_KEY_ID = "defender-simulator"
_UNCHECKED: Any = {"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False}


class AccessTokens:
    """The access tokens of one tenant, signed with its key."""

    def __init__(self, tenant_id: str, clock: ServiceClock) -> None:
        self._tenant_id = tenant_id
        self._clock = clock
        self._key = shared_signing_key("Entra ID")
        self._revoked: set[str] = set()

    def public_key(self) -> dict[str, str]:
        """The key that tokens are verified with, as a JSON Web Key."""
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": _KEY_ID,
            "n": _base64url_number(numbers.n),
            "e": _base64url_number(numbers.e),
        }

    def issue(self, application: Application, resource: str, roles: frozenset[str], lifetime: float) -> str:
        """A signed token for a resource that knows `roles`; `lifetime` in seconds."""
        now = int(self._clock.seconds())
        issuer = f"https://sts.windows.net/{self._tenant_id}/"
        claims: dict[str, Any] = {
            "aud": resource,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": int(now + lifetime),
            "appid": application.client_id,
            "appidacr": "1",
            "idp": issuer,
            "oid": application.object_id,
            "sub": application.object_id,
            "tid": self._tenant_id,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        granted = sorted(application.roles & roles)
        if granted:  # without a granted role there is no claim, yet a token is issued
            claims["roles"] = granted
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID, "x5t": _KEY_ID})

    def verify(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of an access token that an API accepts; without `audiences`, one for any resource.

        Raises TokenRefusedError if it is not ours, not for one of `audiences`, expired or revoked.
        """
        claims = self._signed_claims(token)
        if claims.get("tid") != self._tenant_id:
            raise TokenRefusedError("a token of another tenant")
        if audiences and claims.get("aud") not in audiences:
            raise TokenRefusedError("a token for another resource")
        if claims.get("exp", 0) <= self._clock.seconds():
            raise TokenRefusedError("the token has run out")
        if claims.get("uti") in self._revoked:
            raise TokenRefusedError("the token was revoked")
        return claims

    def _signed_claims(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], options=_UNCHECKED
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError(f"not a token of this tenant: {error}") from error
        return claims

    def revoke(self, claims: Mapping[str, Any]) -> None:
        """From now on, refuse the token with these claims as if it had expired."""
        self._revoked.add(str(claims["uti"]))


def _base64url_number(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
