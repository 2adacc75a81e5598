"""What is said when an upload is refused: one word for programs, one sentence in each language for people."""

from __future__ import annotations

from ingest.answers import HttpError, busy
from storage.catalogue.tables import Upload
from storage.records import Digest

SOON = 5  # seconds to come back after when others only have to finish their turn


def too_large(length: int, limit: int) -> HttpError:
    return HttpError(
        413,
        "too-large",
        f"文件过大（{length} 字节，上限 {limit} 字节），未接收；请联系管理员调整上限。",
        f"the file is too large ({length} bytes, the limit is {limit}); nothing was taken: ask the administrator",
        {"Tus-Max-Size": str(limit)},
    )


def not_listed(path: str) -> HttpError:
    return HttpError(
        422,
        "not-listed",
        f"文件“{path}”不在已签名的采集清单内，未接收。",
        f"the file “{path}” is not in the signed docking manifest and was not taken",
    )


def wrong_length(path: str, listed: int, length: int) -> HttpError:
    return HttpError(
        422,
        "wrong-length",
        f"文件“{path}”的长度（{length}）与采集清单（{listed}）不符，未接收；请重新采集。",
        f"the length of “{path}” ({length}) is not the manifest's ({listed}); it was not taken: dock again",
    )


def wrong_name(what: str) -> HttpError:
    return HttpError(
        422,
        "wrong-name",
        "文件名或设备编号不可接受（不得为空、过长、含控制字符或“..”），未接收；请改名或核对设备编号后重试。",
        f"the file's name or the device's serial can't be taken ({what}): rename it, or check the serial",
    )


def mislabelled(path: str, expected: str, digest: Digest) -> HttpError:
    return HttpError(
        422,
        "digest-mismatch",
        f"收到的“{path}”与采集清单的摘要不符（收到 {digest.sha256[:12]}…，清单 {expected[:12]}…），"
        "已单独存放，未入库；请勿清除设备，重新采集。",
        f"“{path}” as received does not have the manifest's digest (received {digest.sha256[:12]}…, "
        f"listed {expected[:12]}…); it was set apart and not accepted: do not wipe the camera, dock again",
    )


def spool_damaged() -> HttpError:
    return HttpError(
        410,
        "spool-damaged",
        "服务器暂存数据不完整，请重新上传。",
        "the spool lost bytes: upload the file again",
    )


def rejected(upload: Upload) -> HttpError:
    return HttpError(
        422,
        "rejected",
        f"“{upload.path}”未通过核对，已单独存放，未入库；请重新采集。",
        f"“{upload.path}” was not accepted ({upload.reason}) and was set apart: dock again",
    )


def expired() -> HttpError:
    return HttpError(410, "expired", "上传任务已过期，请重新创建。", "the upload has expired: create it again")


def locked() -> HttpError:
    return HttpError(
        423,
        "locked",
        "该文件正在由另一个连接上传，请稍后再试。",
        "another connection is uploading this file: try again after a pause",
    )


def wrong_offset(upload: Upload, offset: int, headers: dict[str, str]) -> HttpError:
    return HttpError(
        409,
        "wrong-offset",
        f"续传位置应为 {upload.offset}，收到 {offset}；请查询后续传。",
        f"the upload stands at {upload.offset}, not at {offset}: ask with HEAD and go on from there",
        headers,
    )


def over_long() -> HttpError:
    return HttpError(
        413,
        "over-long",
        "收到的数据超过声明的文件长度，这一段未写入。",
        "the body runs past the upload's length; nothing of this piece was taken",
    )


def cut_short() -> HttpError:
    return HttpError(
        400,
        "cut-short",
        "收到的数据少于声明的长度，未接收；请重新发送。",
        "the body is shorter than the files that it brings; nothing was taken: send it again",
    )


def headers_too_large(limit: int) -> HttpError:
    return HttpError(
        431,
        "headers-too-large",
        f"请求头过大（上限 {limit} 字节），未接收。",
        f"the request's headers are too large (the limit is {limit} bytes); nothing was taken",
    )


def disk_low(status: int) -> HttpError:
    return busy(
        status,
        "disk-low",
        "服务器磁盘空间不足，暂停接收；已上传部分已保存，请稍后重试并通知管理员。",
        "the server's disk is low and takes nothing now; what was uploaded is safe: try later, tell the administrator",
    )


def behind(waiting: int) -> HttpError:
    return busy(
        503,
        "behind",
        f"服务器积压待分析文件 {waiting} 个以上，暂不接收新文件；已开始的上传可继续，请稍后重试。",
        f"more than {waiting} files wait to be analysed and no new one is begun; uploads under way go on: try later",
    )


def no_turn(*, own: bool) -> HttpError:
    """All places for bodies are taken, the sender's `own` ones or the server's."""
    if own:
        zh = "本采集站（或本用户）同时上传的文件数已达上限，请等其中一个完成后继续。"
        en = "as many files of this station (or user) as may be are being uploaded: go on when one of them is done"
    else:
        zh, en = "服务器正忙，请稍后重试。", "the server is busy: try again shortly"
    return HttpError(503, "busy", zh, en, {"Retry-After": str(SOON)})


def quota(limit: int) -> HttpError:
    return busy(
        507,
        "quota",
        f"本采集站（或本用户）未完成与被拒收的上传合计超过 {limit} 字节，未接收新文件；"
        "请先续传完成，或删除（DELETE）不再需要的上传；被拒收的文件请管理员查看处理。",
        f"the unfinished and rejected uploads of this station (or user) are over {limit} bytes together and no new one "
        "is begun: finish them, terminate (DELETE) what is not needed, have an administrator look at what was rejected",
    )
