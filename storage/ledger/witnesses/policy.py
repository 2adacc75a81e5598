"""Who must have signed a checkpoint before it is believed: a tlog-policy file, and what it says of a checkpoint. Pure.

The file names logs and witnesses by their public keys, groups of witnesses, and the quorum. Names are opaque bytes;
they are kept as text whose undecodable bytes are surrogates, which is one to one. Source: c2sp.org/tlog-policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn, TypeVar

from storage.errors import IntegrityError, Refused
from storage.ledger import checkpoint, entry, merkle, note, proof
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.entry import Entry
from storage.ledger.witnesses import cosignature

NONE = "none"
MAX_POLICY = 1_000_000  # bytes
MAX_EACH = 256  # logs, witnesses and groups; the specification asks for at least 32
_Key = TypeVar("_Key", bound=note.Verifier)
_SPACE = re.compile(r"[ \t]+")
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")


class PolicyError(Refused):
    """What is wrong with a policy file. `line` counts from 1; None when it is about the whole file."""

    def __init__(self, zh: str, en: str, line: int | None = None) -> None:
        where = ("", "") if line is None else (f"第 {line} 行", f"line {line}: ")
        super().__init__(f"见证策略文件{where[0]}有误：{zh}。", f"the witness policy is not valid: {where[1]}{en}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is accepted. Its key's name is its origin."""

    key: note.Verifier
    url: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by the name it has in the file. `url`: its submission prefix, empty when not given."""

    name: str
    key: cosignature.Verifier
    url: str = ""

    @property
    def shown(self) -> str:
        """The name as it may be shown: bytes that are no UTF-8 are written as their codes."""
        return printable(self.name)


@dataclass(frozen=True, slots=True)
class Group:
    """It has witnessed what at least `threshold` of its members, witnesses or earlier groups, have witnessed."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The file as read. Groups stand in the order of the file, so each knows its members."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def is_met(self, names: Collection[str]) -> bool:
        """Whether the cosignatures of the witnesses `names` are a quorum."""
        seen = {NONE, *names}
        for group in self.groups:
            if sum(member in seen for member in group.members) >= group.threshold:
                seen.add(group.name)
        return self.quorum in seen


@dataclass(frozen=True, slots=True)
class Seen:
    """A valid cosignature: whose, and when it says it was made (None: it doesn't say)."""

    witness: Witness
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint that a policy accepts, the log's key, and each known witness that signed it."""

    checkpoint: Checkpoint
    log: note.Verifier
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class WitnessedReceipt:
    """What a receipt proves under a policy: `entry` (exact bytes `body`) is at `index` of a witnessed log."""

    entry: Entry
    body: bytes
    index: int
    witnessed: Witnessed


def parse(content: bytes) -> Policy:
    """Read a policy file strictly. Raises PolicyError that names the line."""
    if len(content) > MAX_POLICY:
        raise PolicyError("文件过大", "it is too large")
    if found := _FORBIDDEN.search(content):
        _refuse(content.count(b"\n", 0, found.start()) + 1, "含有控制字符", "it holds a control character")
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    if lines.pop():
        _refuse(len(lines) + 1, "缺少行末换行", "the line doesn't end in a newline")
    reading = _Reading()
    for number, line in enumerate(lines, start=1):
        items = _SPACE.split(line.strip(" \t"))
        if items[0] and not items[0].startswith("#"):
            reading.line(number, items[0], items[1:])
    return reading.policy()


def verify(signed: bytes, policy: Policy, logs: Collection[note.Verifier] = ()) -> Witnessed:
    """The checkpoint, if a log of the policy (or of `logs`) signed it and the quorum's witnesses cosigned it.

    Lines of unknown keys are ignored. Raises IntegrityError: a line of a known key is wrong, no log that is accepted
    signed it under its own origin, the quorum is not met.
    """
    parsed = note.parse(signed)
    head = checkpoint.parse(parsed.text)
    accepted = [key for key in (*(each.key for each in policy.logs), *logs) if key.name == head.origin]
    if not accepted:
        zh, en = f"策略不接受存证链 {head.origin}", f"the policy accepts no log of the name {head.origin}"
        raise IntegrityError(f"检查点无效：{zh}。", f"the checkpoint is not valid: {en}")
    note.verify(signed, accepted)
    log = next(key for key in accepted if any(_is_by(line, key) for line in parsed.signatures))
    seen = cosigned(parsed, policy.witnesses)
    if not policy.is_met([each.witness.name for each in seen]):
        _unmet(policy, seen)
    return Witnessed(head, log, seen)


