"""Reads Ogg files (RFC 3533): numbers, sums and positions of the pages, with Opus, Vorbis, FLAC or Speex in them.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.continuity.framed import Framed, Spot
from pipeline.continuity.structure import Structure
from pipeline.media import crc, tags
from pipeline.media.ogg_packets import Packets, packets_of
from pipeline.media.scroll import Scroll
from pipeline.media.spots import Spots

_MOST_PAGES = 8_000_000
_MOST_SUMMED = 1 << 30  # bytes
_MAGIC = b"OggS"
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_NO_POSITION = (1 << 64) - 1


@dataclass
class _Stream:
    """One logical stream. `following`: the page number that comes next; `open`: its last packet goes on."""

    packets: Packets
    following: int
    open: bool = False
    ended: bool = False
    lost: bool = False  # the page before can't be believed
    known: bool = True  # every position before was followed
    position: int = -1  # samples at the end of the last page that told
    begin: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    offset: int
    flags: int
    position: int
    serial: int
    number: int
    sum: int
    lacing: bytes
    head: int
    size: int


@dataclass
class _File:
    scroll: Scroll
    end: int
    spots: Spots = field(default_factory=Spots)
    streams: dict[int, _Stream] = field(default_factory=dict)
    pages: int = 0
    content: bool = False  # pages that are no stream's first have come
    first: int = -1
    first_number: int = -1
    time: float = 0.0
    summed: int = 0
    unsummed: int = 0
    bad_sums: int = 0
    summed_bytes: int = 0
    trailing: tuple[int, int] | None = None
    layout: list[str] = field(default_factory=list)
    signed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return self.pages < _MOST_PAGES and not self.spots.too_many

    def spot(self, what: str, offset: int, *, expected: int = 0, found: int = 0, text: str = "") -> None:
        self.spots.add(Spot(what, offset, self.pages, round(self.time, 6), expected, found, text))


def page(scroll: Scroll, at: int) -> Page | None:
    """The head of the page at `at` (RFC 3533 6); its body may reach beyond the file's end."""
    head = scroll.piece(at, 27)
    if head[:4] != _MAGIC or len(head) < 27 or head[4]:
        return None
    number = int.from_bytes
    lacing = scroll.piece(at + 27, head[26])
    return Page(
        at, head[5], number(head[6:14], "little"), number(head[14:18], "little"), number(head[18:22], "little"),
        number(head[22:26], "little"), lacing, 27 + head[26], 27 + head[26] + sum(lacing),
    )  # fmt: skip


def read(scroll: Scroll, start: int) -> Structure:
    """`start`: where the first page stands."""
    closing = tags.closing(scroll)
    file = _File(scroll, closing[0].offset if closing else scroll.size)
    _pages(file, start)
    file.layout += [tag.name for tag in closing]
    for stream in file.streams.values():
        file.signed += stream.packets.signed
    framed = Framed(
        "ogg",
        file.pages,
        round(file.time, 6),
        first=max(file.first, 0),
        first_number=file.first_number,
        spots=file.spots.all(),
        spot_count=file.spots.count,
        closed=all(stream.ended for stream in file.streams.values()),
        summed=file.summed,
        unsummed=file.unsummed,
        bad_sums=file.bad_sums,
        complete=file.complete,
    )
    return Structure("ogg", tuple(file.layout), tuple(file.signed[:50]), trailing=file.trailing, framed=framed)


def _pages(file: _File, at: int) -> None:
    while at < file.end and file.complete:
        found = page(file.scroll, at)
        if found is None:
            at = _between(file, at)
        elif at + found.size > file.end or len(found.lacing) + 27 < found.head:
            file.spot("cut", at, expected=found.size, found=file.end - at)
            return
        else:
            _page(file, found)
            file.pages += 1
            at += found.size


def _between(file: _File, at: int) -> int:
    """No page stands here; returns where the next one does, or the end."""
    following = file.scroll.find(_MAGIC, at + 1, file.end)
    if following < 0:
        file.trailing = (at, file.end - at)
        return file.end
    zeros = file.scroll.zeros(at, following) == following
    file.spot("between", at, found=following - at, text="zeros" if zeros else "")
    return following


