"""The meaning of a store's errors, as tables: for S3, Azure, Google Cloud Storage and local disks.

Sources: s3fs (`s3fs/errors.py`), botocore, adlfs, azure-core, gcsfs (`gcsfs/retry.py`), google-auth, and the
lists of error codes of Amazon S3 and Azure Blob Storage. Classes are identified by name, so that no client
library is imported.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    DefenderError,
    PermissionMissing,
    StoreUnavailable,
)
from airflow_provider_defender.hooks import excerpt

__all__ = ["CLASSES", "CODES", "LOCAL", "STATUSES", "Meaning", "error_text", "translated"]


@dataclass(frozen=True)
class Meaning:
    """What to raise for an error of a store, what it means, and what to do about it."""

    error: type[DefenderError]
    what: str
    remedy: str


_CREDENTIAL = Meaning(
    CredentialError,
    "the store refuses the credential, or there is none",
    "Check the Airflow connection, which is the part of `lake` before the @; without one the worker's own "
    "credential counts (environment, role or workload identity)",
)
_EXPIRED = Meaning(
    StoreUnavailable,
    "the store says that the credential has expired",
    "A retry takes a new one; a token that was written into the connection has to be replaced",
)
_FORBIDDEN = Meaning(
    PermissionMissing,
    "the credential may not do this",
    "Below the lake's root it needs to list, read, write and delete; a key of the store's encryption or its "
    "firewall can forbid it, too",
)
_MISSING = Meaning(
    ConfigurationError,
    "the bucket or container, or something that the lake needs, does not exist",
    "Create the bucket or container, or correct its name, account and region. If it is there, a file of the "
    "lake was deleted by hand: restore it",
)
_SETTINGS = Meaning(
    ConfigurationError,
    "the store does not take requests with these settings",
    "Check region, endpoint, account, encryption and certificates in the connection, and that no line "
    "break was copied into a field",
)
_CLOCK = Meaning(ConfigurationError, "the worker's clock is wrong", "Set it by NTP")
_AWAY = Meaning(
    StoreUnavailable,
    "the store does not answer, or is busy",
    "A retry continues from the last commit. If it lasts, check endpoint, network and quota",
)
_FULL = Meaning(
    StoreUnavailable, "there is no room left", "Make room: nothing is lost, the next try continues"
)
_UNWRITABLE = Meaning(
    ConfigurationError,
    "the lake cannot be written",
    "Let the user that Airflow's workers run as write there, or set another lake",
)
_TEXTS = ("header injection", "Invalid header value", "Invalid endpoint")
"""Texts of errors about settings that cannot be sent, such as a key with a line break: no network errors."""

_PLACE = Meaning(
    ConfigurationError,
    "the file system cannot have such a file there",
    "A folder stands in its place, or the path is too long or has characters that this file system does not "
    "know: take the folder away, or set another lake",
)

CODES: Mapping[str, Meaning] = MappingProxyType(
    {
        # S3
        "AccessDenied": _FORBIDDEN,
        "AccountProblem": _FORBIDDEN,
        "AllAccessDisabled": _FORBIDDEN,
        "AuthorizationHeaderMalformed": _SETTINGS,
        "CredentialsNotSupported": _CREDENTIAL,
        "ExpiredToken": _EXPIRED,
        "IllegalLocationConstraintException": _SETTINGS,
        "InvalidAccessKeyId": _CREDENTIAL,
        "InvalidBucketName": _SETTINGS,
        "InvalidObjectState": _FORBIDDEN,
        "InvalidSecurity": _CREDENTIAL,
        "InvalidToken": _CREDENTIAL,
        "MissingSecurityHeader": _CREDENTIAL,
        "NoSuchBucket": _MISSING,
        "NotSignedUp": _CREDENTIAL,
        "PermanentRedirect": _SETTINGS,
        "QuotaExceeded": _FULL,
        "RequestTimeTooSkewed": _CLOCK,
        "SignatureDoesNotMatch": _CREDENTIAL,
        "TokenRefreshRequired": _EXPIRED,
        # Azure Blob Storage
        "AccountIsDisabled": _FORBIDDEN,
        "AuthenticationFailed": _CREDENTIAL,
        "AuthorizationFailure": _FORBIDDEN,
        "AuthorizationPermissionMismatch": _FORBIDDEN,
        "ContainerBeingDeleted": _AWAY,
        "ContainerNotFound": _MISSING,
        "InsufficientAccountPermissions": _FORBIDDEN,
        "InvalidAuthenticationInfo": _CREDENTIAL,
        "NoAuthenticationInformation": _CREDENTIAL,
        "PublicAccessNotPermitted": _CREDENTIAL,
    }
)

CLASSES: Mapping[str, Meaning] = MappingProxyType(
    {
        "botocore.CredentialRetrievalError": _CREDENTIAL,
        "botocore.NoAuthTokenError": _CREDENTIAL,
        "botocore.NoCredentialsError": _CREDENTIAL,
        "botocore.PartialCredentialsError": _CREDENTIAL,
        "botocore.ProfileNotFound": _CREDENTIAL,
        "botocore.SSOError": _CREDENTIAL,
        "botocore.TokenRetrievalError": _CREDENTIAL,
        "botocore.SSLError": _SETTINGS,
        "botocore.ConnectionError": _AWAY,
        "botocore.HTTPClientError": _AWAY,
        "botocore.IncompleteReadError": _AWAY,
        "botocore.BotoCoreError": _SETTINGS,
        "azure.ClientAuthenticationError": _CREDENTIAL,
        "azure.ServiceRequestError": _AWAY,
        "azure.ServiceResponseError": _AWAY,
        "azure.IncompleteReadError": _AWAY,
        "google.TransportError": _AWAY,
        "google.GoogleAuthError": _CREDENTIAL,
        "gcsfs.ChecksumError": _AWAY,
        "binascii.Error": _CREDENTIAL,
        "aiohttp.ClientSSLError": _SETTINGS,
        "aiohttp.ClientError": _AWAY,
        "requests.SSLError": _SETTINGS,
        "requests.RequestException": _AWAY,
        "asyncio.TimeoutError": _AWAY,
        "builtins.TimeoutError": _AWAY,
        "builtins.ConnectionError": _AWAY,
    }
)
"""By top-level package and name of the error's class or a base class; the nearest class counts."""

