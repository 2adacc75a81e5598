"""What an attacker with full rights on the server, or a bad operator at the camera, would try. Each must be named."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from api.demo import ledger_attacks
from api.demo.people import Json, wait_for
from api.demo.play import Play
from api.demo.stage import StageFailed


def flip_a_byte(play: Play) -> None:
    """One bit of a stored original. The verifier must name the blob and the byte range."""
    blob = max((play.service.data / "blobs" / "long_term").rglob("originals/??/*"), key=_size_of_blob)
    original = blob.read_bytes()
    changed = bytearray(original)
    changed[len(changed) // 2] ^= 1
    with _replaced(blob, bytes(changed)):
        _must_name(play, blob.name)


def edit_a_row(play: Play) -> None:
    """The verdict of a recording, rewritten in the database."""
    with _row(play, "verdict", "altered"):
        _must_name(play, play.recording)


def rewrite_an_entry(play: Play) -> None:
    """An entry of the ledger, rewritten in its bundle: same length, another officer."""
    bundle = max((play.service.data / "ledger" / "tile" / "entries").rglob("*"), key=_size_of_file)
    content = bundle.read_bytes()
    with _replaced(bundle, content.replace(b'"id":"liming"', b'"id":"lisinn"', 1)):
        _must_name(play, "entries")


def replay_a_card(play: Play) -> None:
    """The card wiped, a segment altered, the card docked again under the same names and dates."""
    card = play.work / "card-again"
    shutil.copytree(play.footage.card, card)
    victim = card / play.footage.segments[1].relative_to(play.footage.card)
    moments = victim.stat()
    shutil.copyfile(play.footage.cut_closed, victim)
    os.utime(victim, ns=(moments.st_atime_ns, moments.st_mtime_ns))
    play.dock(card)
    code = "REC-TRUE/DOCK-CHANGED"
    finding = wait_for(code, lambda: _docking_finding(play, code))
    play.stages.quote(finding)
    play.stages.good(f"已识破：{code}", f"detected: {code}")
    located = wait_for("deep", lambda: _located(play))
    play.stages.quote("\n".join(each["en"] if play.stages.english else each["zh"] for each in located))
    play.stages.good(
        "后台深度检测（解码画面）指出了剪切处", "the deep check in the background (decoding) says where it was cut"
    )


ATTACKS: tuple[tuple[str, str, Callable[[Play], None]], ...] = (
    ("攻击一：改动已存原件的一位", "Attack 1: one bit of a stored original flipped", flip_a_byte),
    ("攻击二：直接修改数据库", "Attack 2: a database row edited", edit_a_row),
    ("攻击三：改写存证链中的一条记录", "Attack 3: a ledger entry rewritten", rewrite_an_entry),
    ("攻击四：从存证链中抽去一条记录", "Attack 4: an entry dropped from the ledger", ledger_attacks.drop_an_entry),
    ("攻击五：截短存证链", "Attack 5: the ledger cut short", ledger_attacks.truncate_the_log),
    (
        "攻击六：恢复旧备份后另写历史",
        "Attack 6: another history after a restored backup",
        ledger_attacks.restore_a_backup,
    ),
    ("攻击七：更换签名密钥", "Attack 7: the signing key replaced", ledger_attacks.replace_the_key),
    ("攻击八：伪造入库回执", "Attack 8: a receipt forged", ledger_attacks.forge_a_receipt),
    ("攻击九：删除时间戳", "Attack 9: a timestamp removed", ledger_attacks.remove_a_timestamp),
    ("攻击十：清空后改动再次采集", "Attack 10: a wiped and altered card docked again", replay_a_card),
)


def _must_name(play: Play, name: str) -> None:
    """`liuhen verify` of the data directory must fail, and say what is wrong."""
    said = play.service.run("verify", play.service.data, expect=(1,))
    play.stages.quote(said)
    play.stages.check(name in said, f"已识破并指明：{name}", f"detected and named: {name}")


@contextmanager
def _replaced(file: Path, content: bytes) -> Iterator[None]:
    """`file` with other content, as root would do it; put back afterwards."""
    kept, mode = file.read_bytes(), file.stat().st_mode
    if content == kept:
        raise StageFailed(f"the attack changed nothing in {file.name}")
    _overwrite(file, content, mode)
    try:
        yield
    finally:
        _overwrite(file, kept, mode)


def _overwrite(file: Path, content: bytes, mode: int) -> None:
    """Into a new file under the same name: a hard link elsewhere keeps the old bytes, as another disk would."""
    changed = file.with_name(f".{file.name}.attack")
    changed.write_bytes(content)
    changed.chmod(mode)
    changed.replace(file)


@contextmanager
def _row(play: Play, column: str, value: str) -> Iterator[None]:
    with sqlite3.connect(play.service.data / "liuhen.db", timeout=30) as database:
        (kept,) = database.execute(f"SELECT {column} FROM recordings WHERE id = ?", (play.recording,)).fetchone()  # noqa: S608
    _set(play, column, value)
    try:
        yield
    finally:
        _set(play, column, kept)


def _set(play: Play, column: str, value: str) -> None:
    with sqlite3.connect(play.service.data / "liuhen.db", timeout=30) as database:
        database.execute(f"UPDATE recordings SET {column} = ? WHERE id = ?", (value, play.recording))  # noqa: S608


def _docking_finding(play: Play, code: str) -> str:
    report = play.officer.get(f"/recordings/{play.recording}")["report"]
    for finding in report["docking"]["findings"]:
        if finding["code"] == code:
            return str(finding["en" if play.stages.english else "zh"])
    return ""


def _located(play: Play) -> list[Json]:
    """What the second look, which decodes, found of the altered segment; it comes as an analysis of its own."""
    report = play.officer.get(f"/recordings/{play.recording}")["report"]
    if not report["deep"]:
        return []
    codes = ("REC-CONTINUOUS/CLOCK-JUMP", "REC-CONTINUOUS/SCENE-CUT")
    return [each for file in report["files"] for each in file["findings"] if each["code"] in codes]


def _size_of_blob(path: Path) -> int:
    return path.stat().st_size if path.is_file() and len(path.name) == 64 else -1


def _size_of_file(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
