"""The policy: figures that a bureau may set, each with the rule it comes from, in one YAML file beside the data.

Code never holds these figures; it holds the defaults written into a new file (`DEFAULT`), which explain themselves.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from storage import durable
from storage.errors import Refused
from storage.records import Role, Severity

DEFAULT = """\
# 留痕策略文件 · Liuhen policy. 每一行注明所依据的规则代码。Each line names its rule (docs/rules.md).
retention:
  five_years_years: 5            # KEEP-5Y    一般音像记录至少保存五年
  long_term_years: null          # KEEP-LONG  长期保存；null = 永久
deadlines:
  upload_hours: 24               # UP-24H     返回后24小时内入库
  upload_special_working_days: 3 # UP-24H     特殊情况3个工作日
  file_working_days: 30          # FILE-30WD  30个工作日内归档
  upload_soon_hours: 4           # UP-24H     到期前多少小时提醒；0 = 不提前提醒
  file_soon_working_days: 5      # FILE-30WD  到期前多少个工作日提醒；0 = 不提前提醒
  remind_minutes: 15             # UP-24H, FILE-30WD 每隔多少分钟检查一次时限
  remind_back_days: 30           # UP-24H, FILE-30WD 早于多少天的旧事不再提醒
calendar:                        # UP-24H, FILE-30WD 工作日历（docs/operations.md）
  notices: []                    # 国务院办公厅节假日安排通知，程序尚不知道的年份照此录入
viewing:                         # VIEW-APPROVE 调阅申请审批
  grant_hours: 24                # 调阅许可有效期（小时）
  approvers: [approver, legal]   # 可审批的角色；任何人不得审批本人申请
continuity:                      # REC-CONTINUOUS 连续性检测阈值；未列出的取默认值（docs/continuity.md）
  thresholds: {}
  deep: suspicious               # 深度检测（解码画面与声音）：off 不做；suspicious 初检有违规或疑点的；all 全部
  deep_minutes: 120              # 每个文件解码的处理器时间上限（分钟）
  trust: []                      # 信任的签名证书（PEM），为设备签名密钥作证，如 [ca.pem]；相对于本文件所在目录
time:                            # KEEP-SAFE  存证链检查点的可信时间戳（RFC 3161）
  tsa: []                        # 时间戳服务网址，可列多个，如 [http://tsa.example.org]；不填则不加盖
  roots: []                      # 信任的时间戳根证书（PEM），如 [tsa-root.pem]；相对于本文件所在目录
  interval_hours: 24             # 间隔（小时）；存证链没有变化时不重复加盖
  renew_before_days: 90          # 证书到期前多少天续期
fixity:                          # KEEP-SAFE  定期重新读取存储的文件，与存证链核对
  every_days: 30                 # 每个文件至少每隔多少天核对一次
  mb_per_second: 50              # 读取速度上限（MB/秒，百万字节）
  minutes: 10                    # 每次最长运行时间（分钟）
officers:                        # REC-CERTIFIED 执法证
  missing: note                  # 录制人员未登记执法证时：off 不提示；note 提示；suspicion 疑点
  warn_days: 60                  # 到期前多少天提醒管理员
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RetentionPolicy(_Part):
    five_years_years: int = Field(default=5, ge=5, le=100)  # KEEP-5Y: "at least five years"; it can only be longer
    long_term_years: int | None = Field(default=None, ge=10)


class DeadlinePolicy(_Part):
    upload_hours: int = Field(default=24, ge=1, le=24 * 366)
    upload_special_working_days: int = Field(default=3, ge=1, le=366)
    file_working_days: int = Field(default=30, ge=1, le=366)
    upload_soon_hours: int = Field(default=4, ge=0, le=24 * 14)
    """How long before a hand-over is due to remind of it; 0: not before."""
    file_soon_working_days: int = Field(default=5, ge=0, le=366)
    remind_minutes: int = Field(default=15, ge=1, le=24 * 60)
    remind_back_days: int = Field(default=30, ge=1, le=366)
    """Of deadlines that passed (and recordings that came in) longer ago nobody is reminded any more."""


def _day(given: object) -> object:
    """YAML reads 2027-01-01 as a date already; a quoted one is a text."""
    return date.fromisoformat(given) if isinstance(given, str) else given


def _days(given: object) -> object:
    """Days, and spans written "2027-01-01..2027-01-03" with both ends in them."""
    if not isinstance(given, list | tuple):
        return given
    found: list[object] = []
    for one in given:
        first, dots, last = one.partition("..") if isinstance(one, str) else (one, "", "")
        if not dots:
            found.append(_day(one))
            continue
        start, end = date.fromisoformat(first.strip()), date.fromisoformat(last.strip())
        if not 0 <= (end - start).days < 62:
            raise ValueError(f"{one}: a span goes forward, and over two months at most")
        found += [start + timedelta(days=each) for each in range((end - start).days + 1)]
    return found


Days = Annotated[frozenset[date], BeforeValidator(_days)]


