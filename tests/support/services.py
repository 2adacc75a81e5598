"""The real services of the tests: fixtures that give each test a clean place in one of them.

`scripts/services` starts them and says where they are in LIUHEN_TEST_*_URL. Where one is absent a test fails in
continuous integration (CI is set) and is skipped with the reason elsewhere.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Fail in continuous integration, skip elsewhere: `what` is not on this machine."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is absent, and continuous integration must have it", pytrace=False)
    pytest.skip(f"{what} is absent (./scripts/test provides it)")


def program(name: str) -> str:
    """The full path of a program that the test needs."""
    return shutil.which(name) or absent(name)


def service(variable: str) -> str:
    """The URL that scripts/services put into `variable`."""
    return os.environ.get(variable) or absent(f"the service of {variable}")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty PostgreSQL database of the test's own, as an SQLAlchemy URL."""
    import psycopg

    admin = service("LIUHEN_TEST_POSTGRES_URL")
    name = f"test_{secrets.token_hex(6)}"
    plain = admin.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield admin.rsplit("/", 1)[0] + "/" + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def redis_url() -> str:
    """An emptied database of Redis, which only this one of the processes that test side by side uses."""
    import redis

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    url = service("LIUHEN_TEST_REDIS_URL").rsplit("/", 1)[0] + "/" + worker
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def amqp_url() -> str:
    """RabbitMQ; its queues outlive the test, so name yours anew each time."""
    return service("LIUHEN_TEST_AMQP_URL")


@pytest.fixture
def s3_url() -> str:
    """A new bucket with object lock, in the form LIUHEN_BLOBS takes."""
    import boto3

    endpoint = service("LIUHEN_TEST_S3_URL")
    bucket = f"test-{secrets.token_hex(6)}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    client.close()
    return f"s3://{bucket}/liuhen?endpoint={endpoint}&region=us-east-1"
