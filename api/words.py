"""The words of the pages, Chinese and English side by side."""

from __future__ import annotations

from collections.abc import Mapping

Pair = tuple[str, str]

VERDICTS: Mapping[str, Pair] = {
    "continuous": ("连续", "continuous"),
    "interrupted": ("中断", "interrupted"),
    "altered": ("疑似篡改", "altered?"),
    "review": ("待核查", "needs review"),
    "unreadable": ("无法读取", "unreadable"),
    "none": ("待检测", "not checked yet"),
}
SEVERITIES: Mapping[str, Pair] = {
    "violation": ("违规", "violation"),
    "suspicion": ("疑点", "suspicion"),
    "note": ("提示", "note"),
}
AXES: Mapping[str, Pair] = {
    "file": ("文件完整性", "file"),
    "timeline": ("时间连续性", "timeline"),
    "provenance": ("来源", "provenance"),
}
ROLES: Mapping[str, Pair] = {
    "officer": ("执法人员", "officer"),
    "approver": ("审批人", "approver"),
    "legal": ("法制审核", "legal reviewer"),
    "archivist": ("档案管理员", "archivist"),
    "auditor": ("审计员", "auditor"),
    "admin": ("系统管理员", "administrator"),
}
RETENTIONS: Mapping[str, Pair] = {"five_years": ("五年", "five years"), "long_term": ("长期", "long-term")}
MEDIA: Mapping[str, Pair] = {
    "video": ("视频", "video"),
    "audio": ("音频", "audio"),
    "photos": ("照片", "photos"),
    "unknown": ("未知类型", "unknown kind"),
}
DERIVATIVES: Mapping[str, Pair] = {
    "access": ("调阅件", "access copy"),
    "master": ("归档件", "archival master"),
    "poster": ("封面", "poster"),
}
REQUEST_KINDS: Mapping[str, Pair] = {"view": ("调阅", "view"), "export": ("导出", "export")}
REQUEST_STATES: Mapping[str, Pair] = {
    "pending": ("待审批", "pending"),
    "approved": ("已批准", "approved"),
    "rejected": ("已驳回", "rejected"),
}
JOB_KINDS: Mapping[str, Pair] = {
    "analyse": ("连续性检测", "continuity check"),
    "deep": ("深度检测（解码画面与声音）", "deep check (decoding)"),
    "access": ("生成调阅件", "making the access copy"),
    "master": ("生成归档件", "making the archival master"),
    "tier": ("转存", "moving to its tier"),
    "export": ("制作导出光盘", "making the export disc"),
    "release": ("释放旧副本", "releasing the old copy"),
    "fixity": ("核对存储的文件", "checking stored files"),
    "timestamp": ("加盖时间戳", "timestamping the ledger"),
    "remind": ("检查时限", "looking at deadlines"),
}
JOB_STATES: Mapping[str, Pair] = {
    "queued": ("等待", "waiting"),
    "running": ("进行中", "running"),
    "done": ("完成", "done"),
    "failed": ("失败", "failed"),
}
FIXITY_STATES: Mapping[str, Pair] = {
    "damaged": ("损坏", "damaged"),
    "missing": ("缺失", "missing"),
    "unreadable": ("无法读取", "unreadable"),
    "altered": ("数据库记录被改", "row altered"),
}
CARD_STATES: Mapping[str, Pair] = {
    "listing": ("正在列清单", "listing"),
    "hashing": ("正在读取", "reading"),
    "sending": ("正在上传", "uploading"),
    "safe": ("可清除", "safe to wipe"),
    "unsafe": ("不可清除", "not safe"),
    "quarantined": ("待认领", "quarantined"),
    "failed": ("采集失败", "failed"),
    "wiping": ("正在清除", "wiping"),
    "wiped": ("已清除", "wiped"),
    "gone": ("中途拔出", "pulled out"),
    "unknown": ("状态不明", "unknown"),
}
STATION_STATES: Mapping[str, Pair] = {
    "online": ("在线", "online"),
    "silent": ("失联", "silent"),
    "never": ("未上报", "never heard of"),
    "revoked": ("已停用", "revoked"),
}
DOORS: Mapping[str, Pair] = {
    "upload": ("采集站上传", "station upload"),
    "browser": ("网页上传", "browser upload"),
    "file": ("直接提交", "posted file"),
    "watch": ("监视文件夹", "watched folder"),
}
DEADLINES: Mapping[str, Pair] = {
    "overdue": ("已逾期", "overdue"),
    "soon": ("即将到期", "due soon"),
    "waiting": ("未到期", "not due yet"),
}
BASES: Mapping[str, Pair] = {
    "recording": ("录制结束", "the recording's end"),
    "docking": ("首次列入清单", "the first listing"),
    "received": ("入库", "when it came in"),
    "closing": ("结案", "the case's closing"),
}
CERTIFICATES: Mapping[str, Pair] = {
    "valid": ("有效", "valid"),
    "soon": ("即将到期", "runs out soon"),
    "expired": ("已过期", "expired"),
    "early": ("未生效", "not valid yet"),
    "unknown": ("未登记", "not on record"),
}
FLAGS: Mapping[str, Pair] = {
    "measures": ("对当事人采取了强制措施", "enforcement measures were taken against the party"),
    "objection": ("当事人现场提出异议", "the party objected on site"),
    "obstruction": ("当事人拒绝、阻碍、侮辱、袭击", "the party refused, obstructed, insulted or attacked"),
    "other": ("其他需要长期保存的情形", "other need"),
}
SIDECAR: Mapping[str, Pair] = {
    "serial": ("设备编号", "serial"),
    "model": ("型号", "model"),
    "officer": ("执法人员", "officer"),
    "start": ("开始", "start"),
    "end": ("结束", "end"),
    "place": ("地点", "place"),
    "matter": ("事项", "matter"),
    "case": ("案号", "case"),
}
EVENTS: Mapping[str, Pair] = {
    "docking.received": ("采集站接入", "camera docked"),
    "original.received": ("原件入库", "original received"),
    "original.described": ("收到随附说明", "sidecar received"),
    "analysis.made": ("连续性检测", "continuity checked"),
    "derivative.made": ("生成衍生件", "derivative made"),
    "retention.set": ("确定保管期限", "retention class set"),
    "tier.moved": ("转存", "moved to another tier"),
    "tier.released": ("释放旧副本", "old copy released"),
    "excuse.made": ("提出中断说明", "break explained"),
    "excuse.decided": ("审核中断说明", "explanation decided"),
    "request.made": ("提出申请", "request made"),
    "request.decided": ("审批申请", "request decided"),
    "view.opened": ("调阅", "viewed"),
    "export.made": ("制作导出光盘", "export made"),
    "export.downloaded": ("下载导出光盘", "export downloaded"),
    "case.opened": ("立卷", "case opened"),
    "case.changed": ("案卷变更", "case changed"),
    "station.enrolled": ("采集站登记", "station enrolled"),
    "station.invited": ("生成登记码", "enrolment code made"),
    "station.key-rotated": ("采集站更换密钥", "station's key replaced"),
    "station.revoked": ("采集站停用", "station revoked"),
    "device.assigned": ("设备配发", "device assigned"),
    "device.identified": ("指认设备", "device named"),
    "recording.officer-set": ("确定佩戴人员", "wearer set"),
    "device.learned": ("学习设备特征", "device's files learned"),
    "device.forgotten": ("删除设备特征", "device's profile forgotten"),
    "user.created": ("新建用户", "user created"),
    "user.changed": ("用户变更", "user changed"),
    "user.certified": ("登记执法证", "certificate recorded"),
    "key.rotated": ("更换签名密钥", "signing key rotated"),
    "ledger.restored": ("从存证链补回数据", "taken back from the ledger"),
    "fixity.failed": ("存储文件与存证不符", "stored file not as recorded"),
    "fixity.repaired": ("存储文件已修复", "stored file repaired"),
    "fixity.passed": ("存储核对通过", "stored files checked"),
    "personal.erased": ("删除个人信息", "personal data erased"),
    "ledger.timestamped": ("加盖时间戳", "checkpoint timestamped"),
    "deadline.due": ("时限将到", "deadline near"),
    "deadline.overdue": ("超过时限", "deadline passed"),
    "delay.recorded": ("登记特殊情况", "reason for a delay recorded"),
    "upload.rejected": ("上传被拒", "upload refused"),
    "card.wiped": ("存储卡已清除", "card wiped"),
    "rejection.seen": ("查看拒收文件", "refused file looked into"),
    "rejection.downloaded": ("下载拒收文件", "refused file downloaded"),
}
SERVICES: Mapping[str, Pair] = {
    "intake": ("入库服务", "intake"),
    "analyse": ("检测服务", "checks"),
    "transcode": ("转码服务", "transcoding"),
    "tier": ("存储服务", "storage"),
    "export": ("导出服务", "export"),
    "watch": ("监视文件夹", "watched folder"),
    "admin-console": ("服务器控制台", "server console"),
    "console": ("服务器控制台", "server console"),
    "setup": ("初始设置", "set-up"),
    "fixity": ("存储核对服务", "fixity checks"),
    "timestamps": ("时间戳服务", "timestamps"),
    "reminders": ("时限提醒服务", "reminders"),
}
NOTES: Mapping[str, Pair] = {
    "requested": ("申请已提交，等待他人审批。", "The request is filed; somebody else decides on it."),
    "approved": ("已批准，许可即时生效。", "Approved; the grant is in force."),
    "rejected": ("已驳回。", "Rejected."),
    "explained": ("中断说明已提交，等待审核。", "The explanation is filed and waits for a decision."),
    "decided": ("审核结果已登记。", "The decision is recorded."),
    "filed": ("已归入案卷。", "The recording is in the case."),
    "flagged": ("长期保存情形已登记。", "The grounds for long-term keeping are recorded."),
    "opened": ("案卷已建立。", "The case is open."),
    "password": ("密码已修改，请用新密码登录。", "The password is changed; sign in with the new one."),
    "signedout": ("已退出登录。", "You are signed out."),
    "roles": ("角色已修改。", "The roles are changed."),
    "disabled": ("账号已停用，其会话已结束。", "The account is disabled and its sessions are over."),
    "enabled": ("账号已启用。", "The account is enabled."),
    "delayed": ("特殊情况原因已登记，时限已按工作日延长。", "The reason is recorded; working days count now."),
    "rejection": ("已登记查看。", "It is recorded that you looked into it."),
    "assigned": ("设备配发已登记。", "The assignment is recorded."),
    "identified": ("设备已指认，音像记录已归入。", "The device is named; the recordings are now its own."),
    "revoked": ("采集站已停用，其密钥与令牌立即失效。", "The station is revoked; its key and tokens are refused."),
    "certified": ("执法证信息已保存。", "The certificate is recorded."),
}
"""What a page says after something was done (?note=…)."""

DEVICE_UNKNOWN: Pair = ("未登记设备", "unregistered device")
