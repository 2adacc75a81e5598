"""`liuhen verify`: a data directory, a recording, a receipt or an export, offline. Exit 0 sound, 1 wrong, 2 error."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands import chunkproof, verify_text
from api.commands.bar import Tell, bar
from api.commands.log_place import kept_checkpoint, own_key, read_key
from api.commands.timestamps import Roots, anchors

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.verify import DataCheck
    from storage.ledger.logkeys import LogKeys


Rotations = Annotated[
    Path | None,
    typer.Option(help="密钥轮换文件，用于核验换钥后的回执 · the ledger's file rotations, for receipts of later keys"),
]
_SUBJECT = re.compile(r"(?:recording|case|station|request|device|user|ledger):\S+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out. `wrong`: pairs (zh, en), empty when all is sound; `said`: what was found, for people."""

    kind: str
    wrong: list[tuple[str, str]]
    said: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options. `key`: verifier key or fingerprint."""

    settings: Settings
    key: str | None
    everything: bool
    tell: Tell
    policy: Path | None = None
    since: Path | None = None
    state: Path | None = None
    roots: list[Path] | None = None
    rotations: Path | None = None


def verify(
    target: Annotated[
        str,
        typer.Argument(
            metavar="PATH|ID",
            help="数据目录、存证链目录、回执、一致性证明、导出光盘（映像或目录）、音像记录编号，"
            "或保管链（如 case:编号） · data directory, log folder, receipt, consistency proof, "
            'export (image or folder), a recording\'s identifier, or a custody chain such as "case:ID", "ledger:keys"',
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="与回执对照的文件，或一致性证明所用的旧检查点 · "
            "the file that a receipt is about, or the older checkpoint of a consistency proof",
            metavar="[FILE]",
        ),
    ] = None,
    *,
    key: Annotated[
        str | None,
        typer.Option(help="独立取得的公钥（一行文字或文件）· public key from an independent source (line or file)"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="见证策略文件，用于核验回执 · tlog-policy file: whose cosignatures a receipt must have"),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="以前保存的检查点或回执，其前不得有变 · a checkpoint or receipt kept from earlier"),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="进度文件：中断后从此继续 · where an interrupted run goes on (a file)")
    ] = None,
    roots: Roots = None,
    rotations: Rotations = None,
    everything: Annotated[bool, typer.Option("--all", help="列出全部不符 · list everything that is wrong")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print one JSON object")] = False,
) -> None:
    """离线核验，指出第一处不符 · Verify offline and name the first thing that is wrong.

    退出码 · exit code: 0 相符 sound, 1 不符 wrong, 2 出错 error.
    """
    from pipeline.bootstrap import read_settings
    from storage.errors import Refused

    path = Path(target)
    if policy is not None and not _is_receipt(path):
        raise Refused("--policy 只用于核验回执。", "--policy is for receipts only")
    settings = read_settings(data=path if _is_data(path) else data)
    with bar("核验 verifying", show=not as_json) as tell:
        asked = Asked(settings, read_key(key), everything, tell, policy, since, state, roots, rotations)
        try:
            outcome = _dispatch(path, target, file, asked)
        except OSError as error:
            raise Refused(f"无法读取：{error}", f"can't be read: {error}") from error
    _print(outcome, as_json)
    raise typer.Exit(1 if outcome.wrong else 0)


def _dispatch(path: Path, target: str, file: Path | None, asked: Asked) -> Outcome:
    from storage.errors import NotFound

    if path.is_dir():
        return _directory(path, asked)
    if path.is_file():
        return _file(path, file, asked)
    if len(target) == 26 and target.isalnum():
        return _data(asked, f"recording:{target.lower()}")
    if _SUBJECT.fullmatch(target):
        return _data(asked, target)
    raise NotFound(f"找不到 {target}。", f"there is no {target}")


def _directory(path: Path, asked: Asked) -> Outcome:
    from api.commands import verify_log
    from storage.errors import Refused

    if (path / "bagit.txt").exists():
        return _export(path, asked)
    if _is_data(path):
        return _data(asked, None)
    if verify_log.is_log(path):
        return verify_log.folder(path, asked)
    raise Refused(
        f"{path} 既不是数据目录、存证链目录，也不是导出光盘。",
        f"{path} is neither a data directory nor a log's folder nor an exported disc",
    )


def _file(path: Path, file: Path | None, asked: Asked) -> Outcome:
    from api.commands import verify_log
    from pipeline.export.image import is_image
    from storage.errors import Refused

    if _is_receipt(path):
        return _receipt(path, file, asked)
    if verify_log.is_consistency(path):
        return verify_log.consistency(path, file, asked)
    if chunkproof.is_proof(path):
        return chunkproof.outcome(path, file, asked)
    if is_image(path):
        return _image(path, asked)
    raise Refused(
        f"{path} 既不是回执、一致性证明，也不是光盘映像。",
        f"{path} is neither a receipt nor a consistency proof nor a disc image",
    )


def _is_data(path: Path) -> bool:
    return (path / "ledger" / "checkpoint").exists() or (path / "liuhen.db").exists()


def _is_receipt(path: Path) -> bool:
    from storage.ledger.proof import HEADER

    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(len(HEADER)) == HEADER.encode()


def _pinned(asked: Asked) -> tuple[str, list[tuple[str, str]]]:
    """The key to believe in, and a word of warning when nobody gave one."""
    from storage.errors import Refused

    if asked.key:
        return asked.key, []
    own = own_key(asked.settings)
    if own is None:
        raise Refused(
            "请用 --key 给出存证链公钥（采集站密钥文件或单位公告中有）。",
            "give the ledger's public key with --key (it is in a station's key file and in the bureau's notice)",
        )
    zh = "提示：公钥取自数据目录本身；请用 --key 给出独立取得的公钥，以防整个目录被替换。"
    en = "note: the key is the data directory's own; give one from elsewhere with --key to rule out a swapped directory"
    return own, [(zh, en)]


def _data(asked: Asked, subject: str | None) -> Outcome:
    vkey, said = _pinned(asked)
    with _open_data(asked, vkey) as check:
        wrongs = check.wrongs(subject)
        wrong = [(each.zh, each.en) for each in (wrongs if asked.everything else islice(wrongs, 1))]
        wrongs.close()
    kind = "data" if subject is None else "recording" if subject.startswith("recording:") else "chain"
    said += verify_text.counted(check, sound=not wrong)
    return Outcome(kind, wrong, said, {"key": vkey, **verify_text.facts(check)})


@contextlib.contextmanager
def _open_data(asked: Asked, vkey: str) -> Iterator[DataCheck]:
    """Everything opened for looking; no schema is changed and nothing is published."""
    from pipeline.bootstrap import open_tiers
    from pipeline.verify import DataCheck, DataPlace
    from storage.catalogue.catalogue import Catalogue
    from storage.errors import NotFound

    settings = asked.settings
    if not settings.database_url and not (settings.data / "liuhen.db").exists():
        raise NotFound(f"{settings.data} 中没有数据库。", f"there is no database in {settings.data}")
    guard = settings.keys / "last-checkpoint"
    catalogue = Catalogue(settings.database)
    try:
        since = guard.read_bytes() if guard.exists() else None
        kept = kept_checkpoint(asked.since) if asked.since else None
        trusted = anchors(asked.roots, settings)
        place = DataPlace(catalogue, open_tiers(settings), settings.ledger, vkey, since, kept, asked.state, trusted)
        yield DataCheck(place, asked.tell)
    finally:
        catalogue.close()


def _receipt(path: Path, file: Path | None, asked: Asked) -> Outcome:
    from storage.clock import iso
    from storage.errors import IntegrityError
    from storage.ledger.proof import verify_receipt

    if asked.policy is not None:
        from api.commands.verify_policy import receipt as witnessed

        return witnessed(path, asked.policy, asked.key, lambda payload: _compare(file, payload, asked) if file else [])
    vkey, said = _pinned(asked)
    try:
        receipt = verify_receipt(path.read_bytes(), known_keys(vkey, asked))
    except IntegrityError as error:
        return Outcome("receipt", [(error.zh, error.en)], said, {"key": vkey})
    event, payload = receipt.entry.event, receipt.entry.event.payload
    origin, where = receipt.checkpoint.origin, f"{event.event}, {event.subject}, {iso(event.time)}"
    said.append((f"存证链 {origin} 第 {receipt.index} 条：{where}", f"entry {receipt.index} of {origin}: {where}"))
    if "sha256" in payload:
        said.append((f"SHA-256 {payload['sha256']}", f"{payload.get('name', '')} ({payload.get('size', '?')} bytes)"))
    wrong = _compare(file, payload, asked) if file else []
    facts = {"key": vkey, "index": receipt.index, "event": event.event, "subject": event.subject, "payload": payload}
    return Outcome("receipt", wrong, said, facts)


def known_keys(vkey: str, asked: Asked) -> LogKeys:
    """The log's keys over time, from the pinned one and the rotations given, or those of the data directory."""
    from storage.errors import IntegrityError
    from storage.ledger import logkeys, rotation
    from storage.ledger.folder import LedgerFolder

    if asked.rotations is not None:
        return rotation.learn(vkey, asked.rotations.read_bytes())
    with contextlib.suppress(IntegrityError):  # of another log than the receipt's, perhaps
        return rotation.learn(vkey, LedgerFolder(asked.settings.ledger).rotations())
    return logkeys.only(vkey)


