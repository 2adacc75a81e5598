"""A small client of a C2SP tiled log, written from the specifications alone: it shares no code with the product.

It follows a log from checkpoint to checkpoint and believes nothing but the pinned key: each tile is authenticated by
the tile above it, up to the signed root (c2sp.org/tlog-tiles, c2sp.org/tlog-checkpoint, RFC 6962).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Get = Callable[[str], tuple[int, bytes]]
"""Status and body of a path below the log's prefix."""


class Dishonest(Exception):
    """The log contradicts its key, or itself."""


@dataclass
class TlogClient:
    """`size` and `root` are what was believed last: 0 and "" at first."""

    get: Get
    vkey: str
    size: int = 0
    root: bytes = b""
    fetched: int = 0

    def advance(self) -> int:
        """Fetch the newest checkpoint, and make sure that its tree begins with the one believed before."""
        size, root = self._checkpoint()
        if size < self.size:
            raise Dishonest(f"the log went back from {self.size} to {size}")
        tree = _Tree(self, size)
        if tree.top() != root:
            raise Dishonest("the tiles do not lead to the signed root")
        if self.size and tree.range_root(self.size) != self.root:
            raise Dishonest(f"the tree of {size} does not begin with the tree of {self.size}")
        self.size, self.root = size, root
        return size

    def entries(self, first: int, end: int) -> list[bytes]:
        """The entries `first` up to `end`, each held against the authenticated leaf hashes."""
        tree, found = _Tree(self, self.size), []
        if tree.top() != self.root:
            raise Dishonest("the tiles do not lead to the signed root")
        for index in range(first // 256, -(-end // 256)):
            width = min(256, self.size - index * 256)
            content, hashes = self._fetch("entries", index, width), tree.authentic(0, index)
            bodies = []
            while content and len(bodies) < width:
                length = int.from_bytes(content[:2], "big")
                bodies.append(content[2 : 2 + length])
                content = content[2 + length :]
            if [leaf(body) for body in bodies] != hashes:
                raise Dishonest(f"bundle {index} does not hash to its tile")
            found += [body for place, body in enumerate(bodies, index * 256) if first <= place < end]
        return found

    def _checkpoint(self) -> tuple[int, bytes]:
        status, content = self.get("checkpoint")
        text, _, signatures = content.decode().rpartition("\n\n")
        origin, size, root = text.split("\n")[:3]
        name, key_id, key = self.vkey.split("+", 2)
        mine = [line.split(" ")[2] for line in signatures.splitlines() if line.startswith(f"— {name} ")]
        signed = [base64.b64decode(each) for each in mine if base64.b64decode(each)[:4].hex() == key_id]
        if status != 200 or origin != name or not signed:
            raise Dishonest("no checkpoint by the log's key")
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(signed[0][4:], f"{text}\n".encode())
        return int(size), base64.b64decode(root)

    def tile(self, level: int, index: int, width: int) -> list[bytes]:
        content = self._fetch(str(level), index, width)[: width * 32]
        if len(content) != width * 32:
            raise Dishonest(f"tile {level}/{index} is too short")
        return [content[at : at + 32] for at in range(0, len(content), 32)]

    def _fetch(self, level: str, index: int, width: int) -> bytes:
        """A tile or bundle; where the partial one has been deleted, the full one."""
        groups = [f"{index % 1000:03d}"]
        while index := index // 1000:
            groups.insert(0, f"x{index % 1000:03d}")
        path = f"tile/{level}/{'/'.join(groups)}"
        for each in [f"{path}.p/{width}", path] if width < 256 else [path]:
            self.fetched += 1
            status, content = self.get(each)
            if status == 200:
                return content
        raise Dishonest(f"{path} of width {width} is not served")


class _Tree:
    """The tree of one size, from its tiles."""

    def __init__(self, client: TlogClient, size: int) -> None:
        self._client = client
        self._size = size
        self._rows: dict[tuple[int, int], list[bytes]] = {}

    def top(self) -> bytes:
        """The root, from the right edge of each level alone. Whatever it took is authentic if this is the root."""
        return self.range_root(self._size, trusted=True)

    def range_root(self, size: int, *, trusted: bool = False) -> bytes:
        """The root over the first `size` leaves."""
        hashes, begin = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                hashes.append(self._subtree(level, begin >> level, trusted=trusted))
                begin += 1 << level
        root = hashes.pop() if hashes else hashlib.sha256(b"").digest()
        while hashes:
            root = node(hashes.pop(), root)
        return root

    def _subtree(self, level: int, index: int, *, trusted: bool) -> bytes:
        """The hash over the leaves index * 2**level and on, from the tile that holds it."""
        above, tile_level = level % 8, level // 8
        number = (index << above) // 256
        row = self._row(tile_level, number) if trusted else self.authentic(tile_level, number)
        begin = (index << above) - number * 256
        return over(row[begin : begin + (1 << above)])

    def authentic(self, level: int, index: int) -> list[bytes]:
        """A tile's hashes, held against the tile above; one on the right edge was already held against the root."""
        row = self._row(level, index)
        count = self._size >> (8 * level)
        if (index + 1) * 256 <= count and over(row) != self.authentic(level + 1, index // 256)[index % 256]:
            raise Dishonest(f"tile {level}/{index} is not under the root")
        return row

    def _row(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._rows:
            width = min(256, (self._size >> (8 * level)) - index * 256)
            self._rows[level, index] = self._client.tile(level, index, width)
        return self._rows[level, index]


def leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def over(hashes: list[bytes]) -> bytes:
    """The root of a complete subtree."""
    while len(hashes) > 1:
        hashes = [node(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
