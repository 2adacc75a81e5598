"""A copy of the whole log up to one checkpoint: a folder or a .tar that strangers can check with any C2SP tool.

The copy is whole by itself while the service goes on writing: the files that its checkpoint needs (full tiles, and the
partial ones on the right edge), the keys' rotations, the witnesses' checkpoint, the timestamps, the public key and a
README. It is audited before it gets its name, so what is there under that name is a log that holds.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from storage import durable
from storage.errors import Refused
from storage.ledger import rotation, tiles
from storage.ledger.auditing import heads
from storage.ledger.auditing.audit import Plan, audit_folder
from storage.ledger.auditing.verify import Audited, finish
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.folder import CHECKPOINT, LedgerFolder
from storage.ledger.time import stamp_folder, stamps
from storage.ledger.witnesses import witnessed

README, VKEY_FILE = "README.txt", "log.vkey"

Tell = Callable[[str, int, int], None]
"""Stage ("copy", "audit"), done, total."""


def copy_log(source: LedgerFolder, target: Path, vkey: str, tell: Tell = lambda *_: None) -> Audited:
    """Copy the log to `target`, a folder or a .tar file that is not there yet, and say what the copy's audit found.

    Raises Refused (there is something at `target`, or it can't be written), IntegrityError when the log or its copy
    does not hold: then `target` is not made.
    """
    if target.exists():
        raise Refused(f"{target} 已存在，不会覆盖。", f"{target} is there already and is never overwritten")
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _fill(source, unfinished, vkey, tell)
        steps = audit_folder(LedgerFolder(unfinished), vkey, Plan())
        audited = finish(steps, lambda progress: tell("audit", progress.done, progress.total))
        if target.suffix == ".tar":
            _pack(unfinished, target)
        else:
            _sync(unfinished)
            unfinished.rename(target)
        durable.sync_directory(target.parent)
    except OSError as error:
        raise Refused(f"无法写入 {target}：{error.strerror}。", f"{target} can't be written: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return audited


def _fill(source: LedgerFolder, target: Path, vkey: str, tell: Tell) -> None:
    now = heads.moment(source.read, vkey)
    files = list(tiles.written(0, now.head.size))
    for done, tile in enumerate(files, start=1):
        _put(target, tile.path, tiles.read_tile(tile, source.read))
        tell("copy", done, len(files))
    for path, content in _beside(source):
        _put(target, path, content)
    if now.rotations:
        _put(target, rotation.FILE, now.rotations)
    _put(target, CHECKPOINT, now.signed)
    _put(target, VKEY_FILE, f"{vkey}\n".encode())
    _put(target, README, _readme(now.head, vkey).encode())


def _beside(source: LedgerFolder) -> Iterator[tuple[str, bytes]]:
    """What others signed about the log."""
    if seen := witnessed.load(source.root):
        yield witnessed.WITNESSED, seen
    if (source.root / stamps.FOLDER).is_dir():
        for path in stamp_folder.names(source.root):
            yield path, source.read(path)


def _put(target: Path, path: str, content: bytes) -> None:
    file = target / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _sync(folder: Path) -> None:
    for directory, _, names in os.walk(folder):
        for name in names:
            with Path(directory, name).open("rb") as file:
                os.fsync(file.fileno())
        durable.sync_directory(Path(directory))


def _pack(folder: Path, target: Path) -> None:
    """The folder as one archive, the same bytes for the same log, read back and compared before it gets its name."""
    unfinished = target.with_name(f".{target.name}.part")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    try:
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
            for name in names:
                content = (folder / name).read_bytes()
                member = tarfile.TarInfo(f"{target.stem}/{name}")
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))
        _compare(unfinished, folder, names)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _compare(archive: Path, folder: Path, names: list[str]) -> None:
    with tarfile.open(archive) as packed:
        for name, member in zip(names, packed, strict=True):
            file = packed.extractfile(member)
            if file is None or file.read() != (folder / name).read_bytes():
                raise OSError(f"{name} reads back differently")


def _readme(head: Checkpoint, vkey: str) -> str:
    return f"""\
存证链副本 {head.origin}
============================================================
这是一条完整的存证链，截至第 {head.size} 条条目。格式公开（C2SP tlog-tiles、tlog-checkpoint、signed-note；RFC 6962），
说明见留痕项目文档 docs/ledger.md，任何人都可以另写程序核验，不必信任制作者。

文件：
  checkpoint       已签名的检查点（条数与根哈希）
  tile/            条目包（tile/entries/…）与哈希块（tile/0/… 起）
  log.vkey         公钥。请用独立取得的公钥（单位公告、采集站密钥文件）与之比对
  rotations        若有：密钥轮换的证明
  witnessed        若有：见证人会签的检查点
  timestamps/      若有：时间戳机构对检查点的时间戳

核验：
  liuhen log audit 本目录 --key 公钥
  手中若有以前的检查点或入库回执，再加 --since 该文件：可证明其后没有删改或分叉。
  退出码 0 相符，1 不符（指出第一处），2 无法核验。

Copy of the log {head.origin}
============================================================
This is a whole log, with the {head.size} entries it had then. Its formats are public (C2SP
tlog-tiles, tlog-checkpoint, signed-note; RFC 6962) and described in docs/ledger.md of Liuhen: anyone may write another
program to verify it, and need not trust whoever made this copy.

Files:
  checkpoint       the signed head: number of entries and root hash
  tile/            entry bundles (tile/entries/...) and hash tiles (tile/0/... and up)
  log.vkey         the public key; compare it with one from an independent source (the bureau's notice, a station's key)
  rotations        if there: the proof of each rotation of the key
  witnessed        if there: a checkpoint cosigned by witnesses
  timestamps/      if there: what timestamping authorities signed about checkpoints

To verify:
  liuhen log audit THIS-FOLDER --key PUBLIC-KEY
  With a checkpoint or receipt kept from earlier add --since FILE: it proves that nothing before it was changed,
  dropped or forked. Exit code 0: sound; 1: wrong, and the first wrong thing is named; 2: could not be verified.

{vkey}
"""