def cosigned(parsed: note.Note, witnesses: Collection[Witness]) -> tuple[Seen, ...]:
    """The valid cosignatures in a note, one for each of these witnesses. Raises IntegrityError when one is wrong."""
    seen: dict[str, Seen] = {}
    for line in parsed.signatures:
        for witness in witnesses:
            if not _is_by(line, witness.key):
                continue
            if not witness.key.accepts(parsed.text, line.value):
                raise IntegrityError(
                    f"见证人 {witness.shown}（{line.name}）的签名无效。",
                    f"the cosignature by {witness.shown} ({line.name}) is not valid",
                )
            seen.setdefault(witness.name, Seen(witness, cosignature.moment(line.value)))
    return tuple(seen.values())


def verify_proof(content: bytes, policy: Policy, leaf: bytes, logs: Collection[note.Verifier] = ()) -> Witnessed:
    """Check a tlog-proof of the entry with the hash `leaf`, by the steps of c2sp.org/tlog-proof.

    1 `leaf` comes from the caller, 2 a log of the policy (or of `logs`) signed the checkpoint, 3 so did the quorum, 4
    the leaf is in its tree. Raises IntegrityError that names the first thing wrong.
    """
    read = proof.parse(content)
    witnessed = verify(read.checkpoint, policy, logs)
    head = witnessed.checkpoint
    merkle.verify_inclusion(read.index, head.size, leaf, read.hashes, head.root)
    return witnessed


def verify_receipt(receipt: bytes, policy: Policy, logs: Collection[note.Verifier] = ()) -> WitnessedReceipt:
    """`verify_proof` for our receipts, which hold their entry. Raises IntegrityError."""
    read = proof.parse(receipt)
    if read.extra is None:
        raise IntegrityError("入库回执无效：回执中没有条目。", "the receipt is not valid: it does not hold the entry")
    witnessed = verify_proof(receipt, policy, merkle.leaf_hash(read.extra), logs)
    return WitnessedReceipt(entry.parse(read.extra), read.extra, read.index, witnessed)