class Notice(_Part):
    """The State Council's notice of one year's holidays (节假日安排), or a bureau's own days off and worked."""

    rule: str = Field(min_length=1, max_length=100)
    """Where it is written: the notice's number, such as "国办发明电〔2026〕7号"."""
    year: int | None = Field(default=None, ge=2004, le=9998)
    """The year that the notice arranges whole: its other days are Monday to Friday. None: single days only."""
    days_off: Days = frozenset()
    working_days: Days = frozenset()
    """Saturdays and Sundays that are worked in exchange."""

    @model_validator(mode="after")
    def _agrees(self) -> Notice:
        if both := self.days_off & self.working_days:
            raise ValueError(f"{min(both)} is both off and worked")
        return self


class CalendarPolicy(_Part):
    """Working days beyond what the program knows (`pipeline.casework.workdays`)."""

    notices: tuple[Notice, ...] = ()


class ViewingPolicy(_Part):
    grant_hours: int = Field(default=24, ge=1, le=24 * 30)
    approvers: frozenset[Role] = frozenset({Role.APPROVER, Role.LEGAL})


class Deep(StrEnum):
    """Whose pictures and sound are decoded too, after the quick check."""

    OFF = "off"
    SUSPICIOUS = "suspicious"
    ALL = "all"


def _spelt(given: object) -> object:
    """YAML 1.1 reads an unquoted `off` as false."""
    return "off" if given is False else given


class ContinuityPolicy(_Part):
    thresholds: dict[str, float] = Field(default_factory=dict)
    deep: Annotated[Deep, BeforeValidator(_spelt)] = Deep.SUSPICIOUS
    deep_minutes: int = Field(default=120, ge=1, le=24 * 60)
    """Of processor time, for one file."""
    trust: tuple[Path, ...] = ()
    """Files of certificates (PEM), relative to the folder of the policy file."""


class TimePolicy(_Part):
    """Timestamps over the ledger's checkpoints (docs/ledger.md, "Time 时间戳")."""

    tsa: tuple[str, ...] = ()
    """Addresses of authorities, http or https. None: no timestamps."""
    roots: tuple[Path, ...] = ()
    """Files of certificates (PEM), relative to the folder of the policy file."""
    interval_hours: int = Field(default=24, ge=1, le=24 * 31)
    renew_before_days: int = Field(default=90, ge=1, le=3650)
    tsa_policy: str | None = Field(default=None, pattern=r"[0-2](\.\d+)+")
    """Object identifier of the authority's policy that replies must name; None: any."""
    digest: Literal["sha256", "sha512"] = "sha256"
    """Of what is stamped."""

    @model_validator(mode="after")
    def _complete(self) -> TimePolicy:
        if not self.tsa:
            return self
        from storage.ledger.time.stamps import short_name  # with readers of certificates that few commands need

        names = [short_name(url) for url in self.tsa]
        if not all(url.startswith(("http://", "https://")) for url in self.tsa) or "" in names:
            raise ValueError("time.tsa: http:// or https:// addresses")
        if len(set(names)) != len(names):
            raise ValueError("time.tsa: the same authority twice")
        if not self.roots:
            raise ValueError("time.roots: the certificates that the authorities' replies are verified by")
        return self


class FixityPolicy(_Part):
    """Reading stored files again and comparing them with the ledger (`pipeline.fixity`)."""

    every_days: int = Field(default=30, ge=1, le=366)
    mb_per_second: float = Field(default=50.0, gt=0)
    """In 10^6 bytes; also while a file is repaired."""
    minutes: int = Field(default=10, ge=1, le=24 * 60)
    """Of one run. A file without chunk hashes (an export, a derivative) that was begun is read to its end."""


class OfficerPolicy(_Part):
    """Certificates of officers (REC-CERTIFIED, `pipeline.officers`)."""

    missing: Annotated[Literal["off", "note", "suspicion"], BeforeValidator(_spelt)] = "note"
    """What it weighs that no certificate of a recording's officer is on record."""
    warn_days: int = Field(default=60, ge=0, le=3650)

    @property
    def weight(self) -> Severity | None:
        return None if self.missing == "off" else Severity(self.missing)


class Policy(_Part):
    retention: RetentionPolicy = RetentionPolicy()
    deadlines: DeadlinePolicy = DeadlinePolicy()
    calendar: CalendarPolicy = CalendarPolicy()
    viewing: ViewingPolicy = ViewingPolicy()
    continuity: ContinuityPolicy = ContinuityPolicy()
    time: TimePolicy = TimePolicy()
    fixity: FixityPolicy = FixityPolicy()
    officers: OfficerPolicy = OfficerPolicy()


def load(path: Path) -> Policy:
    """Read the file; a missing one is written first. Raises Refused naming the line that is wrong."""
    if not path.exists():
        durable.write(path, DEFAULT.encode())
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (ValueError, yaml.YAMLError) as error:  # yaml itself raises ValueError for a day that does not exist
        raise Refused(f"策略文件 {path} 有误：{error}", f"the policy file {path} is wrong: {error}") from error
