"""The archive of timestamps in the log's folder, and its verification against the log. Pure.

A stamp is a folder that is complete or not there at all (docs/ledger.md, "Time 时间戳"):

    timestamps/<size>/<authority>/checkpoint     the signed checkpoint whose bytes are stamped
    timestamps/renewed/<time>-<authority>/manifest   or: digests of the files of older stamps, stamped anew
        reply.tsr    the reply of the authority, as it came
        chain.pem    the authority's certificate first, the root last
        <n>.crl      lists of revoked certificates, as far as they could be had
        old-<n>.crl  with a manifest: lists for the chains of the older stamps, named in it

Each stamp is also an entry of the log, with the digests of its files: so one that is taken away is missed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from storage.clock import iso
from storage.errors import IntegrityError, LiuhenError
from storage.ledger import merkle
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.tiles import TileTree
from storage.ledger.time import timestamp, tsa_chain
from storage.ledger.time.renewal import Span, digest_of, read_manifest, valid_until
from storage.ledger.time.timestamp import Stamp
from storage.ledger.time.tsa_chain import Certificates
from storage.records import CustodyEvent

EVENT, SUBJECT = "ledger.timestamped", "ledger:time"
FOLDER, RENEWED = "timestamps", "renewed"
CHECKPOINT, MANIFEST, REPLY, CHAIN, OLD = "checkpoint", "manifest", "reply.tsr", "chain.pem", "old-"

Read = Callable[[str], bytes]
Open = Callable[[bytes], Checkpoint]
"""Reads a checkpoint that the log's key signed. Raises IntegrityError for any other."""


class StampFault(IntegrityError):
    """What is wrong with a stamp. `path`: its folder, or the file."""

    def __init__(self, zh: str, en: str, path: str) -> None:
        super().__init__(zh, en)
        self.path = path


@dataclass(frozen=True, slots=True)
class Record:
    """What the log says of a stamp: its folder `path` and the entry's payload; `index` is None while it waits."""

    path: str
    index: int | None
    payload: Mapping[str, Any]

    @property
    def span(self) -> Span:
        """As the entry says; of a renewal without its lines. Raises IntegrityError when the entry is malformed."""
        said, size, digest = self.payload, self.payload.get("size"), str(self.payload.get("digest"))
        try:
            time, end = (datetime.fromisoformat(said[name]) for name in ("time", "valid_until"))
        except (KeyError, ValueError, TypeError) as error:
            raise IntegrityError(
                f"存证链条目所记时间戳 {self.path} 格式不正确。", f"the log's entry of {self.path} is malformed"
            ) from error
        return Span(
            self.path, time, end, size if isinstance(size, int) else None, self.index, tuple(self.files), {}, digest
        )

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each file, in hex, by name."""
        given = self.payload.get("files")
        return given if isinstance(given, dict) else {}


@dataclass(frozen=True, slots=True)
class Kept:
    """A stamp of the archive that holds. `head`: the stamped checkpoint; of a renewal `lines`: path → digest."""

    path: str
    stamp: Stamp
    files: Mapping[str, str]
    head: Checkpoint | None = None
    lines: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[x509.CertificateRevocationList, ...] = ()
    index: int | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """For the log's entry."""
        size = {"size": self.head.size} if self.head else {"renews": len(self.lines)}
        said = {"path": self.path, **size, "time": iso(self.stamp.time), "tsa": self.stamp.tsa}
        more = {"policy": self.stamp.policy, "valid_until": iso(self.stamp.valid_until), "digest": self.stamp.digest}
        return {**said, **more, "files": dict(self.files)}

    @property
    def span(self) -> Span:
        size = self.head.size if self.head else None
        ends, digest = (self.stamp.time, self.stamp.valid_until), self.stamp.digest
        return Span(
            self.path, *ends, size=size, index=self.index, files=tuple(self.files), lines=self.lines, digest=digest
        )


@dataclass(frozen=True, slots=True)
class Examined:
    """All stamps that hold, oldest first, until when each does (by itself or its renewals), and what is wrong.

    `unrecorded`: stamps that hold and that no entry names, such as after a crash between folder and entry.
    """

    kept: tuple[Kept, ...]
    until: Mapping[str, datetime]
    wrong: tuple[StampFault, ...]
    unrecorded: tuple[str, ...]


