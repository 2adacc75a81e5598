"""Damage for readers: bytes changed, taken out, put in, cut off, chosen by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

_WORDS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\x7f\xff\xff\xff", b"\0\0\0\x08", b"\x80\0\0\0")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The file with up to eight injuries; more of them near its ends, where the headers are."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 8))):
        zone = draw(st.sampled_from([(0, 600), (len(data) - 600, len(data)), (0, len(data))]))
        at = draw(st.integers(max(0, zone[0]), max(1, min(zone[1], len(data))) - 1))
        how = draw(st.integers(0, 3))
        if how == 0:
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif how == 1:
            data[at : at + 4] = draw(st.sampled_from(_WORDS))
        elif how == 2:
            del data[at : at + draw(st.integers(1, 200))]
        else:
            data[at:at] = draw(st.binary(max_size=20))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data)
