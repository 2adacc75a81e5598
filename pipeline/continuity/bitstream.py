"""What the encoder wrote into the stream, read without decoding: every check on it, by noun."""

from __future__ import annotations

from pipeline.continuity import counters, encoders, groups, order, sound

CHECKS = (*counters.CHECKS, *order.CHECKS, *groups.CHECKS, *encoders.CHECKS, *sound.CHECKS)
