"""What an encoder writes into its stream beside the picture and the sound: counters, parameter sets, frame heads.

Plain values, made by the readers of `pipeline.media` without decoding anything.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

# Bits of Slices.flags. SLICE: the packet holds a picture. INTRA: it needs no other one to be decoded.
IDR, REFERENCE, FIELD, SLICE = 1, 2, 4, 8
BOTTOM, INTRA = 16, 32  # BOTTOM: of the two fields of a frame
LEADING = 64  # shown before the key picture it follows, coded from pictures before that (HEVC: RASL)
RESET = 128  # the order count begins anew here, though this is no IDR
SPLICE = 256  # the stream itself marks a place where something was cut out or put in (HEVC BLA, MPEG-2 broken_link)
ENDED = 512  # behind this picture the stream says that the sequence ends

UNCOUNTED = -(1 << 31)  # Slices.order where nothing could be read
UNSCALED = -128  # Slices.qp likewise


@dataclass(frozen=True, slots=True)
class Slices:
    """The head of the first picture in each packet, one entry a packet.

    frame_num, idr_pic_id: H.264, -1 where there is none. order: the picture's place in the order of display as the
    encoder counts it (H.264 and HEVC PicOrderCnt, MPEG-2 temporal_reference; see `Coding` for those that count time),
    UNCOUNTED where not read. qp: quantiser of I pictures, else UNSCALED.
    """

    frame_num: array[int]
    idr_pic_id: array[int]
    order: array[int]
    qp: array[int]
    flags: array[int]


@dataclass(frozen=True, slots=True)
class Change:
    """From this packet on a parameter set has other content. `fields`: which of those we read; () for any other."""

    packet: int
    unit: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """How full the decoder's buffer is at a key picture, as the encoder has reckoned. Seconds.

    `delay`: the picture waits so long in it; `full`: the most it could. `elapsed`: since the last such statement, by
    the stream's own clock. 0 and -1 where not said.
    """

    packet: int
    delay: float
    elapsed: float = -1.0
    full: float = 0.0


@dataclass(frozen=True, slots=True)
class Coding:
    """What the parameter sets of a video stream say.

    `max_frame_num`, `gaps_allowed`: H.264. `order_modulus`: the order count is known only modulo this (0: there is
    none). `order_tick`: seconds of one count where the stream counts time rather than pictures, else 0.
    `encoder`: the program whose habits the parameter sets show, "" for none we know; `habits`: which. `parameters`: the
    fields that don't vary with the picture, as text, for device profiles. `stamps`: (packet, seconds of the day) as
    group headers or the encoder's own messages tell the time. `bit_rate`, `levels`: of the decoder's buffer.
    """

    codec: str = "h264"
    max_frame_num: int = 0
    gaps_allowed: bool = False
    order_modulus: int = 0
    order_tick: float = 0.0
    changes: tuple[Change, ...] = ()
    encoder: str = ""
    habits: tuple[str, ...] = ()
    parameters: str = ""
    stamps: tuple[tuple[int, float], ...] = ()
    bit_rate: int = 0
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A sound packet whose head does not follow from the one before. `what`: reservoir, window, header; number (FLAC);
    size, sum (AMR and AC-3 packets that are no whole frames, or not as they were written).
    """

    packet: int
    what: str
    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Sound:
    """What the heads of a stream's sound frames say.

    `samples`: in a frame, 0 where the head does not tell. `frames`: how many were read. `declared`: how many the first
    frame says there are (Xing), None without. `borrowed`: bytes the first frame takes from frames that are not there.
    """

    codec: str
    samples: int = 0
    frames: int = 0
    declared: int | None = None
    borrowed: int = 0
    faults: tuple[Fault, ...] = ()
