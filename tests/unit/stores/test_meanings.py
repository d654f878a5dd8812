"""What the errors of stores come out as."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest
from botocore import exceptions as botocore_errors
from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error

from airflow_provider_defender.compat import AirflowFailException
from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    DefenderError,
    FailNow,
    PermissionMissing,
    StoreUnavailable,
)
from airflow_provider_defender.stores.opening import lake_errors


def s3_error(code: str, status: int) -> Exception:
    response = {
        "Error": {"Code": code, "Message": f"about {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error: Exception = ClientError(response, "PutObject")
    return error


def made(module: str, name: str, parent: type[Exception] = Exception, **values: Any) -> Exception:
    """An error of a library that is not installed here, with what it is known by."""
    kind = type(name, (parent,), {"__module__": module, **values})
    error: Exception = kind(f"about {name}")
    return error


def azure_error(name: str, code: str, status: int) -> Exception:
    parent = type("HttpResponseError", (Exception,), {"__module__": "azure.core.exceptions"})
    return made("azure.core.exceptions", name, parent, status_code=status, error_code=code)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


STORES = [
    (s3_error("InvalidAccessKeyId", 403), CredentialError),
    (s3_error("SignatureDoesNotMatch", 403), CredentialError),
    (s3_error("AccessDenied", 403), PermissionMissing),
    (s3_error("KMS.SomethingNew", 403), PermissionMissing),
    (s3_error("NoSuchBucket", 404), ConfigurationError),
    (s3_error("PermanentRedirect", 301), ConfigurationError),
    (s3_error("AuthorizationHeaderMalformed", 400), ConfigurationError),
    (s3_error("RequestTimeTooSkewed", 403), ConfigurationError),
    (s3_error("ExpiredToken", 400), StoreUnavailable),
    (s3_error("SlowDown", 503), StoreUnavailable),
    (s3_error("InternalError", 500), StoreUnavailable),
    (s3_error("TooManyRequests", 429), StoreUnavailable),
    (botocore_errors.NoCredentialsError(), CredentialError),
    (botocore_errors.PartialCredentialsError(provider="env", cred_var="x"), CredentialError),
    (botocore_errors.ProfileNotFound(profile="x"), CredentialError),
    (botocore_errors.EndpointConnectionError(endpoint_url="http://x"), StoreUnavailable),
    (botocore_errors.ReadTimeoutError(endpoint_url="http://x"), StoreUnavailable),
    (botocore_errors.ConnectTimeoutError(endpoint_url="http://x"), StoreUnavailable),
    (botocore_errors.SSLError(endpoint_url="http://x", error="x"), ConfigurationError),
    (botocore_errors.NoRegionError(), ConfigurationError),
    (azure_error("ResourceNotFoundError", "ContainerNotFound", 404), ConfigurationError),
    (azure_error("ClientAuthenticationError", "AuthenticationFailed", 403), CredentialError),
    (azure_error("ClientAuthenticationError", "", 401), CredentialError),
    (azure_error("HttpResponseError", "AuthorizationPermissionMismatch", 403), PermissionMissing),
    (azure_error("HttpResponseError", "ServerBusy", 503), StoreUnavailable),
    (made("azure.core.exceptions", "ServiceRequestError"), StoreUnavailable),
    (made("azure.core.exceptions", "ClientAuthenticationError"), CredentialError),
    (
        caused(ValueError("unable to connect"), made("azure.core.exceptions", "ServiceRequestError")),
        StoreUnavailable,
    ),
    (
        caused(
            RuntimeError("Failed to upload block"), azure_error("HttpResponseError", "ContainerNotFound", 404)
        ),
        ConfigurationError,
    ),
    (made("gcsfs.retry", "HttpError", code=401), CredentialError),
    (made("gcsfs.retry", "HttpError", code="403"), PermissionMissing),
    (made("gcsfs.retry", "HttpError", code=503), StoreUnavailable),
    (OSError("Forbidden: b/lake\nmissing storage.objects.create"), PermissionMissing),
    (FileNotFoundError("b/lake/x"), ConfigurationError),
    (
        made(
            "google.auth.exceptions",
            "DefaultCredentialsError",
            made("google.auth.exceptions", "GoogleAuthError").__class__,
        ),
        CredentialError,
    ),
    (
        made(
            "google.auth.exceptions",
            "TransportError",
            made("google.auth.exceptions", "GoogleAuthError").__class__,
        ),
        StoreUnavailable,
    ),
    (made("aiohttp.client_exceptions", "ClientError"), StoreUnavailable),
    (TimeoutError("the store did not answer"), StoreUnavailable),
    (asyncio.TimeoutError(), StoreUnavailable),
    (ConnectionResetError(errno.ECONNRESET, "reset"), StoreUnavailable),
    (PermissionError("no"), PermissionMissing),
]


@pytest.mark.parametrize(
    ("error", "expected"), STORES, ids=lambda each: getattr(each, "__name__", repr(each))
)
def test_an_error_of_a_store_says_thing_value_and_cure(
    error: Exception, expected: type[DefenderError]
) -> None:
    with pytest.raises(DefenderError) as raised, lake_errors("s3://bucket/lake"):
        raise error
    assert type(raised.value) is expected
    text = str(raised.value)
    assert text.startswith("lake='s3://bucket/lake': ")
    assert text.endswith(".")
    assert raised.value.__cause__ is error
    assert isinstance(raised.value, AirflowFailException) == issubclass(expected, FailNow)


@pytest.mark.parametrize(
    ("code", "expected"), [("AccessDenied", PermissionMissing), ("NoSuchBucket", ConfigurationError)]
)
def test_s3fs_own_errors_are_told_by_what_they_were_made_of(code: str, expected: type[DefenderError]) -> None:
    error = translate_boto_error(s3_error(code, 403))
    with pytest.raises(expected, match=code), lake_errors("s3://bucket/lake"):
        raise error


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EACCES, ConfigurationError),
        (errno.EROFS, ConfigurationError),
        (errno.ENOTDIR, ConfigurationError),
        (errno.ELOOP, ConfigurationError),
        (errno.ENOSPC, StoreUnavailable),
        (errno.EDQUOT, StoreUnavailable),
        (errno.EISDIR, ConfigurationError),
        (errno.ENAMETOOLONG, ConfigurationError),
        (errno.ENOTCONN, StoreUnavailable),
        (errno.EMFILE, StoreUnavailable),
        (errno.EIO, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
    ],
)
def test_an_error_of_a_disk_names_the_file(number: int, expected: type[DefenderError]) -> None:
    with pytest.raises(expected, match=r"'/data/lake'.*/data/lake/alerts"), lake_errors("/data/lake"):
        raise OSError(number, os.strerror(number), "/data/lake/alerts")


def test_signatures_of_requests_are_not_repeated() -> None:
    error = made("aiohttp.client_exceptions", "ClientError")
    error.args = ("https://acct.blob.core.windows.net/c/x?sv=1&sig=SECRET%3D failed",)
    with pytest.raises(StoreUnavailable) as raised, lake_errors("abfss://c@acct/lake"):
        raise error
    assert "SECRET" not in str(raised.value)
    assert "core.windows.net/c/x?…" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid header value b'SECRET\\n'",
        "Invalid endpoint: http://user:SECRET@host",
        "the URL is acct.blob.core.windows.net/c/x sv=1&sig=SECRET",
        "AccountName=a;AccountKey=SECRET;EndpointSuffix=core.windows.net",
        "{'aws_session_token': 'SECRET'}",
        '"client_secret": "SECRET"',
    ],
)
def test_no_secret_in_an_error_of_a_store_is_repeated(text: str) -> None:
    error = made("aiohttp.client_exceptions", "ClientError")
    error.args = (text,)
    with pytest.raises(DefenderError) as raised, lake_errors("s3://bucket/lake"):
        raise error
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        botocore_errors.HTTPClientError(
            error="Forbidden control character. Potential header injection attack."
        ),
        OSError("ValueError: Invalid endpoint: 127.0.0.1:1"),
    ],
)
def test_what_cannot_be_sent_is_not_tried_again(error: Exception) -> None:
    with pytest.raises(ConfigurationError, match="line break"), lake_errors("s3://bucket/lake"):
        raise error
