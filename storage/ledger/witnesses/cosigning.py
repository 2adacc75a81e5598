"""Getting published checkpoints cosigned, beside the sequencer and never in its way.

A thread takes the newest published checkpoint every few seconds, asks all witnesses of the policy at once, and when
the quorum is met writes the file `witnessed`. A witness that is down is asked again later, ever more rarely; one that
hangs keeps only its own thread. Nothing waits for any of this: receipts go out against the published checkpoint.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO

from storage import durable
from storage.errors import LiuhenError
from storage.ledger import checkpoint, merkle, note, tiles
from storage.ledger.folder import LedgerFolder
from storage.ledger.witnesses import policy, witnessed
from storage.ledger.witnesses.policy import Policy, Witness, Witnessed
from storage.ledger.witnesses.witness import DEADLINE, Answer, WitnessAhead, WitnessClient

LONGEST_PAUSE = 600.0  # seconds between two attempts at a witness that is down
_log = logging.getLogger(__name__)

LogKeys = Callable[[], Sequence[note.Verifier]]


class _Place:
    """One witness's address: its client, what it answered about the present checkpoint, and when to ask again."""

    def __init__(self, client: WitnessClient) -> None:
        self.client = client
        self.lines: tuple[str, ...] = ()
        self.failures = 0
        self.not_before = 0.0
        self.alarm: WitnessAhead | None = None
        self.thread: threading.Thread | None = None

    @property
    def is_due(self) -> bool:
        return not self.lines and self.thread is None and time.monotonic() >= self.not_before