def printable(name: str) -> str:
    """A name as it may be shown: bytes that are no UTF-8 are written as their codes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_by(line: note.Signature, key: note.Verifier) -> bool:
    return (line.name, line.key_id) == (key.name, key.key_id)


def _unmet(policy: Policy, seen: Collection[Seen]) -> NoReturn:
    names = ", ".join(each.witness.shown for each in seen)
    quorum = printable(policy.quorum)
    raise IntegrityError(
        f"检查点的见证不足：有效见证人为 {names or '无'}，未达到策略要求的 {quorum}。",
        f"the checkpoint is not witnessed by a quorum: it has {names or 'no witness'}, the policy wants {quorum}",
    )


@dataclass(slots=True)
class _Reading:
    """What the lines so far have defined."""

    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    _names: set[str] = field(default_factory=lambda: {NONE})
    _members: set[str] = field(default_factory=set)

    def line(self, number: int, keyword: str, items: list[str]) -> None:
        readers = {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum}
        if keyword not in readers:
            _refuse(number, f"不认识的关键字 {printable(keyword)}", f"{printable(keyword)} is no keyword")
        readers[keyword](number, items)

    def policy(self) -> Policy:
        if self.quorum is None:
            raise PolicyError("缺少 quorum 行", "it has no quorum line")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _log(self, number: int, items: list[str]) -> None:
        if len(items) not in (1, 2):
            _refuse(number, "应为 log <公钥> [<网址>]", "it should read: log <vkey> [<url>]")
        key = _read_key(number, items[0], log_key)
        _check_new(number, key, [each.key for each in self.logs])
        self.logs.append(Log(key, "".join(items[1:])))

    def _witness(self, number: int, items: list[str]) -> None:
        if len(items) not in (2, 3):
            _refuse(number, "应为 witness <名称> <公钥> [<网址>]", "it should read: witness <name> <vkey> [<url>]")
        self._define(number, items[0])
        key = _read_key(number, items[1], cosignature.parse_vkey)
        _check_new(number, key, [each.key for each in self.witnesses])
        self.witnesses.append(Witness(items[0], key, "".join(items[2:])))

    def _group(self, number: int, items: list[str]) -> None:
        if len(items) < 3:
            _refuse(
                number, "应为 group <名称> all|any|<k> <成员>…", "it should read: group <name> all|any|<k> <name>..."
            )
        name, rule, *members = items
        for member in members:
            self._use(number, member)
        self._define(number, name)
        self.groups.append(Group(name, _threshold(number, rule, len(members)), tuple(members)))
        if len(self.groups) > MAX_EACH:
            _refuse(number, f"组超过 {MAX_EACH} 个", f"there are more than {MAX_EACH} groups")

    def _quorum(self, number: int, items: list[str]) -> None:
        if len(items) != 1:
            _refuse(number, "应为 quorum <名称>", "it should read: quorum <name>")
        if self.quorum is not None:
            _refuse(number, "quorum 行只能有一行", "there is a second quorum line")
        self._known(number, items[0])
        self.quorum = items[0]

    def _define(self, number: int, name: str) -> None:
        if name in self._names:
            _refuse(number, f"名称 {printable(name)} 已被使用", f"the name {printable(name)} is taken")
        self._names.add(name)

    def _use(self, number: int, member: str) -> None:
        """Each witness counts in one way only: a name is a member of one group, once."""
        shown = printable(member)
        if member == NONE:
            _refuse(number, "none 不能作为组成员", "none can't be a member")
        self._known(number, member)
        if member in self._members:
            _refuse(number, f"{shown} 已是某组成员", f"{shown} is a member of a group already")
        self._members.add(member)

    def _known(self, number: int, name: str) -> None:
        if name not in self._names:
            _refuse(
                number, f"名称 {printable(name)} 未在前面定义", f"{printable(name)} is not defined on a line before"
            )


def log_key(vkey: str) -> note.Verifier:
    """A log's key: Ed25519 (type 0x01), or ML-DSA-44 (0x06) as logs sign with it. Raises IntegrityError."""
    _, material = note.split_vkey(vkey)
    return cosignature.parse_vkey(vkey) if material[:1] == cosignature.ML_DSA_44 else note.parse_vkey(vkey)


def _read_key(number: int, vkey: str, read: Callable[[str], _Key]) -> _Key:
    try:
        return read(vkey.encode("utf-8", "surrogateescape").decode())
    except UnicodeDecodeError:
        _refuse(number, "公钥名称不是 UTF-8", "the key's name is not UTF-8")
    except IntegrityError as error:
        _refuse(number, error.zh.rstrip("。"), error.en)


def _check_new(number: int, key: note.Verifier, known: Collection[note.Verifier]) -> None:
    """Two keys are duplicates when the public keys in them are the same, whatever their names and types."""
    if len(known) >= MAX_EACH:
        _refuse(number, f"超过 {MAX_EACH} 个", f"there are more than {MAX_EACH}")
    if _public(key) in {_public(each) for each in known}:
        _refuse(number, "此公钥已在前面出现", "this public key stands on a line before")


def _public(key: note.Verifier) -> bytes:
    """The public key without name and type."""
    _, material = note.split_vkey(str(key))
    return material[1:]


def _threshold(number: int, rule: str, members: int) -> int:
    if rule in ("any", "all"):
        return 1 if rule == "any" else members
    if not re.fullmatch(r"[1-9][0-9]{0,3}", rule) or int(rule) > members:
        _refuse(number, f"门限应为 all、any 或 1 到 {members}", f"the threshold should be all, any, or 1 to {members}")
    return int(rule)


def _refuse(number: int, zh: str, en: str) -> NoReturn:
    raise PolicyError(zh, en, number)
