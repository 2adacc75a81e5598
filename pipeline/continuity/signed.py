"""What verifying the signatures inside a stream found: plain values for the checks in `signature`, no I/O.

Counts are of NAL units that a signature covers (slices); packets are numbered as everywhere, groups by the signer's own
counter. Lists are bounded by the reader, the counts beside them are not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breach:
    """A place where what was signed and what is there disagree.

    `groups`: the signer's numbers of the first and last group concerned, None where no message tells.
    `packets`: the first and last packet of the place; where nothing is left of what was signed, the ones around it.
    `modified`: packets whose units are not those that were signed (`modified_count` in all), `missing`: signed units
    that are not there, `inserted`: units that were not signed between those that were, `moved`: signed units out of
    order, `unproven`: units for which no valid signature speaks, though they lie within what was signed.
    `expected`, `found`: where only a whole group can be compared, how many units were signed and how many are there.
    `absent`: groups that were signed and of which nothing is there. `signature`: "" valid, "bad": does not fit its
    key, "unreadable": damaged, "absent": the message with the signature is gone. `link`: the group before is not the
    one that the signer had before it. `restart`: another chain of signatures begins here.
    """

    groups: tuple[int, int] | None
    packets: tuple[int, int]
    modified: tuple[int, ...] = ()
    modified_count: int = 0
    missing: int = 0
    inserted: int = 0
    moved: int = 0
    unproven: int = 0
    expected: int = 0
    found: int = 0
    absent: int = 0
    signature: str = ""
    link: bool = False
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with which groups were signed, from `packet` on. `key`: SHA-256 of its SubjectPublicKeyInfo, hex.

    `certificates`: PEM, the key's own or (Axis) the attesting one first. `vouched`: those certificates speak for this
    key; None where there are none.
    """

    key: str
    packet: int
    certificates: tuple[str, ...] = ()
    vouched: bool | None = None
    maker: str = ""
    serial: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Tail:
    """Units at the end for which no signature has come yet: the signer speaks of a group after its end.

    `usual`: how many may be waiting at most, by what was seen before; `late`: more are.
    """

    units: int
    pictures: int
    packet: int
    usual: int
    late: bool


@dataclass(frozen=True, slots=True)
class Start:
    """How the file begins within what was signed.

    `first`: the signer's number of the first group that is there. `begins`: the chain of signatures begins with it.
    `missing`: units of that group that are not there. `unsigned`: units before the chain begins, up to `packet`.
    """

    first: int
    begins: bool
    missing: int = 0
    unsigned: int = 0
    packet: int = 0


@dataclass(frozen=True, slots=True)
class Signature:
    """The signatures in one stream. `groups`, `units`, `pictures`: proven; `packets`: the first and last proven one.

    `times`: Unix seconds of the first and last signed moment. `uncovered`: units with picture data of kinds that these
    signatures never cover, the first of them in `uncovered_packet`. `unread`: why nothing is proven, "" when something
    is: version (no message can be read), key, keyless, bad (no signature fits), other (the signatures fit, the pictures
    are others), short (too few messages to tell), failed (the reader did).
    """

    stream: int
    scheme: str
    messages: int
    groups: int = 0
    units: int = 0
    pictures: int = 0
    packets: tuple[int, int] = (0, 0)
    start: Start | None = None
    tail: Tail | None = None
    breaches: tuple[Breach, ...] = ()
    breach_count: int = 0
    signers: tuple[Signer, ...] = ()
    times: tuple[float, float] | None = None
    uncovered: int = 0
    uncovered_packet: int = 0
    unread: str = ""
