"""Why a key is not taken: one answer for each reason, for the program and for the operator."""

from __future__ import annotations

from ingest.answers import HttpError, busy

UNKNOWN_CODE = "unknown-code"


def unknown_code() -> HttpError:
    return HttpError(
        404,
        UNKNOWN_CODE,
        "没有这个登记码，未登记；请对照管理员屏幕重新输入，或请管理员重新生成。",
        "there is no such code and nothing was enrolled: compare it with the administrator's screen, or have a new one "
        "made",
    )


def expired_code() -> HttpError:
    return HttpError(
        410,
        "expired-code",
        "登记码已过期，未登记；请管理员重新生成。",
        "the code has run out and nothing was enrolled: have the administrator make a new one",
    )


def used_code() -> HttpError:
    return HttpError(
        409,
        "used-code",
        "登记码已被使用，未登记；若不是本站所用，请管理员立即停用该采集站，再重新生成。",
        "the code was used already and nothing was enrolled: if not by this station, have the administrator revoke it "
        "at once and make a new one",
    )


def wrong_signature() -> HttpError:
    return HttpError(
        403,
        "wrong-signature",
        "登记请求的签名不正确，未作任何更改；内容可能在途中被改动，请检查网络后重试。",
        "the request's signatures are wrong and nothing was changed: it may have been altered on its way; check the "
        "network and try again",
    )


def known_key() -> HttpError:
    return HttpError(
        409,
        "known-key",
        "该密钥曾经用过，不能再次登记；请删除未完成的密钥文件后重试。",
        "this key was in use before and is not taken again: remove the unfinished key file and try again",
    )


def too_many() -> HttpError:
    return busy(
        429,
        "too-many",
        "登记失败次数过多，请稍后再试。",
        "too many failed attempts to enrol: wait before the next one",
    )
