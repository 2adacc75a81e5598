"""`liuhen verify` on a log's folder and on a consistency proof."""

from __future__ import annotations

from pathlib import Path

from api.commands import ledger_audit
from api.commands.log_place import find, kept_checkpoint
from api.commands.verify import Asked, Outcome, known_keys


def is_log(path: Path) -> bool:
    return (path / "checkpoint").is_file() and (path / "tile").is_dir()


def is_consistency(path: Path) -> bool:
    from storage.ledger.consistency import MARK

    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK


def folder(path: Path, asked: Asked) -> Outcome:
    """The whole log in a folder, without a database."""
    from pipeline.timestamps import read_roots
    from storage.ledger.auditing.fault import Fault

    place = find(path, None, asked.key)
    kept = kept_checkpoint(asked.since) if asked.since else None
    place.believed()
    try:
        audited = ledger_audit.run(place, kept, asked.state, asked.tell)
    except Fault as fault:
        facts = {"key": place.vkey, "proves": fault.proves.name.lower(), "path": fault.path, "index": fault.index}
        return Outcome("log", [(fault.zh, fault.en)], place.warning, facts)
    trusted = read_roots(asked.roots) if asked.roots else None
    stamps = ledger_audit.timestamps(place, trusted)
    said = [*place.warning, *ledger_audit.words(audited, asked.since), *ledger_audit.stamp_words(stamps, trusted)]
    kept_stamps = {"timestamps": len(stamps.examined.kept) if stamps.examined else 0}
    wrong = [(each.zh, each.en) for each in (stamps.wrong if asked.everything else stamps.wrong[:1])]
    return Outcome("log", wrong, said, {"key": place.vkey, **ledger_audit.facts(audited), **kept_stamps})


def consistency(path: Path, older: Path | None, asked: Asked) -> Outcome:
    """A consistency proof against the checkpoint that the reader kept."""
    from storage.errors import IntegrityError, Refused
    from storage.ledger import consistency as proofs

    if asked.key is None or older is None:
        raise Refused(
            "一致性证明须与你保存的旧检查点对照：liuhen verify 证明 旧检查点 --key 公钥。",
            "a consistency proof is held against the checkpoint you kept: liuhen verify PROOF CHECKPOINT --key KEY",
        )
    try:
        keys = known_keys(asked.key, asked)
        kept = keys.verify(kept_checkpoint(older))
        head = proofs.verify(path.read_bytes(), kept, keys)
    except IntegrityError as error:
        return Outcome("consistency", [(error.zh, error.en)], [], {"key": asked.key})
    zh = f"{head.origin}：现有 {head.size} 条，前 {kept.size} 条与 {older} 所签相同，未删改。"
    en = f"{head.origin}: of its {head.size} entries the first {kept.size} are those that {older} signed"
    facts = {"key": asked.key, "from": kept.size, "to": head.size, "root": head.root.hex()}
    return Outcome("consistency", [], [(zh, en)], facts)
