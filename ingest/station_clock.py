"""What the kernel knows of the station's clock, and what a card tells of its camera's clock."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Sequence
from datetime import datetime

from ingest.card import CardFile
from ingest.manifest import CameraClock, ClockLine, parse_time

_UNSYNCHRONISED = 0x40  # STA_UNSYNC of <linux/timex.h>
_ERROR = 5  # TIME_ERROR
_NEWEST_AHEAD = 1e10  # seconds; what the manifest can say at most


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>, Linux: the fields up to the ones read, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),
    )


def kernel_clock() -> tuple[bool | None, float | None]:
    """Whether the kernel holds its clock for synchronised, and its estimated error in seconds. None: it can't say.

    adjtimex(2) with no mode set only asks.
    """
    found = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found))
    except (AttributeError, OSError):
        return None, None
    if state < 0:
        return None, None
    synchronised = state != _ERROR and not found.status & _UNSYNCHRONISED
    return synchronised, found.esterror / 1e6 if synchronised else None


class StationClock:
    """Notices when the clock is set while the program runs. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base = _lead()
        self._jumped = 0.0

    def line(self) -> ClockLine:
        """For a manifest or a state. `jumped`: by how many seconds the clock was set since this object was made."""
        synchronised, error = kernel_clock()
        return ClockLine(synchronised=synchronised, error=error, jumped=self._look())

    def _look(self) -> float:
        """NTP slews at most 0.5 ms a second; what moves half a second between two looks was set."""
        with self._lock:
            lead = _lead()
            if abs(lead - self._base) > 0.5:
                self._jumped += lead - self._base
            self._base = lead
            return round(self._jumped, 3)


def _lead() -> float:
    """The wall clock minus the clock that only counts (and also while the machine sleeps)."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def camera_clock(files: Sequence[CardFile], said: str, now: datetime) -> CameraClock | None:
    """How far the camera's clock is ahead. `said`: its time as it wrote it into device.json when it was plugged in.

    Else by the newest file: a camera can't have dated it later than its clock stood, so the clock is ahead by at least
    that much. Usually this is negative and says only how long ago the last recording ended.
    """
    if said:
        try:
            ahead = (parse_time(said) - now).total_seconds()
            return CameraClock(offset=round(ahead, 3), bound="exact", source="device.json")
        except ValueError:
            pass
    if not files:
        return None
    ahead = max(file.modified for file in files).timestamp() - now.timestamp()
    if abs(ahead) > _NEWEST_AHEAD:
        return None
    return CameraClock(offset=round(ahead, 3), bound="at-least", source="newest-file")
