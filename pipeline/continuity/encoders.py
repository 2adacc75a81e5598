"""Which encoder wrote the stream, and was it the same throughout? Parameter sets that change, and their habits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.continuity.coding import Change
from pipeline.continuity.model import Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

# What an encoder is built or set up with before it starts. Size, crop, timing, level and quantisers follow the picture.
_BUILD = {
    "profile", "chroma", "separate_planes", "frame_num_bits", "order_type", "order_bits", "frames_only",
    "direct_inference", "arithmetic", "bottom_order", "weighted", "weighted_bi", "deblocking_control",
    "constrained_intra", "redundant_count", "large_transform", "bit_depth", "blocks", "depths", "tools",
    "sign_hiding", "cabac_init", "transform_skip", "qp_delta", "tiles", "wavefront", "dependent_slices",
}  # fmt: skip
_SHAPE = {"size", "crop"}
_OFTEN = 6  # places where sets change: more is an encoder's way


def parameter_sets(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PARAMETERS-CHANGED: parameter sets get other content within the file, as where two were joined.

    Repeated sets are normal. Where the encoder's build changes and the picture keeps its size, no camera changed a
    setting: that is another encoder.
    """
    for track in picture.of_kind("video"):
        places = _places(track)
        if len(places) > _OFTEN:
            yield _restless(track, places)
            continue
        for number, changes in places.items():
            yield _changed(track, number, changes)


def _places(track: Track) -> dict[int, list[Change]]:
    """Changes by packet. Quantisers alone are rate control."""
    places: dict[int, list[Change]] = {}
    for change in track.coding.changes if track.coding else ():
        if change.fields != ("qp",):
            places.setdefault(change.packet, []).append(change)
    return places


def _changed(track: Track, number: int, changes: Sequence[Change]) -> Finding:
    fields = {field for change in changes for field in change.fields}
    other = bool(fields & _BUILD) and not fields & _SHAPE
    zh, en = _OTHER if other else _CHANGED
    where_zh, where_en = at(track, number)
    return Finding(
        code="REC-TRUE/PARAMETERS-CHANGED",
        axis=Axis.FILE,
        severity=Severity.VIOLATION if other else Severity.SUSPICION,
        start=time_of(track, number),
        end=time_of(track, number),
        zh=f"{where_zh}{zh}。",
        en=f"{where_en} {en}",
        evidence=evidence(track, number, changed={change.unit: list(change.fields) for change in changes}),
    )


_OTHER = (
    "编码参数变为另一编码器的参数：不同录像被拼接",
    "the parameters become another encoder's: recordings were joined",
)
_CHANGED = (
    "编码参数发生变化，可能由不同录像拼接而成",
    "the encoder's parameters change: two recordings may have been joined",
)


def _restless(track: Track, places: dict[int, list[Change]]) -> Finding:
    numbers = list(places)
    return Finding(
        code="REC-TRUE/PARAMETERS-CHANGED",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        start=time_of(track, numbers[0]),
        end=time_of(track, numbers[-1]),
        zh=f"编码参数多次变化（{len(numbers)} 处）。",
        en=f"the encoder's parameters change again and again ({len(numbers)} places)",
        evidence={"stream": track.stream.index, "packets": numbers[:20]},
    )


def software(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/ENCODER-HABITS: the parameter sets are those of a software encoder whose name was taken out."""
    named = {trace.stream for trace in picture.traces}
    for track in picture.of_kind("video"):
        if track.coding and track.coding.encoder and track.stream.index not in named:
            name, habits = track.coding.encoder, track.coding.habits
            yield Finding(
                code="UP-ORIGINAL/ENCODER-HABITS",
                axis=Axis.PROVENANCE,
                severity=Severity.SUSPICION,
                zh=f"编码参数具有软件编码器 {name} 的特征，但其名称不在文件中：可能经过重新编码。",
                en=f"the parameter sets are those of the software encoder {name}, whose name is not in the file: "
                "it may have been encoded anew",
                evidence={"stream": track.stream.index, "encoder": name, "habits": list(habits)},
            )


CHECKS = (parameter_sets, software)