def _compare(file: Path, payload: Any, asked: Asked) -> list[tuple[str, str]]:
    """The file in hand against what was received: SHA-256, size, chunk root, and SM3 where the entry has it."""
    import hashlib

    from storage.ledger.merkle import CHUNK_SIZE, ChunkHasher

    whole, chunks, size, total = hashlib.sha256(), ChunkHasher(), 0, file.stat().st_size
    sm3 = hashlib.new("sm3") if "sm3" in payload else None
    with file.open("rb") as handle:
        while piece := handle.read(CHUNK_SIZE):
            whole.update(piece)
            chunks.update(piece)
            if sm3 is not None:
                sm3.update(piece)
            size += len(piece)
            asked.tell(file.name, size, total)
    found: dict[str, Any] = {"sha256": whole.hexdigest(), "size": size, "root": chunks.finish().hex()}
    if sm3 is not None:
        found["sm3"] = sm3.hexdigest()
    for name, value in found.items():
        if payload.get(name) != value:
            zh = f"{file} 不是回执所记的文件：{name} 为 {value}，回执记为 {payload.get(name)}。"
            en = f"{file} is not the file of the receipt: its {name} is {value}, the receipt says {payload.get(name)}"
            return [(zh, en)]
    return []


def _image(path: Path, asked: Asked) -> Outcome:
    from pipeline.export.image import extract_image

    with tempfile.TemporaryDirectory(prefix="liuhen-verify-") as folder:
        extract_image(path, Path(folder))
        return _export(Path(folder), asked)


