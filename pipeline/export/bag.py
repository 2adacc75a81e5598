"""The tag files of a BagIt 1.0 bag. Pure. Source: RFC 8493."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of the bag: path with "/" from the bag's folder, 64 hex digits, bytes."""

    path: str
    sha256: str
    size: int


def manifest(files: Iterable[Listed]) -> bytes:
    """The lines of a manifest, ordered by path. Our names hold nothing that RFC 8493 would have escaped."""
    return "".join(f"{each.sha256}  {each.path}\n" for each in sorted(files, key=lambda each: each.path)).encode()


def info(fields: Mapping[str, str], payload: Iterable[Listed]) -> bytes:
    """bag-info.txt: `fields` and the payload's Oxum, "bytes.files". A line break in a value becomes a blank."""
    sizes = [each.size for each in payload]
    lines = {**fields, "Payload-Oxum": f"{sum(sizes)}.{len(sizes)}"}
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in lines.items()).encode()
