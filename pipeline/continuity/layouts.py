"""Muxers by the way they build a file, for where a name is absent: removed, or copied from the source.

A row holds what a program writes whatever the source was. Devices that are built on the same library look alike: so a
match is a suspicion until a profile of the device says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.continuity.structure import Structure


@dataclass(frozen=True, slots=True)
class Muxer:
    """`pattern` must match the items of a layout, one to a line; `marks`: what is peculiar, for the evidence."""

    name: str
    container: str
    pattern: re.Pattern[str]
    marks: str


_DREF = r"dinf\(dref\) "
_HEADER = r"minf\(\w+(?:\([^)]*\))?(?: hdlr [^(]*)? ?"
_TABLES = r"stbl\(stsd [^ ]* stts (?:stss )?(?:stps )?(?:sdtp )?(?:ctts )?(?:cslg )?stsc stsz stco(?: sgpd sbgp)*\)"
_TRACK = (
    r"(?:trak\(tkhd (?:tapt )?edts\(elst\) (?:tref )?mdia\(mdhd hdlr [^(]*"
    + _HEADER
    + _DREF
    + _TABLES
    + r"\)\)(?: udta)?\)\n)+"
)
_EMPTY_TRACK = (
    r"(?:trak\(tkhd (?:edts\(elst\) )?mdia\(mdhd hdlr [^(]*"
    + _HEADER
    + _DREF
    + r"stbl\(stsd [^ ]* stts stsc stsz stco\)\)\)\)\n)+"
)
_PLAIN_TABLES = r"stbl\(stsd [^ ]* stts (?:stss )?(?:ctts )?stsc stsz (?:ctts )?(?:stco|co64)\)"
_NAMED_TRACK = (
    r"(?:trak\(tkhd edts\(elst\) mdia\(mdhd hdlr \w+ (?:Video|Sound)Handler "
    + _HEADER
    + _DREF
    + _PLAIN_TABLES
    + r"\)\)(?: udta)?\)\n)+"
)
_MOVIE = r"moov\nmvhd 1000\n(?:iods\n)?" + _TRACK + r"(?:udta\n)?"
_AVI_STREAM = r"(?:hdrl/LIST strl\nstrl/strh .*\nstrl/strf\n(?:strl/strn\n)?(?:strl/JUNK|strl/indx)\n(?:strl/vprp\n)?)+"

MUXERS = (
    # libavformat/movenc.c: minor version 0x200 whatever the brand; eight spare bytes before the data; an edit list in
    # every track; a movie timescale of 1000; this order of tables; udta last.
    Muxer(
        "FFmpeg",
        "isobmff",
        re.compile(r"ftyp .{4} 512 .*\n(?:(?:free|wide)\nmdat\n" + _MOVIE + "|" + _MOVIE + r"(?:free|wide)\nmdat\n)"),
        "ftyp 512, spare bytes before mdat, mvhd 1000, edts in every trak, order of stbl",
    ),
    Muxer(
        "FFmpeg",
        "isobmff",
        re.compile(
            r"ftyp .{4} 512 .*\n(?:free\n)?moov\nmvhd 1000\n"
            + _EMPTY_TRACK
            + r"mvex\([^)]*\)\n(?:udta\n)?(?:(?:moof|mdat|sidx)\n)+mfra\n"
        ),
        "ftyp 512, mvhd 1000, mfra, order of stbl",
    ),
    # GStreamer's qtmux and VLC's muxer, as their files are built: four and two brands, no minor version, spare bytes
    # of one header, an edit list in every track. Network cameras are built on GStreamer, too.
    Muxer(
        "GStreamer",
        "isobmff",
        re.compile(
            r"ftyp mp42 0 mp42,mp41,isom,iso2\n(?:free\nmdat\nmoov\nmvhd \d+\n"
            + _NAMED_TRACK
            + r"|moov\nmvhd \d+\n"
            + _NAMED_TRACK
            + r"(?:udta\n)?(?:free\n)*mdat\n)"
        ),
        "ftyp mp42 0 with mp42, mp41, isom, iso2, edts in every trak, VideoHandler, order of stbl",
    ),
    Muxer(
        "VLC",
        "isobmff",
        re.compile(
            r"ftyp isom 0 mp41,avc1\n(?:wide\nmdat\nmoov\nmvhd 90000\n"
            + _NAMED_TRACK
            + r"|moov\nmvhd 90000\n"
            + _NAMED_TRACK
            + r"(?:udta\n)?wide\nmdat\n)"
        ),
        "ftyp isom 0 with mp41, avc1, mvhd 90000, edts in every trak, wide before mdat, order of stbl",
    ),
    # libavformat/avienc.c: room kept for an index in each stream, in the header and before the data.
    Muxer(
        "FFmpeg",
        "avi",
        re.compile(
            r"LIST hdrl\nhdrl/avih\n" + _AVI_STREAM + r"(?:hdrl/JUNK|hdrl/LIST odml)\n(?:LIST INFO\n)?JUNK\nLIST movi\n"
        ),
        "JUNK in every strl, in hdrl and before movi",
    ),
)


def muxer(structure: Structure) -> Muxer | None:
    """The muxer whose way of building this file is laid out."""
    lines = "".join(f"{item}\n" for item in structure.layout)
    return next((m for m in MUXERS if m.container == structure.container and m.pattern.match(lines)), None)
