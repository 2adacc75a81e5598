"""The tables of a transport stream that say what is in it: PAT, PMT, SDT (ITU-T H.222.0 2.4.4, ETSI EN 300 468).

Runs inside the sandbox on untrusted bytes. Only the first packet of a table is read: recorders' tables fit into it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.structure import TableChange

_PAT, _SDT = 0x0000, 0x0011
_MOST_PROGRAMMES = 64
_MOST_CHANGES = 100
_MOST_SIGNED = 50


class Tables:
    """Follows the tables. `streams`: (PID, stream_type) of the first PMT; `shape`: strings for the fingerprint."""

    def __init__(self) -> None:
        self._pmts: set[int] = set()
        self._last: dict[tuple[int, int], bytes] = {}  # (PID, table id) → section
        self.changes: list[TableChange] = []
        self.streams: tuple[tuple[int, int], ...] = ()
        self._signed: dict[tuple[str, str], None] = {}
        self.shape: tuple[str, ...] = ()

    @property
    def signed(self) -> tuple[tuple[str, str], ...]:
        """(where, text) of the names in the tables."""
        return tuple(self._signed)

    def wants(self, pid: int) -> bool:
        return pid in (_PAT, _SDT) or pid in self._pmts

    def take(self, pid: int, packet: bytes, number: int, offset: int) -> None:
        """A packet of `pid` in which a table begins."""
        section = _section(packet)
        if len(section) < 8:
            return
        key = (pid, section[0])
        before = self._last.get(key)
        if before == section:
            return
        if section[0] == 0 and pid == _PAT:
            self._programmes(section)
        elif section[0] == 2 and pid in self._pmts:
            self._streams(pid, section)
        elif section[0] == 0x42 and pid == _SDT:
            self._services(section)
            return
        else:
            return
        self._last[key] = section
        if before is not None and len(self.changes) < _MOST_CHANGES:
            change = TableChange(pid, number, offset, section[5] >> 1 & 31, before[5] >> 1 & 31)
            self.changes.append(change)

    def _programmes(self, section: bytes) -> None:
        for at in range(8, len(section) - 7, 4):
            number, pid = int.from_bytes(section[at : at + 2], "big"), int.from_bytes(section[at + 2 : at + 4], "big")
            if number and len(self._pmts) < _MOST_PROGRAMMES:
                self._pmts.add(pid & 0x1FFF)

    def _streams(self, pid: int, section: bytes) -> None:
        if self.streams:
            return
        at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
        found, shapes = [], [f"pmt {pid:#06x} {''.join(f'{tag:02x}' for tag, _ in _descriptors(section[12:at]))}"]
        while at + 5 <= len(section) - 4:
            length = int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF
            found.append((int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF, section[at]))
            shapes.append("".join(f"{tag:02x}" for tag, _ in _descriptors(section[at + 5 : at + 5 + length])))
            at += 5 + length
        self.streams, self.shape = tuple(found[:100]), tuple(shapes[:100])

    def _services(self, section: bytes) -> None:
        at = 11
        while at + 5 <= len(section) - 4:
            length = int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF
            for tag, body in _descriptors(section[at + 5 : at + 5 + length]):
                if tag == 0x48 and len(body) >= 3:
                    self._service(body)
            at += 5 + length

    def _service(self, body: bytes) -> None:
        """A service descriptor: type, provider's name, service's name, each after its length."""
        provider = body[2 : 2 + body[1]]
        name = body[3 + body[1] :]
        for where, text in (("sdt/provider", provider), ("sdt/service", name)):
            shown = "".join(chr(byte) for byte in text[:80] if 32 <= byte < 127)
            if shown and len(self._signed) < _MOST_SIGNED:
                self._signed[where, shown] = None


def _section(packet: bytes) -> bytes:
    """The section that begins in this packet, as far as the packet holds it."""
    at = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    if at >= len(packet):
        return b""
    at += 1 + packet[at]
    length = int.from_bytes(packet[at + 1 : at + 3], "big") & 0xFFF
    return packet[at : at + 3 + length]


def _descriptors(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(body):
        yield body[at], body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + body[at + 1]