def record(event: CustodyEvent, index: int | None) -> Record | None:
    """The stamp that an entry speaks of, None for every other entry."""
    if (event.event, event.subject) != (EVENT, SUBJECT):
        return None
    return Record(str(event.payload.get("path")), index, event.payload)


@dataclass(frozen=True, slots=True)
class Log:
    """What stamps are held against: `opens` reads a checkpoint of the log, `root` computes its root at a size (in
    entries, `size` at most).
    """

    opens: Open
    root: Callable[[int], bytes]
    size: int


def log_of(read: Read, opens: Open) -> Log:
    """The log whose files `read` gives, at its published checkpoint. Raises IntegrityError, FileNotFoundError."""
    size, tree = opens(read(CHECKPOINT)).size, TileTree(read)
    return Log(opens, lambda count: merkle.range_root(0, count, tree.reader(size)), size)


class Archive:
    """The stamps among the files `names` of a log's folder.

    `roots`: of the trusted authorities; None believes the root that was kept with each stamp, which proves no more than
    that all of it agrees.
    """

    def __init__(self, read: Read, names: Iterable[str], log: Log, roots: Certificates | None) -> None:
        self._read, self._log, self._roots = read, log, roots
        self._names = {name for name in names if name.startswith(f"{FOLDER}/")}
        self.folders: dict[str, set[str]] = {}
        for name in sorted(self._names):
            path, _, file = name.rpartition("/")
            self.folders.setdefault(path, set()).add(file)

    def load(self, path: str, said: Record | None = None) -> Kept:
        """Verify one stamp, against what the log says of it. Raises StampFault that names the file or the folder."""
        files = {name: self._file(path, name) for name in sorted(self.folders.get(path, ()))}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        if said is not None:
            _compare(path, digests, said.files)
        try:
            kept = self._open(path, files, digests, said.index if said else None)
        except LiuhenError as error:
            raise _fault(path, error.zh.rstrip("。"), error.en) from error
        facts = kept.payload
        if said is not None and any(said.payload.get(name) != facts.get(name) for name in ("size", "renews", "time")):
            raise _fault(path, "存证链条目所记与时间戳不符", "the log's entry says something else of it")
        return kept

    def examine(self, records: Iterable[Record], now: datetime) -> Examined:
        """Every stamp of the folder and of the log's entries, in the order of the entries, at the time `now`."""
        said = {each.path: each for each in records}
        unrecorded = tuple(path for path in self.folders if path not in said)
        kept, wrong = list[Kept](), list[StampFault]()
        for path in [*said, *unrecorded]:
            try:
                kept.append(self.load(path, said.get(path)))
            except StampFault as fault:
                wrong.append(fault)
        kept.sort(key=lambda each: each.stamp.time)
        until = valid_until([each.span for each in kept], now)
        wrong += _revoked_since(kept)
        wrong += [_expired(path, end) for path, end in until.items() if end < now]
        return Examined(tuple(kept), until, tuple(wrong), unrecorded)

    def _file(self, path: str, name: str) -> bytes:
        try:
            return self._read(f"{path}/{name}")
        except FileNotFoundError:
            raise _fault(f"{path}/{name}", "文件缺失", "the file is missing") from None

    def _open(self, path: str, files: Mapping[str, bytes], digests: Mapping[str, str], index: int | None) -> Kept:
        for name in (REPLY, CHAIN):
            if name not in files:
                raise _fault(f"{path}/{name}", "文件缺失", "the file is missing")
        renewal = MANIFEST in files
        if renewal == (CHECKPOINT in files):
            raise _fault(path, "应有且仅有被盖时间戳的文件", "it must hold the one file that is stamped")
        message = files[MANIFEST if renewal else CHECKPOINT]
        chain = read_chain(files[CHAIN])
        lists = {name: read_list(content) for name, content in files.items() if name.endswith(".crl")}
        own = [each for name, each in lists.items() if not name.startswith(OLD)]
        roots = chain[-1:] if self._roots is None else self._roots
        stamp = timestamp.verify(files[REPLY], message, roots, pool=chain, lists=own)
        if renewal:
            old = tuple(each for name, each in lists.items() if name.startswith(OLD))
            return Kept(path, stamp, digests, lines=self._manifest(path, message), lists=old, index=index)
        return Kept(path, stamp, digests, head=self._head(path, message), index=index)

    def _head(self, path: str, signed: bytes) -> Checkpoint:
        head = self._log.opens(signed)
        if path.split("/")[1] != str(head.size):
            raise _fault(path, f"检查点有 {head.size} 条，与目录名不符", f"its checkpoint has {head.size} entries")
        if head.size > self._log.size or self._log.root(head.size) != head.root:
            raise _fault(
                path,
                f"它盖的检查点（{head.size} 条）不是这条存证链的一段：历史被改写、截短或分叉",
                f"the stamped checkpoint of {head.size} entries is no beginning of this log: history was rewritten",
            )
        return head

    def _manifest(self, path: str, content: bytes) -> dict[str, str]:
        lines = read_manifest(content)
        for name, digest in lines.items():
            if name not in self._names:
                raise _fault(name, f"文件缺失（见 {path}）", f"the file is missing ({path} names it)")
            if digest_of(self._read(name), digest) != digest:
                raise _fault(name, f"与 {path} 所盖时间戳的内容不符", f"it is not what {path} stamps")
        return lines


