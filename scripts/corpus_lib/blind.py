"""Manipulations that leave nothing in the file, each with its reason: docs/continuity.md, "Limits", lists them.

They stay in the tables, counted apart. What is found of them all the same is counted there too.
"""

from __future__ import annotations

from scripts.corpus_lib.sources import Source

_ANY = {
    "surgery-trim-head": "a clean head trim: the mirror of a clean tail trim",
    "reencode-disguised": "coded again by the camera's own encoder, whole, and written as the camera writes",
}
_SIGNED = {
    "remux": "the signatures prove every picture: a new container is no break",
    "trim-tail": "a clean tail trim at the end of a signed group",
    "surgery-speed": "a tenth of ten seconds is within what the signed times leave open",
    "reencode-cut": "nothing moves in this scene and no clock is in the picture",
    "freeze": "nothing moves in this scene and no clock is in the picture",
}


def why(source: Source, family: str) -> str:
    """Why this manipulation can't be seen in this recording; "" where it can."""
    if family == "dates-all" and not source.picture.osd and "{t" not in source.pattern:
        return "all dates of the file were changed alike, and no other clock is in it"
    if source.name.startswith(("real-axis", "real-onvif")) and family in _SIGNED:
        return _SIGNED[family]
    return _ANY.get(family, "")
