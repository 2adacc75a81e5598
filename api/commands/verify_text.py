"""What `liuhen verify` says of a data directory: in words, and as facts for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.commands.timestamps import warning

if TYPE_CHECKING:
    from pipeline.verify import DataCheck


def counted(check: DataCheck, *, sound: bool) -> list[tuple[str, str]]:
    """What was looked at, (zh, en) each."""
    counts, chain, said = check.counts, check.chain, []
    if sound:
        files = f"{counts.files} files ({counts.bytes:,} bytes)"
        zh = f"存证链 {counts.entries} 条、数据库、{counts.files} 个文件（{counts.bytes:,} 字节）全部相符。"
        said.append((zh, f"the ledger's {counts.entries} entries, the database and {files} agree"))
    if sound and chain:
        zh = f"保管链 {chain.subject}：{chain.length} 条，逐条以 prev 相连，末条哈希 {chain.head}。"
        en = f"the custody chain {chain.subject}: {chain.length} entries, each linked to the one before by its prev"
        said.append((zh, f"{en}; the last hashes to {chain.head}"))
    if counts.resumed:
        zh = f"另有 {counts.resumed} 个文件由中断前的核验读取，此次未再读。"
        said.append((zh, f"{counts.resumed} more files were read before the interruption, and not again"))
    if counts.pending:
        zh = f"另有 {counts.pending} 条待写入存证链。"
        said.append((zh, f"{counts.pending} events wait to be written into the ledger"))
    if check.stamps.said:
        said += [*check.stamps.said, *warning(check.place.roots)]
    return said


def facts(check: DataCheck) -> dict[str, Any]:
    counts, chain = check.counts, check.chain
    found: dict[str, Any] = {"entries": counts.entries, "pending": counts.pending, "files": counts.files}
    found |= {"bytes": counts.bytes, "resumed": counts.resumed}
    found["timestamps"] = len(check.stamps.examined.kept) if check.stamps.examined else 0
    if chain:
        found["chain"] = {
            "subject": chain.subject,
            "length": chain.length,
            "first": chain.first,
            "last": chain.last,
            "head": chain.head,
            "waiting": chain.waiting,
        }
    return found
