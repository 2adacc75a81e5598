"""执法证 (REC-CERTIFIED): whether an officer's certificate was valid on a day, and what is said if it was not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from storage.records import Axis, Finding, Severity


class CertificateState(StrEnum):
    """`soon`: valid, and runs out within the time of warning."""

    VALID = "valid"
    SOON = "soon"
    EXPIRED = "expired"
    EARLY = "early"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Certificate:
    """`number` "" and `until` None: not known. `until` is the last day on which it is valid."""

    number: str
    valid_from: date | None
    valid_until: date | None

    def on(self, day: date, warning: timedelta = timedelta(0)) -> CertificateState:
        """How it stands on `day`, a local date."""
        if not self.number or self.valid_until is None:
            return CertificateState.UNKNOWN
        if self.valid_until < day:
            return CertificateState.EXPIRED
        if self.valid_from is not None and day < self.valid_from:
            return CertificateState.EARLY
        return CertificateState.SOON if self.valid_until < day + warning else CertificateState.VALID


def check(certificate: Certificate, login: str, day: date, missing: Severity | None) -> Iterator[Finding]:
    """The finding for a recording that the officer `login` made on `day`.

    `missing`: how much it weighs that no certificate is known; None: not at all. Evidence names the login, not the
    person.
    """
    state = certificate.on(day)
    if state in (CertificateState.EXPIRED, CertificateState.EARLY):
        yield _invalid(certificate, login, day, state)
    elif state is CertificateState.UNKNOWN and missing is not None:
        yield Finding(
            code="REC-CERTIFIED/CERT-UNKNOWN",
            axis=Axis.PROVENANCE,
            severity=missing,
            zh=f"执法人员 {login} 未登记执法证号或有效期，无法核对 {day} 是否持证执法。",
            en=f"no certificate number or validity is on record for officer {login}: whether it was valid on {day} "
            "can't be told",
            evidence={"officer": login, "day": day.isoformat()},
        )


def _invalid(certificate: Certificate, login: str, day: date, state: CertificateState) -> Finding:
    expired = state is CertificateState.EXPIRED
    zh = f"于 {certificate.valid_until} 到期" if expired else f"自 {certificate.valid_from} 起生效"
    en = f"ran out on {certificate.valid_until}" if expired else f"is valid from {certificate.valid_from}"
    return Finding(
        code="REC-CERTIFIED/CERT-INVALID",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"执法人员 {login} 登记的执法证{zh}，录制日 {day} 不在有效期内。",
        en=f"the certificate on record for officer {login} {en}: it was not valid on {day}, the day of the recording",
        evidence={
            "officer": login,
            "day": day.isoformat(),
            "valid_from": certificate.valid_from.isoformat() if certificate.valid_from else None,
            "valid_until": certificate.valid_until.isoformat() if certificate.valid_until else None,
        },
    )
