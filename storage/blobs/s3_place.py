"""Where a bucket is: the address form of the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from storage.blobs.contract import check_prefix
from storage.errors import Refused

_OPTIONS = {"endpoint", "region"}


@dataclass(frozen=True, slots=True)
class S3Place:
    """`s3://bucket/prefix?endpoint=https://host:port&region=name`. Never holds credentials: boto3 finds those itself
    (environment, profile, instance role)."""

    bucket: str
    prefix: str
    """Empty, or ends in "/"."""
    endpoint: str | None
    region: str

    @classmethod
    def parse(cls, url: str) -> S3Place:
        """Refused for anything but the form above; unknown options too, so that a slip of the pen shows."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or not options.keys() <= _OPTIONS:
            raise Refused(
                "对象存储地址应形如 s3://存储桶/前缀?endpoint=https://主机:端口&region=区域，且不含密码。",
                "the object store's address is s3://bucket/prefix?endpoint=https://host:port&region=name, no password",
            )
        prefix = parts.path.strip("/")
        return cls(
            bucket=parts.netloc,
            prefix=f"{check_prefix(prefix)}/" if prefix else "",
            endpoint=options.get("endpoint"),
            region=options.get("region", "us-east-1"),
        )

    def below(self, folder: str) -> S3Place:
        """The same place, one folder further down ("" stays where it is)."""
        return replace(self, prefix=f"{self.prefix}{check_prefix(folder)}/") if folder else self
