"""Attacks on the ledger by somebody with all rights on the server, at last with its signing key. Each must be named.

Whoever has the key can sign anything: what gives him away is what others keep, an auditor's checkpoint and a witness.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.demo.people import Person, wait_for
from api.demo.play import Play
from api.demo.service import Service, free_port, run
from storage.ledger import checkpoint, merkle, note, proof, tiles
from storage.ledger.folder import LedgerFolder


def drop_an_entry(play: Play) -> None:
    """The last entry taken out, with every hash above it made right again; only the signature can't be."""
    copy = _copy_of_log(play, "dropped")
    bodies = _entries(copy)
    for old in copy.root.glob("tile/**/*.p"):
        shutil.rmtree(old)
    kept = bodies[:-2] + bodies[-1:]
    grown = [
        *tiles.grow_bundles(0, kept, copy.read),
        *tiles.grow_tiles(0, list(map(merkle.leaf_hash, kept)), copy.read),
    ]
    copy.write_all((tile.path, content) for tile, content in grown)
    _must_say(play, ("log", "audit", copy.root, "--key", play.log), "tile/")


def truncate_the_log(play: Play) -> None:
    """The folder as it was at the last backup: its checkpoint is genuine. An auditor who kept a newer one sees it."""
    back_up(play)
    command = ("log", "audit", play.work / "backup" / "ledger", "--key", play.log)
    play.stages.check(run(*command).returncode == 0, "旧备份自身签名有效，单独看不出", "the backup by itself verifies")
    _must_say(play, (*command, "--since", play.kept), "cut short")


def restore_a_backup(play: Play) -> None:
    """The database alone restored: the service refuses. All of it restored, key and all: others notice the fork."""
    restored = play.work / "restored"
    shutil.copytree(play.service.data, restored, ignore=shutil.ignore_patterns("blobs", "spool", "liuhen.db*"))
    shutil.copy(play.work / "backup" / "liuhen.db", restored)
    refused = run("up", "--data", restored, "--port", free_port())
    begin = play.stages.words("错误：", "error: ")
    play.stages.quote("\n".join(line for line in refused.stderr.splitlines() if line.startswith(begin)))
    said = "old backup was restored" in refused.stderr
    play.stages.check(refused.returncode == 2 and said, "误恢复旧库：拒绝签发", "an old database restored: not signed")
    _fork(play)


def _fork(play: Play) -> None:
    forked = Service(play.work / "backup", play.work / "forked-watch", settings=play.service.settings)
    forked.watch.mkdir()
    forked.start()
    try:
        _grow(play.officer.at(forked.url), forked.data, _size(play.service.data) + 2)
        evidence = wait_for("evidence", play.outside.accusations)
    finally:
        forked.stop()
    play.stages.quote("\n".join(line for line in evidence.splitlines() if "✗" in line))
    play.stages.good("法院见证人拒绝并保存了证据", "the court's witness refused, and keeps the evidence")
    command = ("log", "audit", forked.data / "ledger", "--key", play.log, "--since", play.kept)
    _must_say(play, command, "forked")


def replace_the_key(play: Play) -> None:
    """The same tree under the same name, signed with the attacker's own key."""
    copy = _copy_of_log(play, "rekeyed")
    head = checkpoint.parse(note.parse(copy.read("checkpoint")).text)
    copy.write("checkpoint", checkpoint.sign(head, _own_key(head.origin)))
    _must_say(play, ("log", "audit", copy.root, "--key", play.log), "no trusted key")


def forge_a_receipt(play: Play) -> None:
    """A receipt with another file's digest in its entry; then one for a log of the attacker's own."""
    genuine = proof.parse(sorted((play.work / "station").rglob("*.tlog-proof"))[0].read_bytes())
    digest = json.loads(genuine.extra or b"")["payload"]["sha256"]
    body = (genuine.extra or b"").replace(digest.encode(), digest[::-1].encode())
    altered = proof.Proof(genuine.index, genuine.hashes, genuine.checkpoint, body).encode()
    head = checkpoint.parse(note.parse(genuine.checkpoint).text)
    own = checkpoint.Checkpoint(head.origin, 1, merkle.leaf_hash(body))
    invented = proof.Proof(0, (), checkpoint.sign(own, _own_key(head.origin)), body).encode()
    for name, content, word in (("altered", altered, "inclusion proof"), ("invented", invented, "no trusted key")):
        forged = play.work / f"{name}.tlog-proof"
        forged.write_bytes(content)
        _must_say(play, ("verify", forged, "--key", play.log), word)


def remove_a_timestamp(play: Play) -> None:
    """The proof of when the log was as long as it was, deleted from the archive."""
    folder = play.service.data / "ledger" / "timestamps"
    victim = sorted(each for each in folder.glob("*/*") if each.is_dir())[0]
    aside = play.work / "timestamp-aside"
    victim.rename(aside)
    try:
        _must_say(play, ("verify", play.service.data, "--key", play.log), victim.parent.name)
    finally:
        aside.rename(victim)


def back_up(play: Play) -> None:
    """What a nightly backup takes: database, ledger, keys. Then the log grows, and an auditor keeps its head."""
    target, source = play.work / "backup", play.service.data
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("blobs", "spool", "liuhen.db*", ".*"))
    live, copy = (sqlite3.connect(folder / "liuhen.db", timeout=30) for folder in (source, target))
    with closing(live), closing(copy):
        live.backup(copy)
    _grow(play.officer, source, _size(target) + 2)
    kept = LedgerFolder(source / "ledger").checkpoint() or b""
    play.kept.write_bytes(kept)
    wait_for("cosignature", lambda: play.outside.has_seen(play.service.url, kept))
    play.stages.good(
        f"备份时 {_size(target)} 条；审计员留存 {_size(source)} 条的检查点，法院见证人已见证",
        f"backup at {_size(target)} entries; an auditor keeps the checkpoint of {_size(source)}, the court cosigned it",
    )


def _grow(officer: Person, data: Path, size: int) -> None:
    """Make entries, each by opening a case, until the log has `size`."""
    while _size(data) < size:
        number = secrets.token_hex(3)
        before = _size(data)
        officer.form("/cases", {"number": f"示〔2026〕{number}号", "title": "现场检查"})
        _wait_until_larger(data, before)


def _wait_until_larger(data: Path, size: int) -> None:
    wait_for("publishing", lambda: _size(data) > size)


def _size(data: Path) -> int:
    signed = LedgerFolder(data / "ledger").checkpoint() or b""
    return checkpoint.parse(note.parse(signed).text).size


def _copy_of_log(play: Play, name: str) -> LedgerFolder:
    shutil.copytree(play.service.data / "ledger", play.work / name, ignore=shutil.ignore_patterns(".*"))
    return LedgerFolder(play.work / name)


def _entries(log: LedgerFolder) -> list[bytes]:
    size = checkpoint.parse(note.parse(log.read("checkpoint")).text).size
    bundles = [tile for tile in tiles.written(0, size) if tile.level == tiles.ENTRIES]
    return [body for tile in bundles for body in tiles.decode_bundle(tiles.read_tile(tile, log.read), tile)]


def _own_key(origin: str) -> note.Ed25519Signer:
    return note.Ed25519Signer(origin, Ed25519PrivateKey.generate())


def _must_say(play: Play, command: tuple[object, ...], word: str) -> None:
    """The command must fail as a verification does, and say what is wrong."""
    done = run(*command)
    said = done.stdout + done.stderr
    play.stages.quote("\n".join(line for line in said.splitlines() if "✗" in line or "wrong" in line) or said)
    right = done.returncode == 1 and word in said
    play.stages.check(right, "已识破", "detected")
