"""The object stores that tests with a lake run against, each started once a module."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.helpers.tools import need
from tests.object_stores.store import Store

STORES = ("s3", "azure", "google")


def opened(name: str) -> Store:
    """A store that has been started; skips the test, or with `CI=true` fails it, where that cannot be."""
    if name == "s3":
        from tests.object_stores.s3 import S3

        return S3()
    if name == "azure":
        from tests.object_stores import azure

        need(azure.missing_tools(), "tests with Azurite")
        return azure.Azure()
    from tests.object_stores import google

    need(google.missing_tools(), "tests with fake-gcs-server")
    return google.Google()


@pytest.fixture(scope="module", params=STORES)
def running_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    logging.getLogger("werkzeug").disabled = True  # it reports the connections that tests cut
    store = opened(request.param)
    yield store
    store.stop()


@pytest.fixture
def store(running_store: Store) -> Iterator[Store]:
    """A store with an empty bucket, and nothing that goes wrong."""
    running_store.make_bucket()
    running_store.front.calm()
    yield running_store
    running_store.front.calm()
    running_store.delete_bucket()