def stamps(archive: Archive, records: Iterable[Record], now: datetime) -> Examined:
    """All timestamps of a folder, verified. Raises the StampFault that names the first wrong thing."""
    examined = archive.examine(records, now)
    if examined.wrong:
        raise examined.wrong[0]
    return examined


def short_name(url: str) -> str:
    """Host, port and path of an address as one word: `tsa.example.org`, `127.0.0.1-8318`, `tsa.example.org-rfc3161`."""
    parts = urlsplit(url)
    host = f"{parts.hostname or ''}{f'-{parts.port}' if parts.port else ''}"
    return re.sub(r"[^a-z0-9.]+", "-", f"{host}{parts.path}".lower()).strip("-.")[:80]


def read_chain(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file. Raises IntegrityError."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise IntegrityError("证书文件无法读取。", f"the certificates can't be read: {error}") from error


def read_list(content: bytes) -> x509.CertificateRevocationList:
    """A list of revoked certificates in DER. Raises IntegrityError."""
    try:
        return x509.load_der_x509_crl(content)
    except (ValueError, x509.InvalidVersion) as error:
        raise IntegrityError(
            "吊销列表无法读取。", f"the list of revoked certificates can't be read: {error}"
        ) from error


def _compare(path: str, digests: Mapping[str, str], said: Mapping[str, str]) -> None:
    for name in sorted({*digests, *said}):
        if name not in digests:
            raise _fault(f"{path}/{name}", "存证链记有此文件，现已缺失", "the log names this file, and it is missing")
        if name not in said:
            raise _fault(f"{path}/{name}", "存证链未记此文件", "the log does not name this file")
        if digests[name] != said[name]:
            raise _fault(f"{path}/{name}", "内容与存证链所记不符", "its content is not what the log says")


def _revoked_since(kept: Sequence[Kept]) -> Iterable[StampFault]:
    """Stamps of which a list that came with a renewal says that their certificates were revoked."""
    for renewal in kept:
        for old in kept if renewal.lists else ():
            names = {each.subject for each in old.stamp.path}
            lists = [each for each in renewal.lists if each.issuer in names]
            try:
                if renewal.span.renews(old.span):
                    tsa_chain.check_revoked(old.stamp.path, lists, old.stamp.time)
            except IntegrityError as error:
                yield _fault(old.path, error.zh.rstrip("。"), error.en)


def _expired(path: str, end: datetime) -> StampFault:
    return _fault(
        path,
        f"时间戳证书已于 {end:%Y-%m-%d} 到期，到期前未续期",
        f"its certificates expired on {end:%Y-%m-%d} and it was not renewed before",
    )


def _fault(path: str, zh: str, en: str) -> StampFault:
    return StampFault(f"{path}：{zh}。", f"{path}: {en}", path)
