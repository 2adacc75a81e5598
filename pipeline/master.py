"""Archival masters (归档件): made without loss, and proven to be so (docs/decisions/0004-masters.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.media import ffmpeg, framehash, lossless
from pipeline.media.ffmpeg import ORIGINAL, Progress, Ran, Stream, Survey
from pipeline.media.framehash import Match
from pipeline.media.lossless import Keeping
from storage.errors import IntegrityError, Unreadable

MASTER = "master.mkv"
_ENCODING = 0.6  # the share of a master's time that goes into making it; the rest proves it
_FAITHFUL = ("-copyts",)  # stamps as they are in the original
_COPY: Mapping[str, str | None] = {"c": "copy", "copyinkf": None}

Options = Mapping[str, str | None]


class Master:
    """Makes one master and its proof. Hash lists of each stream go to out/original.N.hash and out/master.N.hash."""

    def __init__(self, original: Path, out: Path, found: Survey, progress: Progress) -> None:
        self._original, self._out, self._found, self._progress = original, out, found, progress
        self._reached = 0.0
        self._ran: list[Ran] = []
        self._complaints: dict[str, set[str]] = {}
        plans = [(stream, _keeping(stream)) for stream in [*found.of_kind("video"), *found.of_kind("audio")]]
        self._plans = [(stream, plan) for stream, plan in plans if plan is not None]
        if not self._plans:
            raise ffmpeg.unreadable("no picture and no sound that can be decoded")

    def lossless(self) -> dict[str, Any]:
        """FFV1 and FLAC; the original's frames are hashed in the pass that encodes them."""
        options = {f"{name}:{number}": value for number, (_, plan) in enumerate(self._plans)
                   for name, value in plan.encode.items()}  # fmt: skip
        source = ffmpeg.source(noautorotate=None, err_detect="crccheck")
        hashes = _hash_outputs(source, "original", self._indexes(), self.compared())
        ran = self._run([self._target(source, options), *hashes], {ORIGINAL: self._original}, 0.0, _ENCODING)
        self._complaints[ORIGINAL] = set(ran.complaints)
        return self.decoded_proof(self._out / MASTER, _ENCODING, 1.0)

    def copy(self) -> dict[str, Any]:
        """The packets as they are; or, where Matroska can't hold them, without loss as for long-term."""
        source = ffmpeg.source()
        same = [_COPY] * len(self._plans)
        hashes = _hash_outputs(source, "original", self._indexes(), same)
        try:
            self._run([self._target(source, _COPY), *hashes], {ORIGINAL: self._original}, 0.0, _ENCODING)
        except Unreadable:
            return self._instead("Matroska can't hold these streams as they are", self.lossless)
        try:
            return self._packets_proof(same)
        except IntegrityError:
            return self._instead("Matroska keeps these streams in another form", self._copy_by_decoding)

    def _packets_proof(self, same: Sequence[Options]) -> dict[str, Any]:
        self.hash(self._out / MASTER, "master", same, _ENCODING, 0.8)
        matches = self._matches([0.0] * len(self._plans))
        if any(match.configuration[0] != match.configuration[1] for match in matches):
            raise IntegrityError("解码参数的形式不同。", "the decoders' set-up is in another form")
        self._progress(1.0)
        return self._proof("packets", ["packets"] * len(matches), matches)

    def _copy_by_decoding(self) -> dict[str, Any]:
        """Lengths for start codes, headers once instead of each time …: compare what the streams show and sound."""
        self.hash(self._original, "original", self.compared(), 0.8, 0.9)
        try:
            return self.decoded_proof(self._out / MASTER, 0.9, 1.0)
        except IntegrityError:
            return self._instead("a copy in Matroska shows or sounds otherwise", self.lossless)

    @staticmethod
    def _instead(why: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The next best way, and why it was taken; the last reason stays."""
        return {"instead_of_packets": why, **make()}

    def decoded_proof(self, master: Path, begin: float, end: float) -> dict[str, Any]:
        """Decode `master`, compare with the original's lists, which must be there.

        A damaged slice may still give the right picture: its checksum tells. So a master whose decoding meets an error
        that the original's does not meet fails, too.
        """
        try:
            self.hash(master, "master", self.compared(), begin, end)
        except Unreadable as error:
            raise _damaged(error.en) from error
        new = sorted(self._complaints["master"] - self._complaints[ORIGINAL])
        if new:
            raise _damaged(new[0])
        matches = self._matches([plan.slack for _, plan in self._plans])
        return self._proof("decoded frames", [plan.form for _, plan in self._plans], matches)

    def hash(self, path: Path, name: str, options: Sequence[Options], begin: float, end: float) -> None:
        """Write the hash list of each kept stream of `path`; a master's streams come in the order of the plans."""
        indexes = self._indexes() if name == "original" else list(range(len(self._plans)))
        source = ffmpeg.source(name, noautorotate=None, err_detect="crccheck")
        ran = self._run(_hash_outputs(source, name, indexes, options), {name: path}, begin, end)
        self._complaints[name] = set(ran.complaints)

    def compared(self) -> list[Options]:
        return [plan.compare for _, plan in self._plans]

    def _indexes(self) -> list[int]:
        return [stream.index for stream, _ in self._plans]

    def _target(self, source: Any, options: Options) -> Any:
        chosen = [source[str(index)] for index in self._indexes()]
        return ffmpeg.output(chosen, MASTER, format="matroska", fflags="+bitexact", **options)

    def _run(self, outputs: Sequence[Any], files: Mapping[str, Path], begin: float, end: float) -> Ran:
        def report(fraction: float) -> None:
            self._reached = max(self._reached, begin + (end - begin) * fraction)
            self._progress(self._reached)

        length = self._found.duration
        ran = ffmpeg.run(outputs, files=files, out=self._out, duration=length, progress=report, options=_FAITHFUL)
        self._ran.append(ran)
        return ran

    def _matches(self, slack: Sequence[float]) -> list[Match]:
        ours, theirs = (
            [self._out / f"{name}.{number}.hash" for number in range(len(self._plans))]
            for name in ("original", "master")
        )
        return framehash.match(ours, theirs, slack=slack)

    def _proof(self, method: str, forms: Sequence[str], matches: Sequence[Match]) -> dict[str, Any]:
        streams = [
            _stream_proof(stream, form, match)
            for (stream, _), form, match in zip(self._plans, forms, matches, strict=True)
        ]
        kept = set(self._indexes())
        left_out = [_left_out(stream) for stream in self._found.streams if stream.index not in kept]
        return {
            "method": method,
            "identical": True,
            "streams": streams,
            "left_out": left_out,
            "tools": {"ffmpeg": ffmpeg.version()},
            "isolated": all(ran.isolated for ran in self._ran),
            "complaints": list(dict.fromkeys(line for ran in self._ran for line in ran.complaints))[:20],
        }


def _damaged(why: str) -> IntegrityError:
    return IntegrityError(f"归档件已损坏（{why}），归档件作废。", f"the master is damaged ({why}): it does not count")


def _keeping(stream: Stream) -> Keeping | None:
    return lossless.picture(stream) if stream.kind == "video" else lossless.sound(stream)


def _hash_outputs(source: Any, name: str, indexes: Sequence[int], options: Sequence[Options]) -> list[Any]:
    """One framehash list a stream."""
    return [
        ffmpeg.output([source[str(index)]], f"{name}.{number}.hash", format="framehash", hash="sha256", **each)
        for number, (index, each) in enumerate(zip(indexes, options, strict=True))
    ]


def _stream_proof(stream: Stream, form: str, match: Match) -> dict[str, Any]:
    """`sha256` is the same on both sides: it is over the frames' SHA-256, one hex line each."""
    proof = {
        "original_stream": stream.index,
        "kind": stream.kind,
        "codec": stream.codec,
        "compared": form,
        "frames": match.frames,
        "bytes": match.size,
        "original_sha256": match.sha256,
        "master_sha256": match.sha256,
        "largest_time_difference": round(match.drift, 6),
    }
    if not match.orderly:
        proof["timeline"] = "the original's own times go backwards or stand still"
    return proof | ({"rotation": stream.rotation} if stream.rotation else {})


def _left_out(stream: Stream) -> dict[str, Any]:
    why = "neither picture nor sound, or of no known codec: Matroska can't hold it"
    if stream.attached:
        why = "a still picture beside the recording"
    elif stream.kind == "video" and stream.codec:
        why = f"no lossless form for pixel format {stream.pix_fmt}"
    return {"original_stream": stream.index, "kind": stream.kind, "tag": stream.tag, "why": why}
