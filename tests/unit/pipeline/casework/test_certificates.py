"""Certificates on a day: valid, about to run out, over, not begun, unknown; and the finding that follows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline.casework.certificates import Certificate, CertificateState, check
from storage.records import Severity

MADE = Certificate("浙A1234", date(2024, 3, 1), date(2026, 11, 20))
S = CertificateState


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2024, 2, 29), S.EARLY),
        (date(2024, 3, 1), S.VALID),
        (date(2026, 11, 10), S.VALID),
        (date(2026, 11, 11), S.SOON),
        (date(2026, 11, 20), S.SOON),
        (date(2026, 11, 21), S.EXPIRED),
    ],
)
def test_the_last_day_counts(day: date, state: CertificateState) -> None:
    assert MADE.on(day, timedelta(days=10)) is state


@pytest.mark.parametrize("unknown", [Certificate("", None, date(2030, 1, 1)), Certificate("浙A1234", None, None)])
def test_without_number_or_end_nothing_is_known(unknown: Certificate) -> None:
    assert unknown.on(date(2026, 11, 20)) is S.UNKNOWN


def test_a_certificate_without_a_beginning_is_valid_until_its_end() -> None:
    assert Certificate("浙A1234", None, date(2026, 1, 1)).on(date(2000, 1, 1)) is S.VALID


def test_an_expired_certificate_is_a_suspicion_and_names_no_number() -> None:
    for day in (date(2026, 11, 21), date(2024, 1, 1)):
        (found,) = check(MADE, "liming", day, None)
        assert (found.code, found.severity) == ("REC-CERTIFIED/CERT-INVALID", Severity.SUSPICION)
        assert str(day) in found.zh
        assert str(day) in found.en
        assert "1234" not in f"{found}"


def test_a_missing_certificate_weighs_what_the_policy_says() -> None:
    none = Certificate("", None, None)
    assert list(check(none, "liming", date(2026, 1, 1), None)) == []
    for weight in (Severity.NOTE, Severity.SUSPICION):
        (found,) = check(none, "liming", date(2026, 1, 1), weight)
        assert (found.code, found.severity) == ("REC-CERTIFIED/CERT-UNKNOWN", weight)


def test_a_valid_certificate_says_nothing() -> None:
    assert list(check(MADE, "liming", date(2026, 11, 20), Severity.SUSPICION)) == []
