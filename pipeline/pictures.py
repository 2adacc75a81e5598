"""Film strips of stored recordings: the pictures around each finding, taken from the originals in the sandbox.

They are content: who calls this has made sure of a grant. They are kept in memory only, and only for a while; nothing
of them is written to a disk.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.derive import json_digest
from pipeline.intake import original_key
from pipeline.strips import Strips, collect
from storage.blobs.contract import BlobStore
from storage.catalogue.tables import Original

_MOST = 150  # pictures of one recording: about 1 MB of page
_KEPT = 32  # recordings whose strips are remembered
_AT_ONCE = 2  # recordings that pictures are taken from at the same time


class Pictures:
    """The strips of recordings, remembered by report: another report shows other places."""

    def __init__(self, tiers: Mapping[str, BlobStore]) -> None:
        self._tiers = tiers
        self._known: OrderedDict[str, Strips] = OrderedDict()
        self._lock = threading.Lock()
        self._working = threading.BoundedSemaphore(_AT_ONCE)

    def of(self, report: Mapping[str, Any], originals: Sequence[Original]) -> Strips:
        """The strips of a recording's report; what can't be decoded is left out. `originals`: in any order.

        Takes seconds the first time: a few for each file. Raises what the store raises where an original is missing.
        """
        key = json_digest(report)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        with self._working:
            made = self._take(report, {original.sha256: original for original in originals})
        with self._lock:
            self._known[key] = made
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return made

    def _take(self, report: Mapping[str, Any], originals: Mapping[str, Original]) -> Strips:
        with contextlib.ExitStack() as stack:
            paths = []
            for file in report["files"]:
                original = originals[file["sha256"]]
                paths.append(stack.enter_context(self._tiers[original.tier].local_path(original_key(original.sha256))))
            return collect(report, paths, most=_MOST, over=False)


def shown(strips: Strips, report: Mapping[str, Any]) -> dict[str, int]:
    """How many pictures of which original (SHA-256) are in the strips: what a look at them has seen."""
    count: dict[str, int] = {}
    for frames in (*strips.files.values(), *strips.series.values()):
        for frame in frames:
            sha256 = report["files"][frame.file]["sha256"]
            count[sha256] = count.get(sha256, 0) + 1
    return count
