"""How figures are shown: times, durations, sizes, digests. Pure."""

from __future__ import annotations

import base64
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from pipeline.continuity.words import clock


def local_time(moment: datetime | None, zone: ZoneInfo) -> str:
    """2026-11-20 09:02:03 in the bureau's time zone; "—" for none."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if moment else "—"


def duration(seconds: float | None) -> str:
    """h:mm:ss, rounded down as a player's clock is; "—" for none."""
    if seconds is None:
        return "—"
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def fine(seconds: float) -> str:
    """With hundredths, so that neighbouring pictures differ: 0:00:03.96."""
    hundredths = round(abs(seconds) * 100)
    minutes, rest = divmod(hundredths, 6000)
    sign = "-" if seconds < 0 and hundredths else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def jpeg(body: bytes) -> Markup:
    """A picture as an address of its own (RFC 2397)."""
    return Markup("data:image/jpeg;base64,") + base64.b64encode(body).decode("ascii")


def span(start: float | None, end: float | None) -> str:
    """The time range of a finding, to a tenth of a second as its words have it; one time where both are the same, "—"
    where there is none.
    """
    if start is None:
        return "—"
    first = clock(start)
    last = first if end is None else clock(end)
    return first if first == last else f"{first} – {last}"


def device(make: str | None, model: str | None, serial: str | None) -> str:
    """Maker, model and serial number; the maker once where the model begins with it (Canon Canon PowerShot …)."""
    doubled = make and model and model.casefold().startswith(make.casefold())
    return " ".join(part for part in (None if doubled else make, model, serial) if part)


def size(count: int) -> str:
    """Bytes with a binary unit: 1.4 GiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def short(digest: str) -> str:
    """The first 12 digits, enough to tell digests apart on a page; the copy button has the whole one."""
    return f"{digest[:12]}…" if len(digest) > 13 else digest


def day_start(text: str, zone: ZoneInfo) -> datetime | None:
    """The beginning of the local day "2026-11-20"; None where the text is no date."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone)
    except ValueError:
        return None


def day_end(text: str, zone: ZoneInfo) -> datetime | None:
    """The first moment after the local day."""
    start = day_start(text, zone)
    try:
        return datetime.combine(start.date() + timedelta(days=1), time(), zone) if start else None
    except OverflowError:
        return None
