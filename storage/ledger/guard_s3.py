"""The last signed checkpoint as one object in S3, swapped by conditional writes (If-Match, If-None-Match).

So a whole server can be restored from an old backup, keys included, and still can't sign a second history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from botocore.exceptions import ClientError

from storage.blobs.s3 import connect
from storage.blobs.s3_errors import ABSENT, code_of, status_of, translated
from storage.blobs.s3_place import S3Place
from storage.errors import Refused
from storage.ledger.guard import CheckpointGuard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PROBE = ".probe"


class S3Guard(CheckpointGuard):
    """The object `key` of a bucket. Before its first swap the store has to show that it refuses a stale one."""

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._proven = False

    @classmethod
    def from_url(cls, url: str) -> S3Guard:
        """The guard at s3://bucket/key?endpoint=…. Raises Refused for another form."""
        parts = urlsplit(url)
        place = S3Place.parse(urlunsplit(parts._replace(path="")))
        if not parts.path.strip("/"):
            raise Refused(f"{url} 缺少对象名称。", f"{url} does not name an object")
        return cls(connect(place), place.bucket, parts.path.strip("/"))

    def load(self) -> bytes | None:
        found = self._get()
        return found[0] if found else None

    def _swap(self, old: bytes | None, new: bytes) -> bool:
        self._prove()
        found = self._get()
        if (found[0] if found else None) != old:
            return False
        condition = {"IfMatch": found[1]} if found else {"IfNoneMatch": "*"}
        return self._put(self._key, new, condition)

    def _get(self) -> tuple[bytes, str] | None:
        """The object's bytes and its ETag."""
        with translated(self._key):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
                return answer["Body"].read(), answer["ETag"]
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                raise

    def _put(self, key: str, content: bytes, condition: dict[str, str]) -> bool:
        with translated(key):
            try:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content, **condition)  # type: ignore[arg-type]
            except ClientError as error:
                if status_of(error) in (409, 412):  # another writer, or not what was there before
                    return False
                raise
            return True

    def _prove(self) -> None:
        """Some stores ignore the conditions: then two signers would not notice each other."""
        if self._proven:
            return
        probe = f"{self._key}{_PROBE}"
        self._put(probe, b"1", {})
        if self._put(probe, b"2", {"IfMatch": '"stale"'}) or self._put(probe, b"3", {"IfNoneMatch": "*"}):
            raise Refused(
                "对象存储不支持条件写入（If-Match、If-None-Match），不能保存最后签发的检查点；请改用本机文件。",
                "the object store ignores conditional writes (If-Match, If-None-Match): the last signed checkpoint "
                "can't be kept there, use a file",
            )
        self._proven = True
