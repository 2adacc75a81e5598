"""One photo by itself: was it saved again after the camera wrote it, do its dates agree?"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.clocks import FARTHEST, off_by_zone
from pipeline.continuity.dates import exif
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity


def photo_modified(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/PHOTO-MODIFIED: EXIF says that the picture file was changed after the picture was taken."""
    taken, changed = _taken(picture), _moment(picture, "IFD0:ModifyDate")
    if taken is not None and changed is not None and changed - taken > limits.photo_modified:
        yield Finding(
            code="UP-ORIGINAL/PHOTO-MODIFIED",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"照片在拍摄 {changed - taken:.0f} 秒后被改存。",
            en=f"the photo was saved again {changed - taken:.0f} s after it was taken",
            evidence=_dates(picture),
        )


def photo_dates(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PHOTO-DATES: the photo file is older than the picture in it, or digitised at another time than taken.

    Differences of a whole time zone are left aside.
    """
    taken = _taken(picture)
    for name, word in (("IFD0:ModifyDate", "文件"), ("ExifIFD:CreateDate", "数字化")):
        other = _moment(picture, name)
        if taken is None or other is None:
            continue
        apart = off_by_zone(other - taken)
        earlier = apart < -limits.photo_modified
        if earlier or (name == "ExifIFD:CreateDate" and abs(apart) > limits.photo_modified):
            yield Finding(
                code="REC-TRUE/PHOTO-DATES",
                axis=Axis.PROVENANCE,
                severity=Severity.SUSPICION,
                zh=f"照片的拍摄时间与{word}时间相差 {abs(other - taken):.0f} 秒，日期可能被改过。",
                en=f"{name.partition(':')[2]} is {abs(other - taken):.0f} s {'before' if other < taken else 'after'} "
                "the photo was taken: its dates may have been changed",
                evidence=_dates(picture),
            )
            return


def photo_receiver_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PHOTO-GPS-DATE: the receiver's time against the time the photo was taken.

    Another day is a suspicion. A position may be some minutes old, never younger than the photo: later is a note where
    the photo's time zone is known.
    """
    taken, told = _taken(picture), _moment(picture, "Composite:GPSDateTime")
    if taken is None or told is None:
        return
    zoned = picture.metadata.taken is not None and picture.metadata.taken[1]
    late = told - taken
    far = abs(late) > (_HALF_DAY if zoned else FARTHEST)
    if far or (zoned and late > limits.clock_offset):
        yield Finding(
            code="REC-TRUE/PHOTO-GPS-DATE",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION if far else Severity.NOTE,
            zh=f"卫星时间与拍摄时间相差 {abs(late):.0f} 秒：相机时钟未校准，或日期被改过。",
            en=f"the receiver's time is {abs(late):.0f} s {'after' if late > 0 else 'before'} the photo was taken: "
            "the camera's clock was not set, or the date was changed",
            evidence=_dates(picture),
        )


def photo_rewritten(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/PHOTO-REWRITTEN: the file's inner references no longer fit, or Windows left its padding in them.

    The index of further images (CIPA DC-007, MPF) gives offsets into this very file, so it is wrong once the file is
    saved again with other lengths. Windows pads EXIF it rewrites (tags Padding and OffsetSchema).
    """
    tags = picture.metadata.tags
    start, length = tags.get("MPImage2:MPImageStart"), tags.get("MPImage2:MPImageLength")
    reasons = []
    if isinstance(start, int) and isinstance(length, int) and start + length > picture.size:
        reasons.append(("多图索引指向文件之外", "the index of its images points beyond its end"))
    if "ExifIFD:OffsetSchema" in tags or "IFD0:Padding" in tags or "ExifIFD:Padding" in tags:
        reasons.append(("EXIF 带有 Windows 改写时留下的填充", "Windows left padding in its EXIF data"))
    if reasons:
        yield Finding(
            code="UP-ORIGINAL/PHOTO-REWRITTEN",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"照片文件被重新写过：{'，'.join(zh for zh, _ in reasons)}。",
            en=f"the photo file was written again: {', and '.join(en for _, en in reasons)}",
            evidence={"MPImageStart": start, "MPImageLength": length, "size": picture.size},
        )


def photo_size(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/PHOTO-SIZE: EXIF gives another size than the picture has: scaled or cropped after it was taken.

    A note by itself: whole archives are scaled down before they are handed on.
    """
    coded = picture.photo.jpeg if picture.photo else None
    width, height = (picture.metadata.tags.get(f"ExifIFD:ExifImage{side}") for side in ("Width", "Height"))
    if not coded or not isinstance(width, int) or not isinstance(height, int) or not width or not height:
        return
    if {width, height} != {coded.width, coded.height}:
        yield Finding(
            code="UP-ORIGINAL/PHOTO-SIZE",
            axis=Axis.FILE,
            severity=Severity.NOTE,
            zh=f"EXIF 记载 {width}×{height}，实际为 {coded.width}×{coded.height}：拍摄后缩放或裁剪过。",
            en=f"EXIF says {width}×{height}, the picture has {coded.width}×{coded.height}: scaled or cropped later",
            evidence={"exif": [width, height], "picture": [coded.width, coded.height]},
        )


def photo_cut_off(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PHOTO-TRUNCATED: a JPEG without its end marker."""
    if picture.photo and picture.photo.complete is False:
        yield Finding(
            code="REC-TRUE/PHOTO-TRUNCATED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh="照片缺少结束标记，可能被截断。",
            en="the photo lacks its end marker: it may be cut off",
        )


_HALF_DAY = 43_200.0
_DATE_TAGS = ("ExifIFD:DateTimeOriginal", "ExifIFD:CreateDate", "IFD0:ModifyDate", "Composite:GPSDateTime")


def _dates(picture: Picture) -> dict[str, str]:
    return {name: str(picture.metadata.tags[name]) for name in _DATE_TAGS if name in picture.metadata.tags}


def _taken(picture: Picture) -> float | None:
    taken = picture.metadata.taken if picture.photo else None
    return taken[0].timestamp() if taken else None


def _moment(picture: Picture, name: str) -> float | None:
    """A date of the photo; one without a zone is in the zone of the time it was taken."""
    found = exif(str(picture.metadata.tags.get(name, "")), str(picture.metadata.tags.get(_ZONES.get(name, ""), "")))
    return found[0].timestamp() if found else None


_ZONES = {"IFD0:ModifyDate": "ExifIFD:OffsetTime", "ExifIFD:CreateDate": "ExifIFD:OffsetTimeDigitized"}
CHECKS = (
    photo_modified,
    photo_dates,
    photo_receiver_date,
    photo_rewritten,
    photo_size,
    photo_cut_off,
)
