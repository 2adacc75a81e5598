"""Which reader knows this file of sound: MP3, ADTS, AMR, AC-3, FLAC, Ogg. What it finds, for the checks.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from pipeline.continuity.framed import Count, Framed, Spot
from pipeline.continuity.structure import Structure
from pipeline.media import flac, mpeg_audio, ogg, rhythm, tags
from pipeline.media.ac3 import Ac3
from pipeline.media.adts import Adts
from pipeline.media.amr import of_magic
from pipeline.media.frames import Format, Walk, formats_of
from pipeline.media.mpeg_audio import Mpeg
from pipeline.media.scroll import Scroll
from pipeline.media.window import Window

_MOST_ZEROS = 1 << 20  # before the first frame
_NEAR = 8 << 10  # where a first frame is looked for when the file begins with none: frames are no longer
_MANY = 8  # frames in a row, where a file does not begin with them
_MOST_SHIFTS = 3
# Files that hold sound frames one behind another, but are something else.
_OTHERS = (
    b"RIFF", b"RF64", b"FORM", b"caff", b"FLV\x01", b"\x30\x26\xb2\x75", b"\x1a\x45\xdf\xa3", b"\0\0\1", b"\0\0\0\1",
    b"\x06\x0e\x2b\x34", b"DHAV", b".snd", b"\xff\xd8\xff", b"wvpk", b"riff", b"\x47",
)  # fmt: skip


def read(window: Window) -> Structure | None:
    """What the frames or pages show, or None when the file is no such sound."""
    scroll = Scroll(window)
    leading = tags.leading(scroll)
    start = leading[-1].end if leading else 0
    head = scroll.piece(start, 32)
    if head[:4] == b"fLaC":
        return flac.read(scroll, start)
    if head[:4] == b"OggS" and not start:
        return ogg.read(scroll, start)
    closing = tags.closing(scroll)
    end = closing[0].offset if closing and closing[0].offset > start else scroll.size
    if found := of_magic(head):
        form: Format | None = found[0]
        first = start + found[1]
    else:
        first = scroll.zeros(start, min(end, start + _MOST_ZEROS))
        form, first = _form(scroll, first, end, other=head.startswith(_OTHERS) or head[4:8] == b"ftyp")
    if form is None:
        return None
    walk = Walk(scroll, form, end, at=first)
    walk.run()
    walk.sums.finish()
    names = [tag.name for tag in leading], [tag.name for tag in closing]
    return _structure(walk, names, start=start, found_at=first, magic=bool(found))


def _form(scroll: Scroll, first: int, end: int, *, other: bool) -> tuple[Format | None, int]:
    """The format and where its frames begin: at once, or behind the rest of one that was cut through."""
    forms: tuple[Format, ...] = (Adts(), Ac3(), Mpeg())
    if form := formats_of(scroll, forms, first, end):
        return form, first
    if other:
        return None, first
    for at in range(first + 1, min(first + _NEAR, end)):
        if scroll.piece(at, 1) in (b"\xff", b"\x0b") and (form := formats_of(scroll, forms, at, end, _MANY)):
            return form, at
    return None, first


def _structure(
    walk: Walk, names: tuple[list[str], list[str]], *, start: int, found_at: int, magic: bool
) -> Structure | None:
    form = walk.format
    if not walk.frames and not magic:
        return None
    if found_at > start and not magic and walk.scroll.zeros(start, found_at) < found_at:
        walk.spots.add(Spot("between", start, 0, 0.0, 0, found_at - start))
    walk.modes()
    if (size := walk.one_size()) and not any(spot.what == "begin" for spot in walk.spots.all()):
        walk.spots.out_of_step(size, walk.first)
    told: mpeg_audio.Told | None = None
    counted: tuple[Count, ...] = ()
    steady, signed = 0, []
    if isinstance(form, Mpeg):
        told = form.told
        counted, steady = mpeg_audio.counts(walk, told), _rhythm(walk, form)
        mpeg_audio.sound_sum(walk, told)
        signed = [(told.name, told.encoder)] if told and told.encoder else []
    layout = [*names[0], *([told.name] if told else []), "frames", *names[1]]
    trailing = walk.trailing
    framed = _framed(walk, counted, steady)
    return Structure(form.name, tuple(layout), tuple(signed), trailing=trailing, framed=framed)


def _framed(walk: Walk, counted: tuple[Count, ...], steady: int) -> Framed:
    return Framed(
        walk.format.name,
        walk.frames,
        round(walk.seconds, 6),
        first=max(walk.first, 0),
        spots=walk.spots.all(),
        spot_count=walk.spots.count,
        counts=counted,
        rhythm=steady,
        summed=walk.sums.done,
        unsummed=walk.sums.left,
        bad_sums=walk.sums.bad,
        complete=walk.complete,
    )


def _rhythm(walk: Walk, form: Mpeg) -> int:
    """Puts down where the rhythm of padding is shifted; returns how many frames keep one."""
    padding = form.padding
    if not padding.constant or len(padding.bits) != walk.frames or len(walk.fixed) != 1:
        return 0
    if any(spot.what in ("parameters", "begin") for spot in walk.spots.all()):
        return 0
    rate, samples = _timing(walk)
    kbps = int(padding.mode.partition(" ")[0] or 0)
    kept, shifts = rhythm.shifts(padding.bits, rhythm.share(kbps, samples, rate), _MOST_SHIFTS)
    for shift in shifts:
        if not _damaged(walk, shift):
            _shifted(walk, shift, samples / rate)
    return kept


def _damaged(walk: Walk, shift: rhythm.Shift) -> bool:
    """A frame there is no frame any more but still takes its place: that shifts the rhythm too."""
    head = walk.format.head(walk.scroll.piece(walk.first, walk.format.need))
    return any(
        spot.what == "between" and head and spot.found >= head.size - 1 and shift.earliest <= spot.frame <= shift.latest
        for spot in walk.spots.all()
    )


def _timing(walk: Walk) -> tuple[int, int]:
    """(samples a second, samples in a frame) of the first frame."""
    head = walk.format.head(walk.scroll.piece(walk.first, walk.format.need))
    if head is None:
        return 1, 1
    rate = int(head.fixed.split(", ")[1].partition(" ")[0])
    return rate, round(head.seconds * rate)


def _shifted(walk: Walk, shift: rhythm.Shift, seconds: float) -> None:
    offset, width = _offset(walk, shift.earliest), shift.latest - shift.earliest
    walk.spots.add(Spot("rhythm", offset, shift.earliest, round(shift.earliest * seconds, 6), expected=width))


def _offset(walk: Walk, frame: int) -> int:
    """Where a frame stands: frames of one bit rate are as long as their number and padding make them."""
    at, left = walk.first, frame
    while left > 0 and (head := walk.format.head(walk.scroll.piece(at, walk.format.need))):
        at, left = at + head.size, left - 1
    return at
