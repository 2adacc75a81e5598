"""A witness's folder, and its answers: for each log it follows, the last checkpoint that it cosigned.

    witness.json           its name
    keys/                  its signing keys
    trusted.json           the logs it follows, with their public keys; read anew for each request
    checkpoints/<HASH>     the last cosigned checkpoint of a log, HASH = SHA-256 of its origin in hex
    evidence/              signed checkpoints that contradict each other

A checkpoint is on the disk before its cosignature leaves. Comparing and replacing happen under a lock on a file beside
it, so that among threads and processes a log's size here never goes back.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import durable
from storage.clock import Clock, iso
from storage.errors import NotFound, Refused, Transient
from storage.ledger import checkpoint, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import cosignature, policy, witness_keys, witnessing

MAX_EVIDENCE = {"fork": 1000, "unproven": 100}  # cases kept; those that prove nothing anybody could pile up
_HASH = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowedLog:
    """A log that a witness follows: any of `vkeys` signs for `origin`."""

    origin: str
    vkeys: tuple[str, ...]


class WitnessDesk:
    """The witness in `folder`. Safe among threads and processes."""

    def __init__(self, folder: Path, name: str, signers: Sequence[cosignature.Signer], clock: Clock) -> None:
        self.name = name
        self._folder = folder
        self._signers = tuple(signers)
        self._clock = clock

    @property
    def vkeys(self) -> list[str]:
        """Its public keys, a line each."""
        return [str(signer.verifier) for signer in self._signers]

    def add_checkpoint(self, body: bytes) -> bytes:
        """The signature lines over the request's checkpoint, which has been kept by then. Raises Rejected.

        Transient when the disk failed; IntegrityError when the folder holds a checkpoint that this witness never made.
        """
        submission = witnessing.parse(body)
        keys = self._keys(submission.head.origin)
        witnessing.check_signed(submission, keys)
        file = self._file(submission.head.origin)
        with _locked(file):
            kept = _read(file)
            last, since = self._last(kept)
            try:
                witnessing.check_extends(submission, last)
            except witnessing.Rejected as rejected:
                if rejected.accuses:
                    self._accuse(rejected, kept, submission)
                raise
            lines, signed = witnessing.cosign(submission, keys, self._signers, since, self._clock)
            durable.write(file, signed)
        return lines

    def checkpoint(self, digest: str) -> bytes:
        """The last cosigned checkpoint of the log whose origin has this SHA-256 in hex. Raises NotFound."""
        kept = _read(self._folder / "checkpoints" / digest) if _HASH.fullmatch(digest) else None
        if kept is None:
            raise NotFound("没有此存证链的见证检查点。", "no checkpoint of this log was ever cosigned here")
        return kept

    def trust(self, vkey: str, origin: str | None = None) -> FollowedLog:
        """Follow the log with this key from now on, under `origin` or else the key's name. Raises IntegrityError."""
        key = policy.log_key(vkey)
        name = key.name if origin is None else origin
        if not name.strip() or "\n" in name:
            raise Refused("存证链名称不能为空或含换行。", "a log's origin is not empty and has no line break")
        with _locked(self._folder / "trusted.json"):
            logs = {log.origin: log for log in self.followed()}
            vkeys = logs[name].vkeys if name in logs else ()
            logs[name] = FollowedLog(name, (*vkeys, vkey) if vkey not in vkeys else vkeys)
            self._follow(logs.values())
        return logs[name]

    def distrust(self, vkey: str) -> None:
        """Believe this key no more, for any origin. What was cosigned stays. Raises NotFound when it is not trusted."""
        with _locked(self._folder / "trusted.json"):
            logs = self.followed()
            if not any(vkey in log.vkeys for log in logs):
                raise NotFound("此公钥不在信任之列。", "this key is not trusted here")
            self._follow([FollowedLog(log.origin, tuple(each for each in log.vkeys if each != vkey)) for log in logs])

    def followed(self) -> list[FollowedLog]:
        """The logs it follows."""
        content = _read(self._folder / "trusted.json")
        rows = json.loads(content)["logs"] if content else []
        return [FollowedLog(row["origin"], tuple(row["vkeys"])) for row in rows]

    def newest(self, origin: str) -> tuple[Checkpoint, int] | None:
        """A log's last cosigned checkpoint and the time of the cosignature, seconds since 1970; None before the first.

        Raises IntegrityError when the kept file is not this witness's.
        """
        last, since = self._last(_read(self._file(origin)))
        return None if last is None else (last, since)

    def accusations(self) -> list[Path]:
        """The folders with evidence."""
        folder = self._folder / "evidence"
        return sorted(each.parent for each in folder.glob("*/README.txt"))

    def _follow(self, logs: Iterable[FollowedLog]) -> None:
        rows = [{"origin": log.origin, "vkeys": list(log.vkeys)} for log in logs]
        content = json.dumps({"logs": rows}, ensure_ascii=False, indent=1)
        durable.write(self._folder / "trusted.json", content.encode())

    def _keys(self, origin: str) -> list[note.Verifier]:
        return [policy.log_key(vkey) for log in self.followed() if log.origin == origin for vkey in log.vkeys]

    def _file(self, origin: str) -> Path:
        return self._folder / "checkpoints" / hashlib.sha256(origin.encode()).hexdigest()

    def _last(self, kept: bytes | None) -> tuple[Checkpoint | None, int]:
        if kept is None:
            return None, 0
        since = witnessing.last_time(kept, self._signers)
        return checkpoint.parse(note.parse(kept).text), since

    def _accuse(self, rejected: witnessing.Rejected, kept: bytes | None, submission: witnessing.Submission) -> None:
        """Keep both sides of a contradiction, once. The explanation comes last: with it the folder is complete."""
        kind = "fork" if rejected.proven else "unproven"
        before = (kept or b"").partition(b"\n\n")[0]
        both = hashlib.sha256(before + b"\0" + submission.note.text.encode()).hexdigest()
        folder = self._folder / "evidence" / f"{kind}-{both[:16]}"
        _log.error("log %s: %s; kept in %s", submission.head.origin, rejected.en, folder)
        full = len(list(folder.parent.glob(f"{kind}-*"))) >= MAX_EVIDENCE[kind]
        if full or (folder / "README.txt").exists():
            return
        files = {"cosigned": kept, "submitted": submission.request.checkpoint, "request": submission.request.encode()}
        files["README.txt"] = _explanation(rejected, submission, iso(self._clock())).encode()
        try:
            for name, content in files.items():
                if content is not None:
                    durable.write(folder / name, content)
        except Transient as error:  # the refusal itself must go out all the same
            _log.error("the evidence could not be kept: %s", error)


