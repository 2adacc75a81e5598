"""Asking a witness over HTTP for its cosignature on a checkpoint (c2sp.org/tlog-witness, the client's side).

What a witness answers is believed as far as its signature goes, no further: size, time and form are limited, its
redirects are not followed, its idea of the last size only says where the next proof begins.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from storage.errors import IntegrityError, LiuhenError
from storage.ledger import checkpoint, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import cosignature
from storage.ledger.witnesses.policy import Witness
from storage.ledger.witnesses.witnessing import SIZE_TYPE, Request

DEADLINE = 20.0  # seconds for one answer
MAX_ANSWER = 128 << 10  # bytes
ATTEMPTS = 3  # another client of the same log may be quicker once or twice
_log = logging.getLogger(__name__)

Prover = Callable[[int, int], Sequence[bytes]]
"""The consistency proof between two sizes of the published tree, the older first and above 0."""


class WitnessFailed(LiuhenError):
    """A witness gave no cosignature this time: down, slow, or its answer is none."""


class WitnessAhead(WitnessFailed):
    """A witness cosigned a larger tree of this log than the one published: the log went back, or has a twin."""

    def __init__(self, url: str, size: int, have: int) -> None:
        super().__init__(
            f"见证人 {url} 已见证过 {size} 条的存证链，而当前只有 {have} 条：可能恢复了旧备份，"
            "或同一密钥另有一条链在签发。请停止签发并按 docs/ledger.md“见证”处理。",
            f"the witness {url} has cosigned this log with {size} entries, but it has {have} now: an old backup was "
            'restored, or the same key signs a second log. Stop it and follow "Witnesses" in docs/ledger.md',
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class Answer:
    """`lines`: the signature lines of known keys, verified, with newlines."""

    lines: tuple[str, ...]


class WitnessClient:
    """One submission prefix, and the keys of the policy that are expected to answer there. Not safe among threads."""

    def __init__(self, url: str, witnesses: Sequence[Witness]) -> None:
        self.url = url.rstrip("/")
        self.witnesses = tuple(witnesses)
        self._http = httpx.Client(timeout=DEADLINE / 2, follow_redirects=False, headers={"Accept-Encoding": "identity"})
        self.size = 0
        """What this witness cosigned last, as far as is known: a hint."""

    def ask(self, signed: bytes, prove: Prover) -> Answer:
        """Its cosignatures on the published checkpoint `signed`. Raises WitnessFailed; WitnessAhead is for alarm."""
        head = checkpoint.parse(note.parse(signed).text)
        deadline = time.monotonic() + DEADLINE
        old = min(self.size, head.size)
        for _ in range(ATTEMPTS):
            hashes = tuple(prove(old, head.size)) if 0 < old < head.size else ()
            status, kind, body = self._post(Request(old, hashes, signed).encode(), deadline)
            if status == 200:
                answer = self._read(signed, body)
                self.size = head.size
                return answer
            if status != 409 or kind != SIZE_TYPE:
                raise self._failed(f"状态码 {status}", f"it answered with status {status}")
            old = self._conflict(head, body)
        raise self._failed("大小一再变动", "its size changes again and again")

    def close(self) -> None:
        self._http.close()

    def _post(self, body: bytes, deadline: float) -> tuple[int, str, bytes]:
        """Status, media type and body of the answer. The body is cut off where it is too long or too slow."""
        content = bytearray()
        try:
            with self._http.stream("POST", f"{self.url}/add-checkpoint", content=body) as response:
                for piece in response.iter_raw(8 << 10):
                    content += piece
                    if len(content) > MAX_ANSWER:
                        raise self._failed("应答过长", "its answer is too long")
                    if time.monotonic() > deadline:
                        raise self._failed("应答过慢", "its answer is too slow")
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return response.status_code, kind, bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._failed("无法连接", f"it can't be reached ({error or type(error).__name__})") from error

    def _conflict(self, head: Checkpoint, body: bytes) -> int:
        """The size that the witness says it has."""
        try:
            size = checkpoint.parse_number(body.decode("ascii").removesuffix("\n"))
        except (UnicodeDecodeError, IntegrityError) as error:
            raise self._failed("大小无法读取", "its size can't be read") from error
        if size > head.size:
            raise WitnessAhead(self.url, size, head.size)
        if size < self.size:
            _log.warning("the witness %s went back from %d to %d entries", self.url, self.size, size)
        self.size = size
        return size

    def _read(self, signed: bytes, body: bytes) -> Answer:
        """The lines of known keys in an answer; those of others are ignored, a wrong one spoils it."""
        try:
            given = note.parse(signed + body)
            lines = given.signatures[len(note.parse(signed).signatures) :]
        except IntegrityError as error:
            raise self._failed("签名行无法读取", f"its signature lines can't be read ({error})") from error
        kept = [self._line(given.text, line) for line in lines]
        answer = Answer(tuple(line for line in kept if line))
        if not answer.lines:
            raise self._failed("没有策略中公钥的签名", "no key of the policy signed its answer")
        return answer

    def _line(self, text: str, line: note.Signature) -> str:
        """A verified signature line; empty when the key is not known here."""
        for witness in self.witnesses:
            if (line.name, line.key_id) != (witness.key.name, witness.key.key_id):
                continue
            if not witness.key.accepts(text, line.value) or cosignature.timestamp(line.value) == 0:
                raise self._failed("签名无效", "its cosignature is not valid")
            return f"— {line.name} {note.encode_base64(line.key_id + line.value)}\n"
        return ""

    def _failed(self, zh: str, en: str) -> WitnessFailed:
        return WitnessFailed(f"见证人 {self.url}：{zh}。", f"the witness {self.url} gave no cosignature: {en}")