def _page(file: _File, found: Page) -> None:
    stream = file.streams.get(found.serial)
    if not _sum_right(file, found):
        _lost([stream] if stream else list(file.streams.values()))
        return
    if found.flags & _FIRST or stream is None:
        stream = _begun(file, found, stream)
    else:
        file.content = True
        _follows(file, found, stream)
    stream.lost = False
    stream.following = found.number + 1 & 0xFFFFFFFF
    body = file.scroll.piece(found.offset + found.head, found.size - found.head)
    samples = stream.packets.take(found.lacing, body, continued=bool(found.flags & _CONTINUED))
    stream.open = bool(found.lacing) and found.lacing[-1] == 255
    stream.ended = bool(found.flags & _LAST)
    _position(file, found, stream, samples)


def _lost(streams: list[_Stream]) -> None:
    """Nothing on a page whose sum is wrong can be believed, but that it was one."""
    for stream in streams:
        stream.lost, stream.position, stream.known = True, -1, False
        stream.following = stream.following + 1 & 0xFFFFFFFF


def _begun(file: _File, found: Page, before: _Stream | None) -> _Stream:
    """A stream's first page: at the beginning of the file, or of another file that was joined on."""
    body = file.scroll.piece(found.offset + found.head, min(64, found.size - found.head))
    stream = file.streams[found.serial] = _Stream(packets_of(body), found.number)
    if file.content:
        what = f"{stream.packets.name}, serial {found.serial}"
        if found.flags & _FIRST:
            file.spot("begin", found.offset, text=what)
        else:
            file.spot("begin", found.offset, text=f"{what} (without its first page)")
    elif before is None:
        file.layout.append(stream.packets.name)
    if file.first < 0:
        file.first, file.first_number = found.offset, found.number if not found.flags & _FIRST else 0
    file.content = file.content or not found.flags & _FIRST
    return stream


def _follows(file: _File, found: Page, stream: _Stream) -> None:
    """Number and continuation against the page before of that stream."""
    if stream.ended:
        file.spot("begin", found.offset, text="end of stream")
    if found.number != stream.following:
        file.spot("number", found.offset, expected=stream.following, found=found.number)
    elif not stream.lost and bool(found.flags & _CONTINUED) != stream.open:
        file.spot("continued", found.offset, expected=int(stream.open), found=found.flags & _CONTINUED)


def _position(file: _File, found: Page, stream: _Stream, samples: int | None) -> None:
    """The position is that of the last sample which is whole with this page (RFC 7845 4, Vorbis I A.2)."""
    rate = stream.packets.rate
    if found.position == _NO_POSITION or not stream.packets.sound or not rate:
        return
    before, stream.position = stream.position, found.position
    if before < 0 and not stream.known:
        return
    if before < 0:
        stream.begin = max(0, found.position - samples) if samples is not None and not stream.ended else 0
        if stream.begin > rate // 10:
            file.spot("position", found.offset, found=stream.begin, text="head")
    elif found.position < before:
        file.spot("position", found.offset, expected=before, found=found.position, text="back")
    elif samples is not None:
        _counted(file, found, stream, before + samples)
    file.time = max(file.time, (found.position - stream.begin) / rate)


def _counted(file: _File, found: Page, stream: _Stream, expected: int) -> None:
    """The last page may leave out what was only filled in."""
    apart = found.position - expected
    if abs(apart) <= stream.packets.rate // 400 or (stream.ended and apart < 0):
        return
    file.spot("position", found.offset, expected=expected, found=found.position, text=f"{stream.packets.rate}")


def _sum_right(file: _File, found: Page) -> bool:
    if file.summed_bytes > _MOST_SUMMED:
        file.unsummed += 1
        return True
    file.summed_bytes += found.size
    file.summed += 1
    whole = file.scroll.piece(found.offset, found.size)
    if crc.ogg(whole[:22] + b"\0\0\0\0" + whole[26:]) == found.sum:
        return True
    file.bad_sums += 1
    file.spot("checksum", found.offset, text="page")
    return False
