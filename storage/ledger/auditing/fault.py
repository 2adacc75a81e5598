"""What an audit finds wrong with a log, where, and what that proves (docs/ledger.md, "What a failure proves"). Pure."""

from __future__ import annotations

from enum import Enum

from storage.errors import IntegrityError


class Proves(Enum):
    """What a fault is evidence of, as (zh, en) clauses."""

    NOT_THE_KEYS = (
        "该检查点不是这把密钥所签，其下的一切均无担保",
        "this head is not the key's, so nothing under it is vouched for",
    )
    ALTERED = (
        "文件在签发之后被改动或损坏，与签发者无关",
        "the file was altered or damaged after signing, which says nothing against the signer",
    )
    NOT_WHOLE = ("这份副本不完整", "this copy of the log is not whole")
    RULE_BROKEN = (
        "签发者违反了自己的记录规则，并有其签名为证",
        "the writer of the log broke its own rules, under its own signature",
    )
    REWRITTEN = (
        "这些文件是另一段历史，未经该密钥签发",
        "the files tell another history than the one that was signed, and no signature covers it",
    )
    CUT_SHORT = (
        "签发过的条目不在此处：这是旧副本，或有人截去了条目",
        "entries that were signed are not here: this is an old copy, or they were cut off",
    )
    TIME = (
        "存证链本身相符；有疑问的是其存在的时间",
        "the log itself holds; what is in doubt is since when it has existed",
    )
    FORKED = (
        "同一密钥签署了两段互不相容的历史，两份检查点即为其证据",
        "one key signed two histories that exclude each other; the two checkpoints convict its holder",
    )


class Fault(IntegrityError):
    """What is wrong with a log. `path`: the file; `span`: the bytes in it; `index`: the entry; None where unknown."""

    def __init__(
        self,
        zh: str,
        en: str,
        proves: Proves,
        path: str,
        *,
        span: tuple[int, int] | None = None,
        index: int | None = None,
    ) -> None:
        clause_zh, clause_en = proves.value
        super().__init__(f"{zh.rstrip('。')}。这说明：{clause_zh}。", f"{en}; this proves: {clause_en}")
        self.proves = proves
        self.path = path
        self.span = span
        self.index = index


def located(proves: Proves, path: str, span: tuple[int, int], zh: str, en: str, *, index: int | None = None) -> Fault:
    """A fault whose sentence says where it is: entry, file and bytes `span[0]` up to, not including, `span[1]`."""
    where = "" if index is None else f"第 {index} 条，"
    at = "" if index is None else f"entry {index}, "
    zh = f"{where}{path} 第 {span[0]}–{span[1]} 字节：{zh}"
    return Fault(zh, f"{at}{path} bytes {span[0]}–{span[1]}: {en}", proves, path, span=span, index=index)
