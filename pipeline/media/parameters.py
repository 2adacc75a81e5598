"""What parameter sets tell of the encoder, as text: every field we read but those that vary with the picture.

Left out are numbers of sets, size, crop, level, timing, rate control and the first quantiser: one camera varies them
from mode to mode or from scene to scene. The rest is how the encoder was built and set up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

_VARIABLE = {"number", "sps", "level", "tier_level", "size", "crop", "timing", "hrd", "qp", "vector_bits", "buffering"}
_MOST = 600  # characters


def of_sets(sequences: Sequence[Any], pictures: Sequence[Any]) -> str:
    """Such as "sps profile=77 chroma=1 … pps arithmetic=1 …"; sets of one kind with one content once."""
    parts = [f"sps {_fields(each)}" for each in sequences] + [f"pps {_fields(each)}" for each in pictures]
    return " ".join(dict.fromkeys(parts))[:_MOST]


def _fields(parsed: Any) -> str:
    return " ".join(
        f"{field.name}={_plain(getattr(parsed, field.name))}"
        for field in dataclasses.fields(parsed)
        if field.name not in _VARIABLE
    )


def _plain(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return "(" + _fields(value).replace(" ", ",") + ")"
    if isinstance(value, tuple):
        return "(" + ",".join(map(_plain, value)) + ")"
    return str(int(value)) if isinstance(value, bool) else str(value)