STATUSES: Mapping[int, Meaning] = MappingProxyType(
    {
        301: _SETTINGS,
        307: _SETTINGS,
        400: _SETTINGS,
        401: _CREDENTIAL,
        403: _FORBIDDEN,
        404: _MISSING,
        407: _SETTINGS,
        408: _AWAY,
        409: _AWAY,
        429: _AWAY,
        **dict.fromkeys(range(500, 600), _AWAY),
    }
)

LOCAL: Mapping[int, Meaning] = MappingProxyType(
    {
        **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP), _UNWRITABLE),
        **dict.fromkeys((errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ), _PLACE),
        **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
        **dict.fromkeys((errno.EIO, errno.ESTALE, errno.EBUSY, errno.ETIMEDOUT), _AWAY),
        **dict.fromkeys((errno.ENOTCONN, errno.EHOSTDOWN, errno.EREMOTEIO, errno.ENOLCK), _AWAY),
        **dict.fromkeys((errno.ENXIO, errno.ENODEV, errno.EMFILE, errno.ENFILE), _AWAY),
    }
)


_SECRETS = (
    (re.compile(r"\?\S+"), "?…"),  # queries can contain signatures
    (re.compile(r"(invalid header value).*", re.IGNORECASE | re.DOTALL), r"\1 …"),
    (re.compile(r"(//[^/@:\s]*):[^/@\s]*@"), r"\1:…@"),  # a name and a password before a host
    (
        re.compile(
            r"((?:\bsig|signature|token|accesskey|accountkey|secret|password)[\"']?\s*[=:]\s*)[^\s;&,]+",
            re.IGNORECASE,
        ),
        r"\1…",
    ),
)


def translated(error: BaseException, lake: object) -> DefenderError | None:
    """Translate a store's error into this package's; None if its meaning is unknown.

    `lake`: the root as the user gave it.
    """
    for each in _chain(error):
        meaning = _meaning(each, _is_remote(lake))
        if meaning is not None:
            problem = f"lake={str(lake)!r}: {meaning.what} ({error_text(each)})"
            return meaning.error(f"{problem}. {meaning.remedy}.")
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes before the error itself: clients wrap specific errors into general ones."""
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)
    yield error


def _meaning(error: BaseException, is_remote: bool) -> Meaning | None:
    if is_remote and any(text in str(error) for text in _TEXTS):
        return _SETTINGS
    code, status = _code(error), _status(error)
    if code in CODES:
        return CODES[code]
    if status is not None and status in STATUSES:
        return STATUSES[status]
    for each in type(error).__mro__:
        name = f"{each.__module__.partition('.')[0]}.{each.__name__}"
        if name in CLASSES:
            return CLASSES[name]
    if isinstance(error, OSError) and error.errno is not None and error.errno in LOCAL:
        return LOCAL[error.errno]
    if not is_remote:
        return None
    if isinstance(error, PermissionError) or str(error).startswith("Forbidden: "):  # gcsfs only has this text
        return _FORBIDDEN
    return _MISSING if isinstance(error, FileNotFoundError) else None


def _is_remote(lake: object) -> bool:
    scheme, separator, _ = str(lake).partition("://")
    return bool(separator) and scheme.lower() not in ("file", "local")


def _code(error: BaseException) -> str:
    """The store's own code for an error."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _status(error: BaseException) -> int | None:
    """The HTTP status of the response behind an error."""
    response = getattr(error, "response", None)
    found: list[Any] = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    if isinstance(response, dict):
        found.insert(0, response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    return next((int(each) for each in found if str(each).isdecimal()), None)


def error_text(error: BaseException) -> str:
    """A short text of an error, without what may be a secret."""
    if isinstance(error, OSError) and error.filename:
        return excerpt(f"{error.strerror}: {error.filename}", length=300)
    text = str(error)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return excerpt(f"{type(error).__name__}: {text}", length=300)
