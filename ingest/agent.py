"""The station agent: a card's files, listed and signed, brought over, each proven by a receipt before it may be wiped.

可清除 (safe to wipe) is said of a file only when its receipt has been verified offline with the ledger's public key
that was pinned at enrolment (or one it handed over to), speaks of these very bytes, and lies durably in the station's
journal.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import manifest as manifests
from ingest.card import Card, CardFile, Changed, Unreadable, hash_card_file, list_card
from ingest.client import Mislabelled, ServerClient, Wanted
from ingest.device import NOTES, find_device
from ingest.journal import Journal
from ingest.manifest import DeviceLine
from ingest.station import StationKey
from ingest.trust import LogTrust
from storage.clock import Clock, iso
from storage.errors import IntegrityError, LiuhenError, Refused
from storage.ledger.proof import VerifiedReceipt
from storage.records import Digest

PARALLEL = 4  # files on their way at once

Told = Callable[[str, str, int], None]
"""Hears of progress: stage ("hash" or "send"), path, bytes done so far of that file."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file. `safe`: its receipt is verified and kept at `receipt`. `note`: it was only listed."""

    path: str
    size: int
    sha256: str | None
    safe: bool
    zh: str
    en: str
    receipt: Path | None = None
    note: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "safe": self.safe,
            "zh": self.zh,
            "en": self.en,
            "receipt": str(self.receipt) if self.receipt else None,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a card."""

    docking: str
    device: DeviceLine
    results: tuple[Result, ...]

    @property
    def safe(self) -> bool:
        """Whether the camera may be wiped (可清除): every file that is no note about the camera itself is safe."""
        return all(result.safe or result.note for result in self.results)

    def as_json(self) -> dict[str, Any]:
        return {
            "docking": self.docking,
            "device": self.device.serial,
            "safe_to_wipe": self.safe,
            "files": [result.as_json() for result in self.results],
        }


class Agent:
    """Docks cards with one server. Nothing on a card is changed."""

    def __init__(self, client: ServerClient, key: StationKey, journal: Journal, clock: Clock) -> None:
        self._client = client
        self._key = key
        self._journal = journal
        self._clock = clock
        self._trust = LogTrust(key.log, journal, client.rotations)

    def dock(self, root: Path, serial: str | None, told: Told, listed: Callable[[Card], None]) -> Outcome:
        """Do everything for one card. `listed` hears what is on it.

        Errors of one file end in its result; an error of the station or the server is raised (Refused, Transient).
        """
        card = list_card(root)
        device = find_device(root, (file.path for file in card.files), serial)
        listed(card)
        digests, failed = _hash_all(card, told)
        content = manifests.encode(self._manifest(device, digests, [*card.unreadable, *failed]))
        docked = self._client.dock(content, manifests.sign(content, self._key.key))
        self._journal.keep_manifest(docked.docking, content)
        results = self._bring_over({each.path: each for each in docked.files}, digests, told)
        lost = [_unreadable(each) for each in (*card.unreadable, *failed)]
        return Outcome(docked.docking, device, tuple(sorted([*results, *lost], key=lambda result: result.path)))

    def _manifest(
        self, device: DeviceLine, digests: Mapping[CardFile, Digest], failed: Sequence[Unreadable]
    ) -> dict[str, Any]:
        return {
            "schema": manifests.SCHEMA,
            "station": self._key.station,
            "device": device.model_dump(),
            "time": iso(self._clock()),
            "nonce": secrets.token_hex(16),
            "files": [
                {
                    "path": file.path,
                    "size": file.size,
                    "modified": iso(file.modified),
                    "sha256": digest.sha256,
                    "root": digest.root,
                }
                for file, digest in digests.items()
            ],
            "unreadable": [{"path": each.path, "why": each.why[:200]} for each in failed],
        }

    def _bring_over(self, wanted: Mapping[str, Wanted], digests: Mapping[CardFile, Digest], told: Told) -> list[Result]:
        """The same bytes under two names go over the wire once."""
        first: dict[str, CardFile] = {}
        for file, digest in digests.items():
            if file.path not in NOTES:
                first.setdefault(digest.sha256, file)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="dock") as pool:
            sent = {
                sha256: pool.submit(self._bring, file, digests[file], wanted[file.path], told)
                for sha256, file in first.items()
            }
            return [
                _note(file) if file.path in NOTES else _of(sent[digest.sha256].result(), file)
                for file, digest in digests.items()
            ]

    def _bring(self, file: CardFile, digest: Digest, wanted: Wanted, told: Told) -> Result:
        try:
            if not wanted.kept:
                self._client.upload(file, wanted, lambda done: told("send", file.path, done))
            receipt = self._client.receipt(digest.sha256)
            check_subject(self._trust.verify(receipt), digest)
            place = self._journal.keep_receipt(digest.sha256, receipt)
        except Mislabelled as error:
            return _failed(file, digest, self._explain(file, digest, error))
        except LiuhenError as error:
            return _failed(file, digest, error)
        except (Changed, OSError) as error:
            return _failed(file, digest, _card_error(file, error))
        told("send", file.path, file.size)
        return Result(file.path, file.size, digest.sha256, True, "可清除", "safe to wipe", place)

    def _explain(self, file: CardFile, digest: Digest, error: Mislabelled) -> LiuhenError:
        """The server got other bytes: was it the card or the way?"""
        try:
            same = hash_card_file(file, lambda _: None) == digest
        except (Changed, OSError) as failed:
            return _card_error(file, failed)
        return error if same else _card_error(file, Changed(file.path))


def check_subject(receipt: VerifiedReceipt, digest: Digest) -> None:
    """Check that a verified receipt speaks of these bytes. Raises IntegrityError."""
    event = receipt.entry.event
    said = (event.event, event.payload.get("sha256"), event.payload.get("root"), event.payload.get("size"))
    if said != ("original.received", digest.sha256, digest.root, digest.size):
        raise IntegrityError(
            "入库回执有效，但不是本文件的回执；请勿清除设备，并报告管理员。",
            "the receipt is valid but of another file: do not wipe the camera, tell the administrator",
        )


def _hash_all(card: Card, told: Told) -> tuple[dict[CardFile, Digest], list[Unreadable]]:
    digests: dict[CardFile, Digest] = {}
    failed: list[Unreadable] = []
    for file in card.files:
        done = 0

        def more(count: int, file: CardFile = file) -> None:
            nonlocal done
            done += count
            told("hash", file.path, done)

        try:
            digests[file] = hash_card_file(file, more)
        except OSError as error:
            failed.append(Unreadable(file.path, error.strerror or "unreadable"))
        except Changed:
            failed.append(Unreadable(file.path, "changed while it was read"))
    return digests, failed


def _card_error(file: CardFile, error: Exception) -> Refused:
    if isinstance(error, Changed):
        return Refused(
            f"“{file.path}”在采集过程中发生变化，未入库；请停止写入后重新采集。",
            f"“{file.path}” changed while it was docked and was not accepted: stop what writes to it, dock again",
        )
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Refused(
        f"读取“{file.path}”失败（{why}）；请勿清除设备，检查存储卡后重新采集。",
        f"reading “{file.path}” failed ({why}): do not wipe the camera, check the card and dock again",
    )


def _failed(file: CardFile, digest: Digest, error: LiuhenError) -> Result:
    return Result(file.path, file.size, digest.sha256, False, error.zh, error.en)


def _unreadable(each: Unreadable) -> Result:
    zh = f"无法读取（{each.why}），已列入清单但未上传；请勿清除设备。"
    en = f"can't be read ({each.why}); listed, not uploaded: do not wipe the camera"
    return Result(each.path, 0, None, False, zh, en)


def _note(file: CardFile) -> Result:
    zh, en = "设备说明文件，仅列入清单", "a note about the camera, listed only"
    return Result(file.path, file.size, None, False, zh, en, note=True)


def _of(result: Result, file: CardFile) -> Result:
    """The result of the same bytes under another name."""
    return Result(file.path, file.size, result.sha256, result.safe, result.zh, result.en, result.receipt)
