"""Getting one file into a bucket: once, whole, and only if its bytes are those of the digest."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from storage.blobs import contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MOST_PARTS = 10_000
"""S3's limit for one upload."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way. The digest is compared while the bytes leave: a mismatch leaves no object behind.

    `until` goes along as an object-lock header. Some services ignore it, so the store sets the lock again afterwards
    and reads it back. `If-None-Match: *` makes the service refuse when the key has come into being meanwhile.
    """

    client: S3Client
    bucket: str
    name: str
    source: Path
    sha256: str
    until: datetime | None
    part_size: int
    instead: Mapping[str, str] | None = None
    """Further metadata of an object that takes the place of a damaged one; None: the key must be free."""

    def run(self) -> None:
        """Raises IntegrityError for wrong bytes, botocore's errors for everything else."""
        size = self.source.stat().st_size
        if size <= self.part_size:
            self._in_one()
        else:
            self._in_parts(max(self.part_size, -(-size // MOST_PARTS)))

    def _headers(self) -> dict[str, Any]:
        headers: dict[str, Any] = {
            "Bucket": self.bucket,
            "Key": self.name,
            "Metadata": {"sha256": self.sha256, **(self.instead or {})},
            "ContentType": "application/octet-stream",
            "ChecksumAlgorithm": "SHA256",
        }
        if self.until is not None:
            headers |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": self.until}
        return headers

    def _condition(self) -> Any:
        return {"IfNoneMatch": "*"} if self.instead is None else {}

    def _in_one(self) -> None:
        content = self.source.read_bytes()
        self._compare(hashlib.sha256(content).hexdigest())
        checksum = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        self.client.put_object(**self._headers(), Body=content, ChecksumSHA256=checksum, **self._condition())

    def _in_parts(self, part_size: int) -> None:
        upload = self.client.create_multipart_upload(**self._headers())["UploadId"]
        try:
            parts = self._send_parts(upload, part_size)
            self.client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=self.name,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                **self._condition(),
            )
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError):  # the first error is the one to tell
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=self.name, UploadId=upload)
            raise

    def _send_parts(self, upload: str, part_size: int) -> list[CompletedPartTypeDef]:
        digest, parts = hashlib.sha256(), list[Any]()
        with self.source.open("rb") as file:
            while piece := file.read(part_size):
                digest.update(piece)
                answer = self.client.upload_part(
                    Bucket=self.bucket,
                    Key=self.name,
                    UploadId=upload,
                    PartNumber=len(parts) + 1,
                    Body=piece,
                    ChecksumAlgorithm="SHA256",
                )
                part = {"PartNumber": len(parts) + 1, "ETag": answer["ETag"]}
                if "ChecksumSHA256" in answer:
                    part["ChecksumSHA256"] = answer["ChecksumSHA256"]
                parts.append(part)
        self._compare(digest.hexdigest())
        return parts

    def _compare(self, sha256: str) -> None:
        if sha256 != self.sha256:
            raise contract.wrong_bytes(self.name)
