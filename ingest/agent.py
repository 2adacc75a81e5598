"""The station agent: a card's files, listed and signed, brought over, each proven by a receipt before it may be wiped.

可清除 (safe to wipe) is said of a file only when its receipt has been verified offline with the ledger's public key
that was pinned at enrolment (or one it handed over to), speaks of these very bytes, and lies durably in the station's
journal. The bytes are those that were read from the card in this docking: what the journal remembers of an earlier one
saves hashing before the upload, never reading before the word.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ingest import inside, mounts, results
from ingest import manifest as manifests
from ingest.card import Card, CardFile, Changed, Unreadable, hash_card_file, list_card
from ingest.client import Mislabelled, ServerClient, TokenEnded, Wanted
from ingest.device import NOTES, Identity, Known, card_id, find_device
from ingest.files import MAX_FILES, MAX_SIZE
from ingest.journal import Journal
from ingest.progress import CardProgress
from ingest.results import Outcome, Result, card_error
from ingest.station import StationKey
from ingest.station_clock import StationClock, camera_clock
from ingest.trust import LogTrust
from storage.clock import Clock, iso
from storage.errors import IntegrityError, LiuhenError, Transient
from storage.ledger.proof import VerifiedReceipt
from storage.records import Digest

PARALLEL = 12
"""Files of a station on their way at once, over all its cards: small ones wait for the server's disk together. Fewer
than the server takes of one station (`station_bodies`)."""
SEVERAL_BELOW = 2 << 20
"""Bytes; smaller files go together in one request: of `SEVERAL_SIZE` bytes and `SEVERAL_FILES` files at most, as the
server takes them."""
SEVERAL_SIZE, SEVERAL_FILES = MAX_SIZE, MAX_FILES

Told = Callable[[str, str, int], None]
"""Hears of progress: stage ("hash" or "send"), path, bytes done so far of that file."""


class Agent:
    """Docks cards with one server. Nothing on a card is changed."""

    def __init__(
        self,
        client: ServerClient,
        key: StationKey,
        journal: Journal,
        clock: Clock,
        *,
        cameras: Mapping[str, str] | None = None,
        station_clock: StationClock | None = None,
        sending: threading.Semaphore | None = None,
    ) -> None:
        """`sending`: held for each file on its way; shared by the cards that are docked at the same time."""
        self._client = client
        self._key = key
        self._journal = journal
        self._clock = clock
        self._cameras = cameras or {}
        self._station_clock = station_clock or StationClock()
        self.trust = LogTrust(key.log, journal, client.rotations)
        self.sending = sending or threading.Semaphore(PARALLEL)

    def dock(
        self,
        root: Path,
        serial: str | None,
        told: Told,
        listed: Callable[[Card], None],
        progress: CardProgress | None = None,
    ) -> Outcome:
        """Do everything for one card. `listed` hears what is on it.

        Errors of one file end in its result; an error of the station or the server is raised (Refused, Transient).
        """
        volume = mounts.volume_at(root)
        card = list_card(root)
        listed(card)
        known = Known(serial, volume.uuid, volume.label, self._cameras)
        seen = progress or CardProgress(card_id(card, known), str(root))
        seen.listed(card)
        identity = find_device(card, known, inside.serials)
        seen.named(card_id(card, known), identity)

        def tell(stage: str, path: str, done: int) -> None:
            seen.told(stage, path, done)
            told(stage, path, done)

        return _Docking(self, card, seen, identity=identity, inodes=volume.lasting_inodes, told=tell).run()

    @property
    def parts(self) -> tuple[ServerClient, StationKey, Journal, Clock, StationClock]:
        return self._client, self._key, self._journal, self._clock, self._station_clock


class _Docking:
    """One card, once."""

    def __init__(
        self, agent: Agent, card: Card, seen: CardProgress, *, identity: Identity, inodes: bool, told: Told
    ) -> None:
        self._client, self._key, self._journal, self._clock, self._station_clock = agent.parts
        self._trust, self._sending = agent.trust, agent.sending
        self._card, self._seen, self._identity = card, seen, identity
        self._inodes, self._told = inodes, told
        self._digests: dict[CardFile, Digest] = {}
        self._remembered: set[CardFile] = set()  # not read in this docking yet
        self._failed: list[Unreadable] = []

    def run(self) -> Outcome:
        for file in self._card.files:
            self._hash(file)
        lost = [*self._card.unreadable, *self._failed]
        content = manifests.encode(self._same_or_new(self._manifest(lost)))
        docked = self._client.dock(content, manifests.sign(content, self._key.key))
        self._journal.keep_manifest(docked.docking, content)
        device = self._identity.device
        self._journal.note("docked", docking=docked.docking, card=self._seen.card, device=device.model_dump())
        self._seen.docked(docked.docking)
        found = self._bring_over({each.path: each for each in docked.files})
        for each in lost:
            self._seen.ended(result := results.unreadable(each))
            found.append(result)
        outcome = Outcome(
            docked.docking,
            self._identity,
            tuple(sorted(found, key=lambda result: result.path)),
            self._seen.card,
            self._client.rejections(docked.docking),
        )
        self._keep(outcome)
        return outcome

    def _keep(self, outcome: Outcome) -> None:
        """Write down what became of the card, before anybody hears it. Raises Transient: then it is not safe."""
        bad = {result.path: result.en[:300] for result in outcome.results if not result.safe and not result.note}
        self._journal.note(
            "result",
            docking=outcome.docking,
            card=outcome.card,
            safe=outcome.safe,
            kept=sum(result.safe for result in outcome.results),
            failed=bad,
        )

    def _hash(self, file: CardFile) -> None:
        known = self._journal.known(self._seen.card, file, inodes=self._inodes)
        if known is not None:
            self._told("hash", file.path, file.size)
            self._digests[file] = known
            self._remembered.add(file)
            return
        try:
            self._digests[file] = digest = self._read(file, "hash")
        except (OSError, Changed) as error:
            self._seen.check()
            self._failed.append(Unreadable(file.path, _why(error)))
            return
        self._journal.keep_hash(self._seen.card, file, digest, inodes=self._inodes)

    def _read(self, file: CardFile, stage: str) -> Digest:
        done = 0

        def more(count: int) -> None:
            nonlocal done
            done += count
            self._told(stage, file.path, done)

        return hash_card_file(file, more)

    def _manifest(self, lost: Sequence[Unreadable]) -> dict[str, Any]:
        now = self._clock()
        clock = self._station_clock.line()
        ahead = camera_clock(self._card.files, self._identity.clock, now)
        return {
            "schema": manifests.SCHEMA,
            "station": self._key.station,
            "device": self._identity.device.model_dump(exclude_defaults=True),
            "time": iso(now),
            "nonce": secrets.token_hex(16),
            "files": [_line(file, digest) for file, digest in self._digests.items()],
            "unreadable": [{"path": each.path, "why": each.why[:200]} for each in lost],
            "clock": clock.model_dump(),
            **({"camera_clock": ahead.model_dump()} if ahead else {}),
        }

    def _same_or_new(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A card that is tried again without anything new on it is the same docking: the manifest of before."""
        before = self._seen.manifest
        if not before or any(before[name] != fields[name] for name in ("station", "device", "files", "unreadable")):
            self._seen.manifest = fields
        return self._seen.manifest

    def _bring_over(self, wanted: Mapping[str, Wanted]) -> list[Result]:
        """The same bytes under two names go over the wire once."""
        first: dict[str, CardFile] = {}
        for file, digest in self._digests.items():
            if file.path not in NOTES:
                first.setdefault(digest.sha256, file)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="dock") as pool:
            sent: dict[str, Callable[[], Result]] = {}
            for group in _groups(first, wanted):
                brought = pool.submit(self._bring_group, group, wanted)
                sent |= {sha256: partial(_of_group, brought, sha256) for sha256 in group}
            found: list[Result] = []
            for file, digest in self._digests.items():
                found.append(
                    self._result(file, digest, first, sent[digest.sha256])
                    if file.path not in NOTES
                    else results.note(file)
                )
                self._seen.ended(found[-1])
        return found

    def _result(
        self, file: CardFile, digest: Digest, first: Mapping[str, CardFile], sent: Callable[[], Result]
    ) -> Result:
        result = results.of(sent(), file)
        if file in self._remembered and first[digest.sha256] != file and result.safe:
            return self._reread(file, digest, result)
        return result

    def _bring_group(self, group: Mapping[str, CardFile], wanted: Mapping[str, Wanted]) -> dict[str, Result]:
        """Several in one request, and by itself whichever of them the server did not accept with the others."""
        receipts: dict[str, bytes] = {}
        if len(group) > 1:
            try:
                with self._sending:
                    receipts = self._client.bring_several(group, partial(self._told, "send"))
            except (Transient, TokenEnded) as error:
                self._seen.check()
                return {
                    sha256: results.failed(file, self._digests[file], error, passing=True)
                    for sha256, file in group.items()
                }
            except (LiuhenError, Changed, OSError):  # whose trouble it is shows when each goes alone
                self._seen.check()
        return {
            sha256: self._bring(file, self._digests[file], wanted[file.path], receipts.get(sha256))
            for sha256, file in group.items()
        }

    def _bring(self, file: CardFile, digest: Digest, wanted: Wanted, receipt: bytes | None) -> Result:
        """`receipt`: of a file that was brought over already, just now."""
        whole = True
        try:
            if receipt is None and wanted.kept:
                receipt, whole = self._client.receipt(digest.sha256), False
            elif receipt is None:
                with self._sending:
                    receipt, whole = self._client.bring(file, wanted, lambda done: self._told("send", file.path, done))
            check_subject(self._trust.verify(receipt), digest)
            place = self._journal.keep_receipt(digest.sha256, receipt)
        except Mislabelled as error:
            return results.failed(file, digest, self._explain(file, digest, error))
        except LiuhenError as error:
            self._seen.check()
            return results.failed(file, digest, error, passing=isinstance(error, Transient | TokenEnded))
        except (Changed, OSError) as error:
            self._seen.check()
            return results.failed(file, digest, card_error(file, error))
        self._told("send", file.path, file.size)
        result = results.safe(file, digest, place)
        return result if whole or file not in self._remembered else self._reread(file, digest, result)

    def _reread(self, file: CardFile, digest: Digest, result: Result) -> Result:
        """The journal knew the digest and no byte was read: nothing is called safe on the journal's word."""
        try:
            same = self._read(file, "again") == digest
        except (Changed, OSError) as error:
            self._seen.check()
            return results.failed(file, digest, card_error(file, error))
        return result if same else results.failed(file, digest, card_error(file, Changed(file.path)))

    def _explain(self, file: CardFile, digest: Digest, error: Mislabelled) -> LiuhenError:
        """The server got other bytes: was it the card or the way?"""
        try:
            same = hash_card_file(file, lambda _: None) == digest
        except (Changed, OSError) as failed:
            return card_error(file, failed)
        return error if same else card_error(file, Changed(file.path))


