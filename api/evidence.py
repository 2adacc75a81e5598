"""The evidence of a finding as names and short texts: packet numbers, byte offsets, boxes, frame times. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from api.words import Pair

_LONGEST = 400  # characters of one value
_MOST_VALUES = 24

NAMES: Mapping[str, Pair] = {
    "stream": ("轨道", "stream"),
    "track": ("轨道", "track"),
    "packet": ("数据包序号", "packet number"),
    "packet_before": ("前一个数据包", "packet before"),
    "packet_after": ("后一个数据包", "packet after"),
    "packets": ("数据包", "packets"),
    "picture": ("帧序号", "picture number"),
    "pictures": ("帧数", "pictures"),
    "offset": ("字节位置", "byte offset"),
    "offsets": ("字节位置", "byte offsets"),
    "offset_before": ("前一个字节位置", "byte offset before"),
    "offset_after": ("后一个字节位置", "byte offset after"),
    "bytes": ("字节数", "bytes"),
    "size": ("字节数", "bytes"),
    "box": ("数据盒", "box"),
    "interval": ("间隔（秒）", "interval (s)"),
    "median_interval": ("通常间隔（秒）", "usual interval (s)"),
    "frame_time": ("每帧时长（秒）", "time of a frame (s)"),
    "shift": ("错开（秒）", "shift (s)"),
    "jump": ("跳变（秒）", "jump (s)"),
    "gap": ("缺口（秒）", "gap (s)"),
    "missing": ("缺失", "missing"),
    "seconds": ("秒", "seconds"),
    "before": ("之前", "before"),
    "after": ("之后", "after"),
    "expected": ("应为", "expected"),
    "found": ("实为", "found"),
    "declared": ("文件声明", "declared"),
    "traces": ("痕迹", "traces"),
    "layout": ("文件结构", "layout"),
    "marks": ("特征", "marks"),
    "created": ("创建时间", "created"),
    "modified": ("修改时间", "modified"),
    "path": ("文件", "file"),
    "sha256": ("SHA-256", "SHA-256"),
    "sha256_before": ("此前的 SHA-256", "SHA-256 before"),
    "docking": ("接入记录", "docking"),
    "listed": ("列入清单", "listed"),
    "earlier_docking": ("较早的接入记录", "earlier docking"),
    "earlier_time": ("较早的时间", "earlier time"),
    "clock": ("画面时钟", "clock in the picture"),
    "readings": ("识读次数", "readings"),
    "profile": ("设备特征", "profile"),
    "learned": ("已学习", "learned"),
    "first": ("第一个", "first"),
    "last": ("最后一个", "last"),
    "sequence": ("分段号", "segment number"),
}
"""The words for what most evidence is called; the others keep their name in the report."""


def values(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    texts = [
        (name, json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value)
        for name, value in evidence.items()
    ]
    short = [(name, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") for name, text in texts]
    return short if len(short) <= _MOST_VALUES else [*short[:_MOST_VALUES], ("…", str(len(short) - _MOST_VALUES))]
