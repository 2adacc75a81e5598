"""How many samples the packets on an Ogg page hold: Opus (RFC 7845, 6716 3.1), Vorbis I, FLAC (RFC 9639 10.1), Speex.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from pipeline.media import flac_heads

_OPUS = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4  # samples at 48 kHz by configuration
_SIGNED = ("vendor", "encoder", "encoded-by", "encoded_by", "software")
_LONGEST_SETUP = 1 << 17  # bytes of a Vorbis set-up header


class Packets:
    """Takes the pages of one stream. `sound`: its headers are over. `rate`: of its positions, 0 where not known."""

    name = "unknown"
    rate = 0
    headers = 0  # packets before the sound

    def __init__(self) -> None:
        self.signed: list[tuple[str, str]] = []
        self._packets = 0
        self._pending = b""
        self._samples = 0
        self._known = True

    @property
    def sound(self) -> bool:
        return self._packets > self.headers > 0

    def take(self, lacing: bytes, body: bytes, *, continued: bool) -> int | None:
        """The samples of the packets that end on this page, None where they can't be told."""
        self._samples, self._known, at = 0, True, 0
        if not continued:
            self._pending = b""
        begun = at
        for size in lacing:
            at += size
            if size < 255:
                self._packet(self._pending + body[begun:at] if self._pending else body[begun:at])
                self._pending, begun = b"", at
        if lacing and lacing[-1] == 255:
            self._pending = (self._pending + body[begun:at])[:_LONGEST_SETUP]
        return self._samples if self._known else None

    def _packet(self, packet: bytes) -> None:
        self._packets += 1
        if self._packets <= self.headers:
            self.header(self._packets, packet)
            return
        samples = self.samples(packet) if packet else 0
        if samples is None:
            self._known = False
        else:
            self._samples += samples

    def header(self, number: int, packet: bytes) -> None:
        """A header; the second one holds the comments."""

    def samples(self, packet: bytes) -> int | None:
        return None

    def _comments(self, body: bytes) -> None:
        found = flac_heads.comments(body[: 1 << 16])
        self.signed += [(f"{self.name}/{name}", value) for name, value in found if name in _SIGNED][:10]


class Opus(Packets):
    name, rate, headers = "Opus", 48_000, 2

    def header(self, number: int, packet: bytes) -> None:
        if packet[:8] == b"OpusTags":
            self._comments(packet[8:])

    def samples(self, packet: bytes) -> int | None:
        code = packet[0] & 3
        frames = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[code]
        return _OPUS[packet[0] >> 3] * frames


class Vorbis(Packets):
    name, headers = "Vorbis", 3

    def __init__(self, first: bytes) -> None:
        super().__init__()
        self.rate = int.from_bytes(first[12:16], "little")
        self._sizes = (1 << (first[28] & 15), 1 << (first[28] >> 4)) if len(first) > 28 else (0, 0)
        self._modes: tuple[int, ...] = ()
        self._before = 0  # samples of the block before

    def header(self, number: int, packet: bytes) -> None:
        if packet[:7] == b"\x03vorbis":
            self._comments(packet[7:])
        elif packet[:7] == b"\x05vorbis":
            self._modes = modes(packet)

    def samples(self, packet: bytes) -> int | None:
        """Each block overlaps with the one before: a quarter of both comes out (Vorbis I 4.3.8)."""
        if not self._modes or packet[0] & 1:
            return None if not self._modes else 0
        mode = packet[0] >> 1 & (1 << (len(self._modes) - 1).bit_length()) - 1
        block = self._sizes[self._modes[mode]] if mode < len(self._modes) else 0
        before, self._before = self._before, block
        return (before + block) // 4 if before and block else 0


def modes(setup: bytes) -> tuple[int, ...]:
    """The block flag of each mode, from the end of a Vorbis set-up header (4.2.4); () where it can't be told.

    The modes stand last, each with a flag, 16 bits for a window type, 16 for a transform type (both 0), and 8 for a
    mapping, and before them their number less one in 6 bits. So they are read from the end: as many as have zeros for
    their types, so that the number before them fits.
    """
    bits = int.from_bytes(setup, "little")
    if not bits:
        return ()
    end = bits.bit_length() - 1  # the framing flag
    flags: list[int] = []
    fitting: tuple[int, ...] = ()
    while len(flags) < 64 and end - 41 * (len(flags) + 1) > 56:
        at = end - 41 * (len(flags) + 1)
        if bits >> at + 1 & 0xFFFFFFFF or bits >> at + 33 & 0xFF >= 64:
            break
        flags.insert(0, bits >> at & 1)
        if bits >> at - 6 & 63 == len(flags) - 1:
            fitting = tuple(flags)
    return fitting


class Flac(Packets):
    name = "FLAC"

    def __init__(self, first: bytes) -> None:
        super().__init__()
        self.headers = 1 + int.from_bytes(first[7:9], "big") if len(first) > 9 else 2
        told = flac_heads.info(first[17:51])
        self.rate = told.rate if told else 0

    def header(self, number: int, packet: bytes) -> None:
        if number > 1 and packet[:1] and packet[0] & 0x7F == 4:
            self._comments(packet[4:])

    def samples(self, packet: bytes) -> int | None:
        head = flac_heads.head(packet[:16])
        return head.samples if head else None


class Speex(Packets):
    name = "Speex"

    def __init__(self, first: bytes) -> None:
        super().__init__()
        fields = [int.from_bytes(first[at : at + 4], "little") for at in (36, 56, 64, 68)]
        self.rate, frame, frames, extra = fields
        self.headers = 2 + min(extra, 100)
        self._each = frame * max(1, frames)

    def header(self, number: int, packet: bytes) -> None:
        if number == 2:
            self._comments(packet)

    def samples(self, packet: bytes) -> int | None:
        return self._each


def packets_of(first: bytes) -> Packets:
    """The reader of a stream by the first bytes of its first page."""
    if first[:8] == b"OpusHead":
        return Opus()
    if first[:7] == b"\x01vorbis":
        return Vorbis(first)
    if first[:5] == b"\x7fFLAC":
        return Flac(first)
    if first[:8] == b"Speex   ":
        return Speex(first)
    return Packets()
