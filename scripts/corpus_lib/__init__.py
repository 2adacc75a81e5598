"""The corpus of recordings with known truth that the continuity checks are measured on (see docs/benchmarks.md).

Genuine sources are encoded by common encoders, stripped of their names and written by the muxers here, as cameras write
them; the manipulations are then made with the tools people use. Deterministic from a seed on one machine.
"""
