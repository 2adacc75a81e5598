"""What the checks say: of one file, of files that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.records import Finding, NotChecked, Verdict


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file. `media`: facts about it, plain JSON (docs/continuity.md). `sha256`: 64 hex digits of the whole file,
    "" where not all of it could be read.
    """

    path: str
    sha256: str
    media: Mapping[str, Any]
    verdict: Verdict
    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "sha256": self.sha256 or None,
            "media": dict(self.media),
            "verdict": self.verdict.value,
            "findings": [finding.as_json() for finding in self.findings],
            "not_checked": [each.as_json() for each in self.not_checked],
        }


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """Files of one recording (its segments, a photo series), in order. `verdict` is the worst of all that is in it."""

    key: str
    files: tuple[str, ...]
    verdict: Verdict
    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "files": list(self.files),
            "verdict": self.verdict.value,
            "findings": [finding.as_json() for finding in self.findings],
            "not_checked": [each.as_json() for each in self.not_checked],
        }
