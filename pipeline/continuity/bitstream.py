"""What the encoder wrote into the stream, read without decoding: every check on it, by noun."""

from __future__ import annotations

from pipeline.continuity import buffers, counters, encoders, groups, order, sound, starts

CHECKS = (
    *counters.CHECKS,
    *order.CHECKS,
    *starts.CHECKS,
    *buffers.CHECKS,
    *groups.CHECKS,
    *encoders.CHECKS,
    *sound.CHECKS,
)
