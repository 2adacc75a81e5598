"""The one-time code with which a station enrols (一次性登记码): making, reading, and the key that is in it. Pure.

A code is 12 letters: 11 random ones (54 bits) and one that shows a typing error. It never travels: server and station
derive an Ed25519 key from it, slowly (scrypt), and sign with that. Whoever listens, or alters what passes by, would
have to find the code first (docs/docking-protocol.md, section 2).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import signed
from storage.errors import Refused

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # 31, a prime; none that is misread: no I, L, O, 0, 1
LENGTH = 12
SALT = b"liuhen enrolment code v1"
COST = {"n": 1 << 14, "r": 8, "p": 1}  # RFC 7914: 16 MiB, some 50 ms for each guess
VOUCHER = b"liuhen enrolled station v1\n"  # signed before name and ledger key


def make() -> str:
    """A new code as it is shown: ABCD-EFGH-JKMN."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(LENGTH - 1))
    code = letters + LETTERS[_sum(letters)]
    return "-".join(code[at : at + 4] for at in range(0, LENGTH, 4))


def read(typed: str) -> str:
    """The 12 letters of a typed code; case, spaces and hyphens don't matter. Raises Refused."""
    code = "".join(each for each in typed.upper() if not each.isspace() and each not in "-–—")
    if len(code) != LENGTH or any(each not in LETTERS for each in code) or code[-1] != LETTERS[_sum(code[:-1])]:
        raise Refused(
            "登记码有误：应为12个字母或数字（没有 I、L、O、0、1），请对照屏幕重新输入。",
            "the code is mistyped: it has 12 letters and digits, without I, L, O, 0 and 1; compare it with the screen",
        )
    return code


def key_of(code: str) -> Ed25519PrivateKey:
    """The key in a code, as `read` gives it. Takes some 50 ms on purpose."""
    seed = hashlib.scrypt(code.encode("ascii"), salt=SALT, dklen=32, maxmem=1 << 26, **COST)
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_of(key: Ed25519PrivateKey) -> str:
    """The public key in base64, as it stands in messages and tables."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def digest_of(code_key: str) -> str:
    """What the server keeps of a code: SHA-256 (hex) of its public key, given in base64."""
    return hashlib.sha256(base64.b64decode(code_key)).hexdigest()


@dataclass(frozen=True, slots=True)
class Voucher:
    """Who the station is and which ledger it is to trust (`log`, a vkey), signed with the code's key (`proof`)."""

    station: str
    log: str
    proof: str

    def holds(self, code: Ed25519PrivateKey) -> bool:
        """Whether it was made by somebody who knows the code."""
        return signed.signed_by(VOUCHER, _vouched(self.station, self.log), self.proof, public_of(code))


def vouch(code: Ed25519PrivateKey, station: str, log: str) -> Voucher:
    return Voucher(station, log, signed.sign(VOUCHER, _vouched(station, log), code))


def fingerprint(log: str) -> str:
    """A ledger's public key (vkey) for people to compare: 64 bits of its SHA-256 in four groups."""
    digits = hashlib.sha256(log.encode()).hexdigest()[:16].upper()
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))


def _vouched(station: str, log: str) -> bytes:
    return f"{station}\n{log}\n".encode()


def _sum(letters: str) -> int:
    """Sum of place times letter modulo 31: one wrong letter or two swapped ones change it."""
    return sum(place * LETTERS.index(letter) for place, letter in enumerate(letters, 1)) % len(LETTERS)
