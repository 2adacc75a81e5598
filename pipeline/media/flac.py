"""Reads FLAC files (RFC 9639): the head's account of the whole, and each frame's number and sum.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.continuity.framed import Count, Framed, Spot
from pipeline.continuity.structure import Structure
from pipeline.media import tags
from pipeline.media.crc import remainder
from pipeline.media.flac_heads import Head, Info, comments, head, info
from pipeline.media.scroll import Scroll
from pipeline.media.spots import Spots
from pipeline.media.sums import Sums

_MOST_FRAMES = 8_000_000
_MOST_BLOCKS = 1000  # of metadata
_MOST_POINTS = 20_000  # of a seek table
_MOST_TRIED = 1 << 30  # bytes, where frames don't come out
_ATTEMPT = 1 << 16  # bytes that could be summed while one is made
_MOST_ATTEMPTS = 12  # ends that are tried for one frame
_LONGEST = 4 << 20  # bytes of a frame: 8 channels, 65535 samples of 32 bits, would be 2 MB
_SHORTEST = 10
_NAMES = ("STREAMINFO", "PADDING", "APPLICATION", "SEEKTABLE", "VORBIS_COMMENT", "CUESHEET", "PICTURE")
_PLACEHOLDER = 0xFFFFFFFFFFFFFFFF


@dataclass
class _File:
    scroll: Scroll
    end: int
    info: Info
    spots: Spots = field(default_factory=Spots)
    layout: list[str] = field(default_factory=list)
    signed: list[tuple[str, str]] = field(default_factory=list)
    points: dict[int, int] = field(default_factory=dict)  # sample → offset from the first frame
    frames: int = 0
    samples: int = 0
    first: int = 0
    first_number: int = -1
    sums: Sums = field(init=False)
    sync: bytes = b"\xff\xf8"  # with which its frames begin: blocks of one size, or of varying
    tried: int = 0  # bytes, where an end was looked for
    closed: bool = True
    trailing: tuple[int, int] | None = None
    own: str = ""  # coding of the frame before
    following: int = -1  # number that comes next, -1 where any may

    @property
    def complete(self) -> bool:
        return self.frames < _MOST_FRAMES and self.tried < _MOST_TRIED

    def __post_init__(self) -> None:
        self.sums = Sums(self.spots)

    def spot_at(self, what: str, offset: int, *, expected: int = 0, found: int = 0, text: str = "") -> Spot:
        time = round(self.samples / self.info.rate, 6) if self.info.rate else 0.0
        return Spot(what, offset, self.frames, time, expected, found, text)

    def spot(self, what: str, offset: int, *, expected: int = 0, found: int = 0, text: str = "") -> None:
        self.spots.add(self.spot_at(what, offset, expected=expected, found=found, text=text))


def read(scroll: Scroll, start: int) -> Structure | None:
    """`start`: where "fLaC" stands."""
    told = info(scroll.piece(start + 8, 34))
    if scroll.piece(start + 4, 1)[:1] not in (b"\0", b"\x80") or told is None:
        return None
    closing = tags.closing(scroll)
    file = _File(scroll, closing[0].offset if closing else scroll.size, told, own=_format(told))
    file.layout += [tag.name for tag in tags.leading(scroll)]
    file.first = _metadata(file, start)
    _frames(file)
    file.sums.finish()
    file.layout += ["frames", *(tag.name for tag in closing)]
    return Structure(
        "flac", tuple(file.layout), tuple(file.signed[:50]), trailing=file.trailing, framed=_framed(file, told.samples)
    )


def _framed(file: _File, declared: int) -> Framed:
    return Framed(
        "flac",
        file.frames,
        round(file.samples / file.info.rate, 6) if file.info.rate else 0.0,
        first=file.first,
        first_number=file.first_number,
        spots=file.spots.all(),
        spot_count=file.spots.count,
        counts=(Count("samples", declared, file.samples),) if declared else (),
        closed=file.closed,
        summed=file.sums.done,
        unsummed=file.sums.left,
        bad_sums=file.sums.bad,
        complete=file.complete,
    )


def _metadata(file: _File, start: int) -> int:
    """Take the blocks of metadata; returns where the frames begin."""
    at = start + 4
    for _ in range(_MOST_BLOCKS):
        lead = file.scroll.piece(at, 4)
        if len(lead) < 4 or lead[:2] == b"\xff\xf8":
            return at
        kind, size = lead[0] & 0x7F, int.from_bytes(lead[1:], "big")
        file.layout.append(_NAMES[kind] if kind < len(_NAMES) else f"block {kind}")
        if kind == 3:
            _points(file, file.scroll.piece(at + 4, min(size, 18 * _MOST_POINTS)))
        elif kind == 4:
            _comments(file, file.scroll.piece(at + 4, min(size, 1 << 16)))
        at += 4 + size
        if lead[0] & 0x80:
            return at
    return at


def _points(file: _File, body: bytes) -> None:
    for at in range(0, len(body) - 17, 18):
        sample = int.from_bytes(body[at : at + 8], "big")
        if sample != _PLACEHOLDER:
            file.points[sample] = int.from_bytes(body[at + 8 : at + 16], "big")


def _comments(file: _File, body: bytes) -> None:
    """The vendor, and the comments in which programs sign."""
    for name, value in comments(body):
        if name in ("vendor", "encoder", "encoded-by", "encoded_by", "software"):
            file.signed.append((f"VORBIS_COMMENT/{name}", value))


def _frames(file: _File) -> None:
    at, places = file.first, {}
    now = head(file.scroll.piece(at, 16)) if at < file.end else None
    if now is not None:
        file.sync = file.scroll.piece(at, 2)
    elif at < file.end:
        at, now = _resync(file, at)
    while now is not None and file.complete:
        end, after, right = _end(file, at, now)
        _numbered(file, at, now)
        if right:
            _described(file, at, now, end, last=end >= file.end)
        if file.samples in file.points:
            places[file.samples] = at - file.first
        if not right:
            _unsound(file, at, end)
        whole = right or end < file.end
        file.frames += whole
        file.samples += now.samples if whole else 0
        file.following = _after(now)
        at, now = end, after
        if now is None and at < file.end:
            at, now = _resync(file, at)
    for sample, offset in file.points.items():
        if file.complete and places.get(sample) != offset:
            file.spot("index", file.first + offset, expected=sample)


def _after(now: Head) -> int:
    return now.number + (now.samples if now.counted else 1)


def _numbered(file: _File, at: int, now: Head) -> None:
    if file.first_number < 0:
        file.first_number = now.number
    elif now.number != file.following >= 0:
        file.spot("number", at, expected=file.following, found=now.number)


def _described(file: _File, at: int, now: Head, end: int, *, last: bool) -> None:
    """The frame against what the file's head says of all frames."""
    told = file.info
    own = f"{now.rate or told.rate} Hz, {now.channels} ch, {now.depth or told.depth} bit"
    if own != file.own:
        file.spot("parameters", at, text=f"{file.own} → {own}")
        file.own = own
    size = end - at
    if told.most_frame and size > told.most_frame and not last:
        file.spot("range", at, expected=told.most_frame, found=size, text="bytes")
    elif told.least_frame and size < told.least_frame and not last:
        file.spot("range", at, expected=told.least_frame, found=size, text="bytes")
    elif told.most_block and now.samples > told.most_block:
        file.spot("range", at, expected=told.most_block, found=now.samples, text="samples")


