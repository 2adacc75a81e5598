"""The words of an export's papers, Chinese and English. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from storage.records import Severity, Verdict

Pair = tuple[str, str]

EVENTS: Mapping[str, Pair] = {
    "original.received": ("原件入库", "original received"),
    "analysis.made": ("连续性检测", "continuity checked"),
    "derivative.made": ("制作衍生件", "derivative made"),
    "retention.set": ("确定保管期限", "retention set"),
    "tier.moved": ("转存", "moved to another store"),
    "excuse.made": ("提交中断说明", "break explained"),
    "excuse.decided": ("审核中断说明", "explanation decided"),
    "request.made": ("提出申请", "request made"),
    "request.decided": ("审批申请", "request decided"),
    "view.opened": ("调阅", "viewed"),
    "export.made": ("导出光盘", "exported"),
    "export.downloaded": ("领取导出光盘", "export handed over"),
    "case.changed": ("归入案卷", "put to a case"),
    "fixity.failed": ("存储文件与存证不符", "stored file not as recorded"),
    "fixity.repaired": ("存储文件已修复", "stored file repaired"),
    "personal.erased": ("删除个人信息", "personal data erased"),
}

VERDICTS: Mapping[str, Pair] = {
    Verdict.CONTINUOUS: ("连续", "continuous"),
    Verdict.INTERRUPTED: ("中断", "interrupted"),
    Verdict.ALTERED: ("疑似篡改", "possibly altered"),
    Verdict.REVIEW: ("待核查", "to be reviewed"),
    Verdict.UNREADABLE: ("无法读取", "unreadable"),
}

SEVERITIES: Mapping[str, Pair] = {
    Severity.VIOLATION: ("违规", "violation"),
    Severity.SUSPICION: ("疑点", "suspicion"),
    Severity.NOTE: ("提示", "note"),
}

ACTORS: Mapping[str, Pair] = {
    "user": ("用户", "user"),
    "station": ("采集站", "station"),
    "service": ("系统", "system"),
}

DETAILS: Mapping[str, Pair] = {
    **VERDICTS,
    "yes": ("同意", "yes"),
    "no": ("不同意", "no"),
    "access": ("调阅件", "access copy"),
    "master": ("归档件", "archival master"),
    "poster": ("封面", "poster"),
    "view": ("调阅", "view"),
    "export": ("导出", "export"),
    "five_years": ("五年", "five years"),
    "long_term": ("长期", "long-term"),
}

METHOD: tuple[Pair, ...] = (
    (
        "采集：采集站从执法设备存储卡读取原始文件，读取时计算 SHA-256 摘要，对全部文件的采集清单签名后上传。",
        "Docking: the station read the files from the device's card, hashed them while reading, signed a list of all "
        "files on the card, and uploaded them.",
    ),
    (
        "入库：服务器边接收边计算摘要，与采集清单一致后逐字节保存原件，并将入库事实写入带签名的存证链。",
        "Intake: the server hashed what it received, compared it with the list, kept the original byte for byte, and "
        "wrote its arrival into the signed ledger.",
    ),
    (
        "检测：由程序检查音像记录的连续性；下文列出检测所见，以及未能检测的事项及原因。",
        "Checks: a program checked the recording's continuity; below is what it found, and what it could not check.",
    ),
    (
        "制作：经申请和审批，将原件逐字节复制到光盘映像；调阅件由原件转码而成，仅为便于播放，以原件为准。",
        "Making: after request and approval the originals were copied to the disc image byte for byte. Access copies "
        "were transcoded for easy playing; the originals are what counts.",
    ),
    (
        "复核：制作时重新计算每个原件的摘要，并与存证链核对一致；光盘映像制作后逐文件自检。",
        "Re-check: each original was hashed again and compared with the ledger; the image was checked file by file.",
    ),
)


def pair(words: Mapping[str, Pair], key: str) -> Pair:
    """The two words for `key`; an unknown one stands for itself."""
    return words.get(key, (key, key))
