"""Sample footage: small recordings whose truth is known, for the demo, the tests and for trying things out."""

from __future__ import annotations

from pipeline.samples.footage import Footage, make_footage

__all__ = ["Footage", "make_footage"]