def _export(folder: Path, asked: Asked) -> Outcome:
    """With our own copy of the verifier, then with the library; a program on a disc under test is not run."""
    from pipeline.export.recheck import recheck
    from pipeline.export.verifier.verify import Wrong
    from pipeline.export.verifier.verify import verify as verify_disc
    from storage.errors import IntegrityError

    said: list[tuple[str, str]] = []

    def tell(name: str, done: float) -> None:
        asked.tell(name, round(done * 1000), 1000)

    try:
        digest = verify_disc(folder, asked.key, lambda zh, en: said.append((zh, en)), tell)
        recheck(folder)
    except Wrong as wrong:
        return Outcome("export", [(wrong.zh, wrong.en)], said)
    except IntegrityError as error:
        return Outcome("export", [(error.zh, str(error))], said)
    return Outcome("export", [], said, {"bag_sha256": digest})


def _print(outcome: Outcome, as_json: bool) -> None:
    sound = not outcome.wrong
    if as_json:
        wrong = [{"zh": zh, "en": en} for zh, en in outcome.wrong]
        answer = {"kind": outcome.kind, "sound": sound, "wrong": wrong, **outcome.facts}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for zh, en in outcome.said:
        typer.echo(f"{zh}\n{en}")
    for zh, en in outcome.wrong:
        typer.echo(f"✗ 不符：{zh}\n  wrong: {en}")
    if sound:
        typer.echo("✓ 核验通过\n  sound: everything checked is as recorded")
