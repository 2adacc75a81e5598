"""What only the S3 store promises: the service's own lock has the last word, and nothing is believed unread."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from storage.blobs.s3 import S3BlobStore, connect
from storage.blobs.s3_place import S3Place
from storage.clock import now
from storage.errors import IntegrityError, NotFound, Refused
from tests.support.blobs import SMALLEST_PART, digest, file_of
from tests.support.services import service


def store_at(url: str, **more: object) -> S3BlobStore:
    return S3BlobStore.from_url(url, part_size=SMALLEST_PART, **more)  # type: ignore[arg-type]


@pytest.fixture
def unlocked_url() -> str:
    """A bucket without object lock."""
    endpoint, bucket = service("LIUHEN_TEST_S3_URL"), f"test-{secrets.token_hex(6)}"
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=bucket)
    return f"s3://{bucket}?endpoint={endpoint}"


def test_the_address_is_read() -> None:
    place = S3Place.parse("s3://bucket/a/b/?endpoint=https://s3.example:9000&region=cn-1")
    assert place == S3Place("bucket", "a/b/", "https://s3.example:9000", "cn-1")
    assert place.below("five_years").prefix == "a/b/five_years/"
    assert S3Place.parse("s3://bucket") == S3Place("bucket", "", None, "us-east-1")


@pytest.mark.parametrize(
    "url", ["http://bucket", "s3://", "s3://user:secret@bucket", "s3://bucket?endpiont=x", "s3://bucket/A B", "bucket"]
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        S3Place.parse(url)


@pytest.mark.parametrize("size", [9, SMALLEST_PART + 1], ids=["one request", "in parts"])
def test_the_service_holds_the_lock_in_compliance_mode(s3_url: str, tmp_path: Path, size: int) -> None:
    until = (now() + timedelta(days=1)).replace(microsecond=0)
    content = bytes(size)
    store_at(s3_url).put("a", file_of(tmp_path, content), sha256=digest(content), retain_until=until)
    place = S3Place.parse(s3_url)
    head = connect(place).head_object(Bucket=place.bucket, Key="liuhen/a")
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] == until
    assert head["Metadata"]["sha256"] == digest(content)


def test_a_wrong_clock_of_ours_does_not_open_the_services_lock(s3_url: str, tmp_path: Path) -> None:
    place = S3Place.parse(s3_url)
    fast = S3BlobStore(connect(place), place, clock=lambda: now() + timedelta(days=999))
    store_at(s3_url).put(
        "a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=now() + timedelta(days=1)
    )
    with pytest.raises(Refused):
        fast.delete("a")
    assert b"".join(fast.open("a")) == b"content"


def test_two_tiers_of_one_bucket_do_not_see_each_other(s3_url: str, tmp_path: Path) -> None:
    one, other = store_at(s3_url, prefix="five_years"), store_at(s3_url, prefix="long_term")
    one.put("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=None)
    assert list(one.keys()) == ["a"]
    assert list(other.keys()) == []
    assert other.stat("a") is None


def test_a_deleted_blob_leaves_no_version_behind(s3_url: str, tmp_path: Path) -> None:
    store, place = store_at(s3_url), S3Place.parse(s3_url)
    store.put("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=None)
    store.delete("a")
    listed = connect(place).list_object_versions(Bucket=place.bucket)
    assert listed.keys() & {"Versions", "DeleteMarkers"} == set()


def test_an_upload_that_was_given_up_leaves_no_parts_behind(s3_url: str, tmp_path: Path) -> None:
    store, place = store_at(s3_url), S3Place.parse(s3_url)
    with pytest.raises(IntegrityError):
        store.put("a", file_of(tmp_path, bytes(SMALLEST_PART + 1)), sha256=digest(b"other"), retain_until=None)
    assert "Uploads" not in connect(place).list_multipart_uploads(Bucket=place.bucket)


def test_a_bucket_without_object_lock_is_refused(unlocked_url: str, tmp_path: Path) -> None:
    store = store_at(unlocked_url)
    with pytest.raises(Refused, match="object lock"):
        store.check()
    until = now() + timedelta(days=1)
    with pytest.raises(Refused, match="object lock"):
        store.put("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=until)


def test_a_bucket_that_is_not_there_is_not_found(s3_url: str, tmp_path: Path) -> None:
    store = store_at(s3_url.replace("s3://test-", "s3://none-"))
    with pytest.raises(NotFound):
        store.check()
    with pytest.raises(Refused):
        store.put("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=None)


def test_an_object_changed_behind_our_back_is_not_handed_to_programs(s3_url: str, tmp_path: Path) -> None:
    store, place = store_at(s3_url), S3Place.parse(s3_url)
    connect(place).put_object(
        Bucket=place.bucket, Key="liuhen/a", Body=b"altered", Metadata={"sha256": digest(b"content")}
    )
    with pytest.raises(IntegrityError), store.local_path("a"):
        pass


def deaf_store(s3_url: str, *, also_to_retention_calls: bool) -> S3BlobStore:
    """A service that takes no notice of the lock headers of an upload (as Ceph RGW in parts), or of any lock at all."""
    place = S3Place.parse(s3_url)
    client = connect(place)

    def without_lock_headers(params: dict[str, Any], **_: object) -> None:
        for name in [name for name in params["headers"] if name.lower().startswith("x-amz-object-lock-")]:
            del params["headers"][name]

    def pretended(request: AWSPreparedRequest, **_: object) -> Any:
        return AWSResponse(request.url, 200, HTTPHeaders(), RawAnswer())

    for operation in ("PutObject", "CreateMultipartUpload"):
        client.meta.events.register(f"before-call.s3.{operation}", without_lock_headers)
    if also_to_retention_calls:
        client.meta.events.register("before-send.s3.PutObjectRetention", pretended)
    return S3BlobStore(client, place, part_size=SMALLEST_PART)


class RawAnswer(io.BytesIO):
    """An empty body, in the form botocore reads one."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


@pytest.mark.parametrize("size", [9, SMALLEST_PART + 1], ids=["one request", "in parts"])
def test_a_service_that_ignores_lock_headers_is_made_to_lock(s3_url: str, tmp_path: Path, size: int) -> None:
    store, content = deaf_store(s3_url, also_to_retention_calls=False), bytes(size)
    until = (now() + timedelta(days=1)).replace(microsecond=0)
    store.put("a", file_of(tmp_path, content), sha256=digest(content), retain_until=until)
    found = store_at(s3_url).stat("a")
    assert found is not None and found.retain_until == until


def test_a_service_that_only_says_it_locks_is_not_believed(s3_url: str, tmp_path: Path) -> None:
    store = deaf_store(s3_url, also_to_retention_calls=True)
    with pytest.raises(Refused, match="did not lock"):
        store.put("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=now() + timedelta(days=1))


def test_the_damaged_version_stays_behind_the_restored_one(s3_url: str, tmp_path: Path) -> None:
    store, until = store_at(s3_url), now() + timedelta(days=1)
    store.put("a", file_of(tmp_path, b"damaged"), sha256=digest(b"damaged"), retain_until=until)
    kept = store.restore("a", file_of(tmp_path, b"good"), sha256=digest(b"good"), retain_until=until, reason="differs")
    place = S3Place.parse(s3_url)
    old = connect(place).get_object(
        Bucket=place.bucket, Key=f"{place.prefix}a", VersionId=kept.removeprefix("version ")
    )
    assert old["Body"].read() == b"damaged"
    assert old["ObjectLockMode"] == "COMPLIANCE"
    assert connect(place).head_object(Bucket=place.bucket, Key=f"{place.prefix}a")["Metadata"]["reason"] == "differs"