def _groups(files: Mapping[str, CardFile], wanted: Mapping[str, Wanted]) -> Iterator[dict[str, CardFile]]:
    """The files by their SHA-256, the small ones that go in one request together."""
    group: dict[str, CardFile] = {}
    size = 0
    for sha256, file in files.items():
        want = wanted[file.path]
        if want.kept or want.upload is not None or file.size > SEVERAL_BELOW:
            yield {sha256: file}
            continue
        if group and (size + file.size > SEVERAL_SIZE or len(group) == SEVERAL_FILES):
            yield group
            group, size = {}, 0
        group[sha256] = file
        size += file.size
    if group:
        yield group


def _of_group(brought: Future[dict[str, Result]], sha256: str) -> Result:
    return brought.result()[sha256]


def check_subject(receipt: VerifiedReceipt, digest: Digest) -> None:
    """Check that a verified receipt speaks of these bytes. Raises IntegrityError."""
    event = receipt.entry.event
    said = (event.event, event.payload.get("sha256"), event.payload.get("root"), event.payload.get("size"))
    if said != ("original.received", digest.sha256, digest.root, digest.size):
        raise IntegrityError(
            "入库回执有效，但不是本文件的回执；请勿清除设备，并报告管理员。",
            "the receipt is valid but of another file: do not wipe the camera, tell the administrator",
        )


def _line(file: CardFile, digest: Digest) -> dict[str, Any]:
    line = {
        "path": file.path,
        "size": file.size,
        "modified": iso(file.modified),
        "sha256": digest.sha256,
        "root": digest.root,
    }
    return line | {"not_uploaded": results.NOTE[1]} if file.path in NOTES else line


def _why(error: Exception) -> str:
    return "changed while it was read" if isinstance(error, Changed) else getattr(error, "strerror", "") or "unreadable"
