"""The log's keys at work: which of them is believed, which signs a tree, and the proofs of their rotations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from storage.catalogue.catalogue import Catalogue
from storage.errors import IntegrityError
from storage.ledger import merkle, note, outbox, rotation
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.folder import LedgerFolder
from storage.ledger.keys import LogKey
from storage.ledger.logkeys import LogKeys
from storage.ledger.merkle import HashReader
from storage.ledger.outbox import Sequenced

_HEADS = 8  # verified checkpoints that are not verified again


class Signatory:
    """Signs and verifies the checkpoints of one log. `keys` are its public keys as far as they are known here."""

    def __init__(self, catalogue: Catalogue, folder: LedgerFolder, key: LogKey) -> None:
        self._catalogue, self._folder, self._key = catalogue, folder, key
        self._verified: OrderedDict[bytes, Checkpoint] = OrderedDict()
        self.keys = LogKeys((key.verifier,))

    @property
    def origin(self) -> str:
        return self._key.origin

    def ask(self) -> LogKeys:
        """The keys over time as the database has them now. Raises IntegrityError."""
        return outbox.keys(self._catalogue, self._key.verifier)

    def read(self, signed: bytes) -> Checkpoint:
        """The verified checkpoint of a note; the last few are remembered, byte for byte. Raises IntegrityError."""
        if head := self._verified.get(signed):
            return head
        try:
            head = self.keys.verify(signed)
        except IntegrityError:  # another process may have seen a rotation of the key
            head = self.ask().verify(signed)
        self._verified[signed] = head
        while len(self._verified) > _HEADS:
            self._verified.popitem(last=False)
        return head

    def follow(self, entries: Sequence[Sequenced]) -> None:
        """Take in the rotations among new entries. Raises IntegrityError."""
        self.keys = outbox.turned(self.keys, entries)

    def sign(self, head: Checkpoint) -> bytes:
        """The note of `head`, signed by the key of its size; by both keys where one hands over to the next.

        Raises Refused when a private key is not there.
        """
        keys = [self.keys.key_of(head.size)]
        if head.size - 1 in self.keys.turns:
            keys.insert(0, self.keys.key_of(head.size - 1))
        return note.sign(head.text(), *(self._key.find(str(key)) for key in keys), *self._key.seconds)

    def write_rotations(self, read: HashReader) -> None:
        """Add to the file of rotations what it lacks: the newest, or all after the folder was lost."""
        if not self.keys.turns:
            return
        proofs = rotation.split(self._folder.rotations())
        new = [self._prove(index, read) for index in self.keys.turns[len(proofs) :]]
        if new:
            self._folder.write(rotation.FILE, b"".join([*proofs, *new]))

    def _prove(self, index: int, read: HashReader) -> bytes:
        [found] = outbox.from_index(self._catalogue, index, 1)
        head = Checkpoint(self.origin, index + 1, merkle.range_root(0, index + 1, read))
        return rotation.prove(index, merkle.inclusion_proof(index, index + 1, read), self.sign(head), found.body)
