"""What every manipulation of the corpus is given, and what it tells afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from scripts.corpus_lib import mp4, sources, ts
from scripts.corpus_lib.media import Media, group_seconds, key_times
from scripts.corpus_lib.programs import Failed
from scripts.corpus_lib.sources import Source

Span = tuple[float, float]


class NotHere(Failed):
    """The manipulation makes no sense for this source (too short, no sound …); not counted, not reported."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the damage is, in seconds from the first picture of the manipulated file; empty: nowhere in particular.

    `blind`: why docs/continuity.md calls it undetectable from the file, "" where it does not. `tool`: what did it.
    """

    at: tuple[Span, ...] = ()
    tool: str = "ffmpeg"
    blind: str = ""


@dataclass
class Job:
    """One manipulation to be made of one source. Write the result to `target`."""

    source: Source
    genuine: Path
    target: Path
    media: Media
    other: Callable[[], tuple[Media, Path]]
    stranger: Callable[[], tuple[Media, Path]]
    dice: random.Random
    work: Path
    extra: list[Path] = field(default_factory=list)

    @property
    def zero(self) -> float:
        """The container's time of the first picture: recorders' transport streams don't begin at zero."""
        return 10.0 if isinstance(self.source.style, ts.Style) else 0.0

    @property
    def is_mp4(self) -> bool:
        return isinstance(self.source.style, mp4.Style)

    @property
    def fragmented(self) -> bool:
        return isinstance(self.source.style, mp4.Style) and bool(self.source.style.fragment)

    @cached_property
    def keys(self) -> list[float]:
        assert self.media.video
        return key_times(self.media.video)

    @cached_property
    def group(self) -> float:
        return group_seconds(self.media)

    @property
    def intra(self) -> bool:
        """Every picture stands by itself."""
        return self.media.video is not None and all(packet.key for packet in self.media.video.packets)

    def cut(self, length: float) -> Span:
        """A stretch of about `length` that ends at a key picture somewhat past the middle: what follows decodes."""
        for key in self.keys:
            if key >= 0.45 * self.media.seconds and key - length >= 0.4:
                return round(key - length, 4), key
        raise NotHere("too short for this cut")

    def form(self) -> tuple[str, ...]:
        """ffmpeg's output format where the file's name would not give it."""
        if isinstance(self.source.style, mp4.Style) and self.source.sound and self.source.sound.codec.startswith("pcm"):
            return ("-f", "mov")
        return ()

    def save(self, media: Media) -> None:
        """Write it as the camera would."""
        self.target.write_bytes(sources.write(media, self.source.style))


@dataclass(frozen=True)
class Edit:
    """`family`: the class it is counted in. `quick`: part of the quick corpus."""

    name: str
    family: str
    make: Callable[[Job], Truth]
    quick: bool = False
