"""The provenance checks of one file, from the modules of their nouns: who wrote it, do its dates and sensors agree?"""

from __future__ import annotations

from pipeline.continuity import clocks, photo, telemetry, writers

CHECKS = (*writers.CHECKS, *clocks.CHECKS, *telemetry.CHECKS, *photo.CHECKS)
