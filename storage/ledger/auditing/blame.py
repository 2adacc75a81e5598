"""Who or what is to blame for a wrong thing in a log: the signed root tells an alteration from a signed fault. Pure."""

from __future__ import annotations

from storage.errors import IntegrityError
from storage.ledger import merkle, tiles
from storage.ledger.auditing.fault import Fault, Proves, located
from storage.ledger.auditing.stretch import Suspect
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.merkle import HASH_SIZE
from storage.ledger.tiles import ENTRIES, WIDTH, Reader


class Blame:
    """Makes faults of the log that `read` gives, whose signed head is `head`."""

    def __init__(self, read: Reader, head: Checkpoint) -> None:
        self._read = read
        self._head = head

    def suspect(self, found: Suspect) -> Fault:
        if found.index is None:
            proves = Proves.NOT_WHOLE if found.missing else Proves.ALTERED
            return Fault(found.zh, found.en, proves, found.path)
        if not found.hashed or found.span is None:
            return self.entry(found.index, found.zh, found.en)
        if self._included(found.index, found.leaf):
            row = found.index % WIDTH * HASH_SIZE
            path = tiles.covering(0, found.index, self._head.size).path
            zh = "叶哈希被改动，条目本身与签名一致"
            en = "this leaf hash was altered; the entry is the one that was signed"
            return located(Proves.ALTERED, path, (row, row + HASH_SIZE), zh, en, index=found.index)
        if self._included(found.index, found.hashed):
            zh, en = "条目被改动，与签发时不符", "this entry was altered; it is not the one that was signed"
        else:
            zh, en = "条目与哈希均与签名不符", "this entry and the hashes over it are not those that were signed"
        return located(Proves.ALTERED, found.path, found.span, zh, en, index=found.index)

    def entry(self, index: int, zh: str, en: str) -> Fault:
        """An entry that breaks a rule: the writer's doing if it was signed so, else an alteration."""
        tile = tiles.covering(ENTRIES, index, self._head.size)
        bodies = tiles.decode_bundle(tiles.read_tile(tile, self._read), tile)
        begin = sum(len(body) + 2 for body in bodies[: index % WIDTH]) + 2
        body = bodies[index % WIDTH]
        proves = Proves.RULE_BROKEN if self._included(index, merkle.leaf_hash(body)) else Proves.ALTERED
        return located(proves, tile.path, (begin, begin + len(body)), zh.rstrip("。"), en, index=index)

    def _included(self, index: int, leaf: bytes) -> bool:
        size = self._head.size
        try:
            path = merkle.inclusion_proof(index, size, tiles.TileTree(self._read).reader(size))
            merkle.verify_inclusion(index, size, leaf, path, self._head.root)
        except IntegrityError:
            return False
        return True