def _end(file: _File, at: int, now: Head) -> tuple[int, Head | None, bool]:
    """(where the frame ends, the head of the next, whether its sum is right).

    A frame doesn't tell its length: it ends where the next begins and its sum comes out.
    """
    start, want = at + max(_SHORTEST, now.size + 2), _after(now)
    guess: tuple[int, Head] | None = None
    for _ in range(_MOST_ATTEMPTS):
        found = _next(file, start, min(file.end, at + _LONGEST))
        if found is None:
            break
        if found[1].number == want:
            file.sums.take(file.spot_at("checksum", at, text="frame"), file.scroll.piece(at, found[0] - at))
            return *found, True
        if _sum_right(file, at, found[0]):
            return *found, True
        guess = guess or found
        start = found[0] + 2
    if file.end - at <= _LONGEST and _sum_right(file, at, file.end):
        return file.end, None, True
    return _whole(file, at, guess)


def _whole(file: _File, at: int, guess: tuple[int, Head] | None) -> tuple[int, Head | None, bool]:
    """No end fits: perhaps something other stands between this frame and the next, or behind the last."""
    limit = guess[0] if guess else file.end
    for mark in (b"fLaC", b"ID3", b"TAG"):
        place = file.scroll.find(mark, at + _SHORTEST, min(limit, at + _LONGEST))
        if place >= 0 and _sum_right(file, at, place):
            return place, None, True
    if guess:
        return (*guess, False)
    return file.end, None, False


def _next(file: _File, start: int, end: int) -> tuple[int, Head] | None:
    """The next place where a frame of this file can begin."""
    told = file.info
    while (start := file.scroll.find(file.sync, start, end)) >= 0:
        found = head(file.scroll.piece(start, 16))
        if found and found.channels == told.channels and found.rate in (0, told.rate):
            return start, found
        start += 1
    return None


def _sum_right(file: _File, at: int, end: int) -> bool:
    """Whether the sum of such a frame is right: then it is one."""
    file.tried += end - at + _ATTEMPT
    right = end - at <= _LONGEST and not remainder(file.scroll.piece(at, end - at))
    file.sums.done += right
    return right


def _unsound(file: _File, at: int, end: int) -> None:
    """A frame whose sum is wrong: the last one is cut off, or the file was changed."""
    if end >= file.end:
        file.spot("cut", at, found=end - at)
    else:
        file.sums.done += 1
        file.sums.wrong(file.spot_at("checksum", at, text="frame"))


def _second(file: _File, at: int) -> int:
    """Another head: it holds for the frames behind it. Returns where they begin."""
    told = info(file.scroll.piece(at + 8, 34))
    if told and file.scroll.piece(at + 4, 1) in (b"\0", b"\x80"):
        file.info, file.following = told, -1
        file.own = _format(told)
    return _metadata(_File(file.scroll, file.end, file.info), at)


def _format(told: Info) -> str:
    return f"{told.rate} Hz, {told.channels} ch, {told.depth} bit"


def _resync(file: _File, at: int) -> tuple[int, Head | None]:
    """No frame stands at `at`: a tag or a second head, or other bytes up to the next frame."""
    begun = at
    for _ in range(_MOST_BLOCKS):
        piece = file.scroll.piece(at, 4)
        if piece == b"fLaC":
            file.spot("begin", at, text="fLaC")
            at = begun = _second(file, at)
        elif tag := tags.at(file.scroll, at):
            file.spot("begin", at, text=tag.name)
            at = begun = tag.end
        else:
            break
    now = head(file.scroll.piece(at, 16)) if at < file.end else None
    if now:
        return at, now
    found = _next(file, at, file.end)
    if found is None:
        if at < file.end:
            file.trailing = (at, file.end - at)
        return file.end, None
    zeros = file.scroll.zeros(begun, found[0]) == found[0]
    file.spot("between", begun, found=found[0] - begun, text="zeros" if zeros else "")
    return found
