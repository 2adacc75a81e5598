"""Blobs in an S3 bucket with object lock in COMPLIANCE mode: nobody, root included, shortens it.

Lock headers of an upload are never trusted (Ceph RGW and others ignore them on multipart uploads): after each write the
retention is set by its own call, read back with `head_object` and compared in mode and date. Object lock implies a
versioned bucket, so a deletion names versions; without one it would only hide the blob.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from storage import durable
from storage.blobs import contract
from storage.blobs.contract import Blob, Stat, Stored
from storage.blobs.s3_errors import ABSENT, code_of, no_lock, translated
from storage.blobs.s3_place import S3Place
from storage.blobs.s3_upload import Upload
from storage.clock import Clock, now
from storage.errors import IntegrityError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART = 16 << 20
"""Bytes of one part of a large upload; files up to this size go in one request."""


class S3BlobStore:
    """One prefix of one bucket. `scratch`: where `local_path` puts its copies (None: the system's temporary folder)."""

    shares_waits = False

    def __init__(
        self,
        client: S3Client,
        place: S3Place,
        *,
        scratch: Path | None = None,
        part_size: int = PART,
        clock: Clock = now,
    ) -> None:
        self._client = client
        self._place = place
        self._scratch = scratch
        self._part_size = part_size
        self._clock = clock

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "", scratch: Path | None = None, part_size: int = PART) -> S3BlobStore:
        """The store at an address (see S3Place), in its sub-folder `prefix`. No call is made yet: see `check`."""
        place = S3Place.parse(url).below(prefix)
        return cls(connect(place), place, scratch=scratch, part_size=part_size)

    def put(
        self, key: str, source: Path, *, sha256: str, retain_until: datetime | None, hashed: bool = False
    ) -> Stored:
        """See the contract. The bytes are hashed as they leave, whatever `hashed` says; a large file goes in parts."""
        contract.check_key(key)
        contract.check_sha256(sha256)
        date = contract.lock_date(retain_until, self._clock())
        with translated(key):
            if self._head(key) is None:
                self._upload(key, source, sha256, date)
            head = self._required(key)
            contract.check_same(key, _sha256_of(head), sha256)
            present = _date_of(head)
            if date is not None and (_mode_of(head) != "COMPLIANCE" or present is None or date >= present):
                self._lock(key, max(date, present or date))
            return Stored(key, int(head["ContentLength"]), sha256)

    def put_all(self, blobs: Sequence[Blob], *, retain_until: datetime | None) -> None:
        for each in blobs:
            self.put(each.key, each.source, sha256=each.sha256, retain_until=retain_until, hashed=each.hashed)

    def _upload(
        self,
        key: str,
        source: Path,
        sha256: str,
        date: datetime | None,
        *,
        instead: Mapping[str, str] | None = None,
    ) -> None:
        name = self._name(key)
        upload = Upload(self._client, self._place.bucket, name, source, sha256, date, self._part_size, instead)
        try:
            upload.run()
        except ClientError as error:
            if code_of(error) != "PreconditionFailed":  # else somebody was quicker: the caller compares what is there
                raise

    def _lock(self, key: str, date: datetime) -> None:
        """Set the retention and believe only what the service says afterwards."""
        self._client.put_object_retention(
            **self._named(key), Retention={"Mode": "COMPLIANCE", "RetainUntilDate": date}, ChecksumAlgorithm="SHA256"
        )
        head = self._required(key)
        present = _date_of(head)
        if _mode_of(head) != "COMPLIANCE" or present is None or present < date:
            raise no_lock(key)

    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with translated(key):
            head = self._required(key)
        return self._pieces(key, head, start, contract.check_range(key, int(head["ContentLength"]), start, length))

    def _pieces(self, key: str, head: dict[str, Any], start: int, length: int) -> Iterator[bytes]:
        if length == 0:
            return
        with translated(key):
            answer = self._client.get_object(
                **self._named(key), Range=f"bytes={start}-{start + length - 1}", IfMatch=head["ETag"]
            )
            with contextlib.closing(answer["Body"]) as body:
                yield from body.iter_chunks(contract.CHUNK)

    def stat(self, key: str) -> Stat | None:
        contract.check_key(key)
        with translated(key):
            head = self._head(key)
        if head is None:
            return None
        held = head.get("ObjectLockLegalHoldStatus") == "ON"
        return Stat(int(head["ContentLength"]), _sha256_of(head), _date_of(head), held)

    def extend(self, key: str, until: datetime) -> None:
        contract.check_key(key)
        with translated(key):
            current = _date_of(self._required(key))
            date = contract.check_later(key, current, until, self._clock())
            if date != current:
                self._lock(key, date)

    def hold(self, key: str, on: bool) -> None:
        contract.check_key(key)
        wanted: Literal["ON", "OFF"] = "ON" if on else "OFF"
        with translated(key):
            self._required(key)
            self._client.put_object_legal_hold(
                **self._named(key), LegalHold={"Status": wanted}, ChecksumAlgorithm="SHA256"
            )
            if self._required(key).get("ObjectLockLegalHoldStatus", "OFF") != wanted:
                raise no_lock(key)

    def delete(self, key: str) -> None:
        """Every version of the key goes. The service has the last word: what it still locks is Refused."""
        present = self.stat(key)
        if present is None:
            raise contract.not_found(key)
        contract.check_deletable(key, present.retain_until, present.hold, self._clock())
        with translated(key):
            for version in self._versions(key):
                self._client.delete_object(**self._named(key), VersionId=version)

    def _versions(self, key: str) -> list[str]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._place.bucket, Prefix=self._name(key)
        )
        return [
            each["VersionId"]
            for page in pages
            for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if each["Key"] == self._name(key)
        ]

    def keys(self, prefix: str = "") -> Iterator[str]:
        contract.check_prefix(prefix)
        return self._list(prefix)

    def _list(self, prefix: str) -> Iterator[str]:
        with translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.bucket, Prefix=self._name(prefix)
            )
            for page in pages:
                for each in page.get("Contents", []):
                    yield each["Key"].removeprefix(self._place.prefix)

    def restore(self, key: str, source: Path, *, sha256: str, retain_until: datetime, reason: str) -> str:
        """See the contract. The good bytes are a new version of the object; the damaged version stays behind it, locked
        as it was. `reason` stands in the new version's metadata."""
        contract.check_key(key)
        contract.check_sha256(sha256)
        with translated(key):
            head = self._head(key)
            version = str(head.get("VersionId", "")) if head else ""
            date = contract.whole_second((_date_of(head) if head else None) or retain_until)
            self._upload(key, source, sha256, date, instead={"instead-of": version, "reason": reason})
            if date > self._clock():
                self._lock(key, date)
            if head and head.get("ObjectLockLegalHoldStatus") == "ON":
                self.hold(key, True)
        return f"version {version}" if head else ""

    @contextlib.contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """A copy that is compared with the digest recorded at `put`, gone at the end of the context."""
        found = self.stat(key)
        if found is None:
            raise contract.not_found(key)
        with tempfile.TemporaryDirectory(prefix="liuhen-blob-", dir=self._scratch) as folder:
            path = Path(folder) / "blob"
            if self._download(key, path) != found.sha256:
                raise IntegrityError(
                    f"对象存储中的 {key} 与入库时的 SHA-256 不符；请立即核查。",
                    f"{key} in the object store does not match the SHA-256 it was put with: examine it at once",
                )
            yield path

    def _download(self, key: str, path: Path) -> str:
        digest = hashlib.sha256()
        try:
            with path.open("wb") as file:
                for piece in self.open(key):
                    digest.update(piece)
                    file.write(piece)
        except OSError as error:
            raise durable.disk_error(error) from error
        return digest.hexdigest()

    def check(self) -> None:
        """Reachable, the bucket there, and object lock enabled on it."""
        with translated(self._place.bucket):
            self._client.head_bucket(Bucket=self._place.bucket)
            try:
                answer = self._client.get_object_lock_configuration(Bucket=self._place.bucket)
            except ClientError as error:
                if code_of(error) in ABSENT | {"ObjectLockConfigurationNotFoundError"}:
                    raise no_lock(self._place.bucket) from error
                raise
        if answer["ObjectLockConfiguration"].get("ObjectLockEnabled") != "Enabled":
            raise no_lock(self._place.bucket)

    def _name(self, key: str) -> str:
        return self._place.prefix + key

    def _named(self, key: str) -> Any:
        return {"Bucket": self._place.bucket, "Key": self._name(key)}

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return dict(self._client.head_object(**self._named(key)))
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise

    def _required(self, key: str) -> dict[str, Any]:
        head = self._head(key)
        if head is None:
            raise contract.not_found(key)
        return head


def connect(place: S3Place) -> S3Client:
    """A client with bounded patience: 5 s to connect, 60 s between bytes, four attempts."""
    options = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 4},
        s3={"addressing_style": "path" if place.endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", endpoint_url=place.endpoint, region_name=place.region, config=options)


def _sha256_of(head: dict[str, Any]) -> str:
    return str(head.get("Metadata", {}).get("sha256", ""))


def _date_of(head: dict[str, Any]) -> datetime | None:
    date: datetime | None = head.get("ObjectLockRetainUntilDate")
    return date


def _mode_of(head: dict[str, Any]) -> str | None:
    mode: str | None = head.get("ObjectLockMode")
    return mode