class Cosigning:
    """Asks the witnesses of `rules` about the log in `folder`, at most every `seconds`.

    `logs` gives the log's keys, as they are at the time: they change.
    """

    def __init__(self, folder: Path, rules: Policy, logs: LogKeys, seconds: float) -> None:
        self._folder = LedgerFolder(folder)
        self._rules = rules
        self._logs = logs
        self._seconds = seconds
        self._places = [_Place(WitnessClient(url, witnesses)) for url, witnesses in _by_url(rules.witnesses).items()]
        self._target = b""
        self._kept = False
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin in the background. Does nothing when the policy has no witness with an address."""
        if not self._places:
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="cosigning", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread; requests under way are left to themselves."""
        self._stopping.set()
        with self._news:
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._news:
            for place in self._places:
                if place.thread is None:
                    place.client.close()

    def seen(self) -> Witnessed | None:
        """Who cosigned the newest witnessed checkpoint; None before the first."""
        return witnessed.seen(self._folder.root, self._rules, self._logs())

    def alarms(self) -> list[WitnessAhead]:
        """What witnesses say to have seen of this log and it has not. A witness may be wrong; somebody must look."""
        with self._news:
            return [place.alarm for place in self._places if place.alarm]

    def run_once(self) -> bool:
        """One round over the newest published checkpoint. Says whether it is witnessed by a quorum now."""
        if not self._take_newest():
            return False
        asked = [place for place in self._places if place.is_due and not self._kept]
        for place in asked:
            self._ask(place, self._target)
        self._wait(asked)
        return self._keep()

    def _run(self) -> None:
        with self._alone() as lock:
            while not self._stopping.is_set():
                try:
                    if _take(lock):
                        self.run_once()
                except LiuhenError as error:
                    _log.error("the witnesses' cosignatures could not be kept: %s", error)
                except Exception:  # a defect of ours must not end the thread unseen
                    _log.exception("asking the witnesses failed")
                self._stopping.wait(self._seconds)

    def _alone(self) -> IO[bytes]:
        """The file whose lock the asking process holds, so that a second one beside it does not ask too."""
        durable.make_directory(self._folder.root)
        return (self._folder.root / ".cosigning.lock").open("ab")

    def _take_newest(self) -> bool:
        """Turn to the newest published checkpoint. False before there is one."""
        signed = self._folder.checkpoint()
        if signed is None:
            return False
        if signed != self._target:
            if not self._target:
                self._recall()
            with self._news:
                self._target, self._kept = signed, False
                for place in self._places:
                    place.lines = ()
        return True

    def _recall(self) -> None:
        """After a start: who signed the witnessed checkpoint has probably seen no newer one."""
        known = self._logs()
        if self._rules.logs and not {str(log.key) for log in self._rules.logs} & {str(key) for key in known}:
            _log.warning("the witness policy names logs, but not this one: whoever verifies by it refuses our receipts")
        if found := witnessed.seen(self._folder.root, self._rules, self._logs()):
            names = {each.witness.name for each in found.seen}
            for place in self._places:
                if names & {witness.name for witness in place.client.witnesses}:
                    place.client.size = found.checkpoint.size

    def _ask(self, place: _Place, target: bytes) -> None:
        def ask() -> None:
            answer: Answer | LiuhenError
            try:
                answer = place.client.ask(target, self._prove)
            except LiuhenError as error:
                answer = error
            except Exception as error:
                _log.exception("asking the witness %s failed", place.client.url)
                answer = LiuhenError(str(error), str(error))
            with self._news:
                self._note(place, target, answer)
                place.thread = None
                if self._stopping.is_set():
                    place.client.close()
                self._news.notify_all()

        place.thread = threading.Thread(target=ask, name=f"witness {place.client.url}", daemon=True)
        place.thread.start()

    def _note(self, place: _Place, target: bytes, answer: Answer | LiuhenError) -> None:
        if isinstance(answer, Answer):
            place.failures, place.not_before, place.alarm = 0, 0.0, None
            place.lines = answer.lines if target == self._target else ()
            return
        if isinstance(answer, WitnessAhead):
            if answer.size <= _size(self._folder.checkpoint() or target):
                return  # the log has grown meanwhile, and another process asked
            place.alarm = answer
        if place.failures == 0 or isinstance(answer, WitnessAhead):
            _log.log(logging.ERROR if isinstance(answer, WitnessAhead) else logging.WARNING, "%s", answer)
        place.failures += 1
        place.not_before = time.monotonic() + min(LONGEST_PAUSE, self._seconds * 2 ** min(place.failures, 12))

    def _wait(self, asked: Sequence[_Place]) -> None:
        """Until these have answered, no longer than one answer may take."""
        with self._news:
            self._news.wait_for(lambda: self._stopping.is_set() or not any(place.thread for place in asked), DEADLINE)
            hanging = [place.client.url for place in asked if place.thread and not self._stopping.is_set()]
        for url in hanging:
            _log.warning("the witness %s neither answers nor fails; nobody waits for it", url)

    def _keep(self) -> bool:
        with self._news:
            lines = [line for place in self._places for line in place.lines]
        signed = self._target + "".join(lines).encode()
        seen = policy.cosigned(note.parse(signed), self._rules.witnesses)
        if not self._kept and lines and self._rules.is_met([each.witness.name for each in seen]):
            witnessed.keep(self._folder.root, signed, self._rules, self._logs())
            self._kept = True
            _log.debug("witnessed: %d entries by %s", _size(signed), ", ".join(each.witness.shown for each in seen))
        return self._kept

    def _prove(self, old: int, new: int) -> Sequence[bytes]:
        tree = tiles.TileTree(self._folder.read)
        return merkle.consistency_proof(old, new, tree.reader(new))


def _size(signed: bytes) -> int:
    return checkpoint.parse(note.parse(signed).text).size


def _by_url(witnesses: Collection[Witness]) -> dict[str, list[Witness]]:
    """The witnesses that can be asked, by address: one that has two keys is asked once."""
    found: defaultdict[str, list[Witness]] = defaultdict(list)
    for witness in witnesses:
        if witness.url:
            found[witness.url.rstrip("/")].append(witness)
    return dict(found)


def _take(lock: IO[bytes]) -> bool:
    """Take the lock, or say that another process has it. Taking it again is allowed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
