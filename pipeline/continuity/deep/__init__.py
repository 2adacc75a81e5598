"""Checks on decoded pictures and sound (`liuhen check --deep`): pure, on the numbers in `Picture.content`."""

from __future__ import annotations

from pipeline.continuity.deep import (
    blank,
    boundary,
    burned_in,
    clock_date,
    cuts,
    damage,
    frozen,
    loops,
    rhythm,
    silence,
    tones,
)

CHECKS = (
    *cuts.CHECKS,
    *frozen.CHECKS,
    *blank.CHECKS,
    *loops.CHECKS,
    *rhythm.CHECKS,
    *silence.CHECKS,
    *tones.CHECKS,
    *burned_in.CHECKS,
    *clock_date.CHECKS,
    *damage.CHECKS,
)

SERIES_CHECKS = boundary.CHECKS
