"""`liuhen check` on whole and on altered recordings: the verdict, where it was altered, and the report as one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from api.demo.people import Json
from api.demo.play import Play
from api.demo.service import run
from api.demo.stage import ZONE
from pipeline.samples import Footage
from storage.clock import now

_WORST = ("unreadable", "altered", "interrupted", "review", "continuous")
_GRAVITY = ("violation", "suspicion")
_SHOWN = 2  # findings of one case
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Case:
    """`codes`: what must be found. `seconds`: where, of the file's timeline; None: of the file as a whole."""

    zh: str
    en: str
    files: Sequence[Path]
    verdict: str
    codes: tuple[str, ...] = ()
    seconds: float | None = None
    deep: bool = False


def cases(footage: Footage) -> list[Case]:
    gap, clock, scene = (f"REC-CONTINUOUS/{name}" for name in ("GAP-PTS", "CLOCK-JUMP", "SCENE-CUT"))
    missing = "REC-CONTINUOUS/SEGMENT-MISSING"
    return [
        Case("完整的三段", "three segments, whole", footage.segments, "continuous"),
        Case("直接剪掉3秒，留下空档", "3 s cut out by stream copy, hole left", [footage.cut_open], "interrupted",
             (gap,), 4.0),
        Case("直接剪掉3秒，合拢时间轴", "3 s cut out by stream copy, timeline closed", [footage.cut_closed],
             "interrupted", ("REC-CONTINUOUS/IDR-ID", clock), 4.0, deep=True),
        Case("剪掉3秒后重新编码", "3 s cut out, all encoded again", [footage.cut_encoded], "interrupted", (clock,), 4.0,
             deep=True),
        Case("插入1秒其他画面后重新编码", "1 s of another scene inserted, encoded again", [footage.foreign],
             "interrupted", (scene,), 5.0, deep=True),
        Case("缺第二段", "segment 2 missing", footage.missing, "interrupted", (missing,), 12.0),
        Case("改写录制日期", "date rewritten", [footage.redated], "review", ("REC-TRUE/GPS-DATE",)),
        Case("缺一张照片", "a photo missing", footage.photos_missing, "interrupted"),
        Case("伪装成视频的播放列表", "a playlist dressed as a video", [footage.hostile / "playlist.mp4"], "unreadable"),
    ]  # fmt: skip


def check_files(play: Play) -> None:
    """Each case with its expected verdict and place, in words."""
    told = cases(play.footage)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        reports = list(threads.map(_checked, told))
    for case, report in zip(told, reports, strict=True):
        _judge(play, case, report)
    _write_page(play, told, reports)


def _checked(case: Case) -> Json:
    done = run("check", "--json", *(["--deep"] if case.deep else []), *case.files)
    report: Json = json.loads(done.stdout)
    return report | {"exit": done.returncode}


def _judge(play: Play, case: Case, report: Json) -> None:
    say = play.stages
    got = min((each["verdict"] for each in (*report["files"], *report["series"])), key=_WORST.index)
    right = got == case.verdict and report["exit"] == (0 if case.verdict == "continuous" else 1)
    say.check(right, f"{case.zh} → {_word(got, english=False)}", f"{case.en} → {_word(got, english=True)}")
    found = findings(report)
    for code in case.codes:
        at = [each["start"] for each in found if each["code"] == code]
        there = at and (
            case.seconds is None or any(start is not None and abs(start - case.seconds) < 0.5 for start in at)
        )
        if not there:
            say.check(False, f"{code} 应在 {case.seconds} 秒处", f"{code} at {case.seconds} s")
    shown = [each for each in found if each["code"] in case.codes] or found
    say.quote("\n".join(each["en"] if say.english else each["zh"] for each in shown[:_SHOWN]))


def findings(report: Json) -> list[Json]:
    """Violations before suspicions, located ones before those of a whole file."""
    found = [each for part in (*report["files"], *report["series"]) for each in part["findings"]]
    found = [each for each in found if each["severity"] in _GRAVITY]
    return sorted(
        found, key=lambda each: (_GRAVITY.index(each["severity"]), each["start"] is None, each["start"] or 0.0)
    )


def _word(verdict: str, *, english: bool) -> str:
    from api.words import VERDICTS

    return VERDICTS[verdict][english]


def _write_page(play: Play, told: Sequence[Case], reports: Sequence[Json]) -> None:
    """All cases in one page, as `liuhen check --html` makes it of one."""
    from api.html_report import render
    from pipeline.strips import collect

    together = {
        "liuhen": reports[0]["liuhen"],
        "files": [file for report in reports for file in report["files"]],
        "series": [series for report in reports for series in report["series"]],
    }
    strips = collect(together, [path for case in told for path in case.files])
    lang = "en" if play.stages.english else "zh"
    play.report.write_text(render(together, strips, zone=ZONE, now=now(), lang=lang), encoding="utf-8")
    size = play.report.stat().st_size / 1e6
    play.stages.good(
        f"网页报告（{size:.1f} MB，含画面）：{play.report}", f"report with pictures ({size:.1f} MB): {play.report}"
    )
