"""A process that appends to a ledger as fast as it can, until it is killed, and says only what it was told.

The file `told` gets one line for each event whose `wait` came back: the event's id and its index.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.catalogue import custody
from storage.errors import LiuhenError, Transient
from storage.ledger import note, rotation
from storage.ledger.keys import LogKey
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent
from tests.support.ledger import SIGNER, START, Desk

CLIENTS = 6
EVENTS = 8  # of one transaction
KEYS = 200


def append(root: Path, told: Path, seed: int, *, turns: float = 0.0) -> None:
    """Open the desk in `root` and append for ever. `turns`: seconds between rotations of the key, 0 for none; the first
    comes at once."""
    desk = open_desk(root)
    sequencer = desk.sequencer()
    sequencer.start()
    names = [f"{seed}-{number}" for number in range(CLIENTS)]
    clients = [threading.Thread(target=_client, args=(desk, sequencer, told, name)) for name in names]
    if turns:
        clients.append(threading.Thread(target=_rotate, args=(desk, sequencer, turns)))
    for client in clients:
        client.start()


def open_desk(root: Path) -> Desk:
    desk = Desk(root)
    desk.key = LogKey(SIGNER, keys().get)
    return desk


def acknowledged(told: Path) -> dict[str, int]:
    """What the writers were told: index by event id. The last line may be cut by the kill."""
    lines = told.read_text().split("\n")[:-1] if told.exists() else []
    return {name: int(index) for name, index in (line.split(" ") for line in lines)}


@cache
def keys() -> dict[str, note.Signer]:
    """The keys that follow the first, by their public lines, in their order."""
    made = [Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big")) for number in range(1, KEYS)]
    signers = [note.Ed25519Signer(SIGNER.name, each) for each in made]
    return {str(each.verifier): each for each in signers}


def _client(desk: Desk, sequencer: Sequencer, told: Path, name: str) -> None:
    chance, log = random.Random(name), os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in itertools.count():
        names = [f"{name}-{number}-{each}" for each in range(EVENTS)]
        try:
            with desk.catalogue.write() as session:
                for each in names:
                    custody.record(session, _event(each, chance))
        except Transient:  # the disk is full
            time.sleep(0.05)
            continue
        sequencer.notify()
        for each in names:
            if (index := _told(sequencer, each)) is not None:
                os.write(log, f"{each} {index}\n".encode())


def _told(sequencer: Sequencer, name: str) -> int | None:
    try:
        return sequencer.wait(name, timeout=10).index
    except Transient:
        return None


def _event(name: str, chance: random.Random) -> CustodyEvent:
    """By a clock that nobody should trust: it goes back and forth by weeks."""
    moment = START + timedelta(seconds=chance.randrange(-1_000_000, 1_000_000))
    subject = f"recording:r{chance.randrange(20)}"
    return CustodyEvent(name, "test.made", moment, Actor("service", "test"), subject, {"n": name, "x": "字" * 20})


def _rotate(desk: Desk, sequencer: Sequencer, turns: float) -> None:
    while True:
        current = str(sequencer.keys().current)
        following = [SIGNER, *keys().values()]
        place = [str(each.verifier) for each in following].index(current)
        old, new = following[place], following[place + 1]
        said = {"from": current, "to": str(new.verifier), "note": rotation.sign(old, new)}
        event = CustodyEvent(f"rotation-{place}", rotation.EVENT, START, Actor("user", "admin"), rotation.SUBJECT, said)
        try:
            with desk.catalogue.write() as session:
                custody.record(session, event)
            sequencer.notify()
            sequencer.wait(event.id, timeout=10)
        except LiuhenError:
            continue
        time.sleep(turns)