def init(folder: Path, name: str, kinds: Sequence[str], passphrase: bytes, clock: Clock) -> WitnessDesk:
    """Make a witness with new keys. Raises Refused when the folder has one already."""
    if (folder / "witness.json").exists():
        raise Refused(f"{folder} 中已有见证人。", f"there is a witness in {folder} already")
    signers = []
    for kind in kinds:
        file = _key_file(folder, kind)
        if not file.exists():  # else an earlier attempt was cut off right behind it
            witness_keys.make(file, name, kind, passphrase, clock)
        signers.append(witness_keys.load(file, name, passphrase, clock))
    content = json.dumps({"name": name}, ensure_ascii=False)
    durable.write(folder / "witness.json", content.encode())
    return WitnessDesk(folder, name, signers, clock)


def load(folder: Path, passphrase: bytes, clock: Clock) -> WitnessDesk:
    """Open the witness in `folder`. Raises NotFound when there is none, Refused when its keys can't be opened."""
    content = _read(folder / "witness.json")
    if content is None:
        raise NotFound(
            f"{folder} 中没有见证人；先运行 liuhen witness init。",
            f"{folder} holds no witness: run liuhen witness init",
        )
    name = json.loads(content)["name"]
    files = [_key_file(folder, kind) for kind in witness_keys.KINDS]
    signers = [witness_keys.load(file, name, passphrase, clock) for file in files if file.exists()]
    if not signers:
        raise Refused(f"{folder} 中没有签名密钥。", f"there is no signing key in {folder}")
    return WitnessDesk(folder, name, signers, clock)


def _key_file(folder: Path, kind: str) -> Path:
    return folder / "keys" / f"{kind}.pem"


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    durable.make_directory(file.parent)
    with file.with_name(f".{file.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


_PROVEN = """\
cosigned 与 submitted 是同一存证链密钥签名、同一大小、根哈希不同的两个检查点：签名者给不同的人看不同的历史。
请勿删除本目录；复制两个文件，通知依赖此存证链的法院与审计机关，停止采信其新回执。

cosigned and submitted are two checkpoints of one size with different root hashes, both signed by the log's key: its
holder shows different histories. Don't delete this folder; give copies of both files to the courts and auditors that
rely on the log, and believe no new receipt of it.
"""
_UNPROVEN = """\
submitted 有存证链密钥的有效签名，但所附证明（见 request）不能把它与 cosigned 连起来。可能只是请求有误；
若此链此后再也给不出从 cosigned 起的有效证明，则已分叉。请向运行单位索取从 cosigned 到 submitted 的一致性证明。

submitted is validly signed by the log's key, but the proof sent along (in the file request) doesn't connect it with
cosigned. The request alone may be wrong; if the log can never prove the way from cosigned, it has forked. Ask its
operator for the consistency proof from cosigned to submitted.
"""


def _explanation(rejected: witnessing.Rejected, submission: witnessing.Submission, time: str) -> str:
    verdict = _PROVEN if rejected.proven else _UNPROVEN
    return f"{submission.head.origin}\n{time}\n{rejected.zh}\n{rejected.en}\n\n{verdict}"
