"""One-time codes: what is typed, what is refused, and what is in them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import invitation
from ingest.invitation import LETTERS, Voucher
from storage.errors import Refused

LOG = "liuhen.local/log+4b5ce3a0+AVvk"


def test_a_code_is_read_however_it_is_typed() -> None:
    code = invitation.make()
    plain = code.replace("-", "")
    for typed in (code, code.lower(), plain, f" {plain[:4]} {plain[4:8]}\t{plain[8:]} ", code.replace("-", "–")):
        assert invitation.read(typed) == plain


def test_no_two_codes_are_alike() -> None:
    assert len({invitation.make() for _ in range(200)}) == 200


def test_every_single_mistake_is_noticed() -> None:
    plain = invitation.read(invitation.make())
    for place, right in enumerate(plain):
        for wrong in LETTERS.replace(right, ""):
            with pytest.raises(Refused):
                invitation.read(plain[:place] + wrong + plain[place + 1 :])


def test_swapped_neighbours_are_noticed() -> None:
    plain = invitation.read(invitation.make())
    for at in range(10):
        if plain[at] != plain[at + 1]:
            with pytest.raises(Refused):
                invitation.read(plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :])


@pytest.mark.parametrize(
    "typed", ["", "ABCD", "ABCD-EFGH-JKM1", "ABCD-EFGH-JKMN-PQRS", "码码码码码码码码码码码码", "ß" * 12]
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(Refused):
        invitation.read(typed)


def test_the_key_in_a_code_is_what_the_documentation_says() -> None:
    """The figures of docs/docking-protocol.md, section 2: whoever implements the station's side checks against them."""
    assert invitation.read("abcd-efgh-jkmg") == "ABCDEFGHJKMG"
    public = invitation.public_of(invitation.key_of("ABCDEFGHJKMG"))
    assert public == "7KeD5Bi6/DfAfKGYviEvBu3Obkma86TkYDL9h093Bwo="
    assert invitation.digest_of(public) == "2da6d6202b944ba6d2eed7e9ed21db3668d1e2349adcc8f5f24bcad4e8179c04"


def test_a_voucher_holds_for_its_name_and_ledger_only() -> None:
    code, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    made = invitation.vouch(code, "ST-01", LOG)
    assert made.holds(code)
    assert not made.holds(other)
    assert not Voucher("ST-02", LOG, made.proof).holds(code)
    assert not Voucher("ST-01", LOG + "x", made.proof).holds(code)
    assert not Voucher("ST-01", LOG, "%%%").holds(code)


def test_a_fingerprint_is_short_and_of_this_key() -> None:
    assert invitation.fingerprint(LOG) == "783A-B1DC-935A-7D94"
    assert invitation.fingerprint(LOG + "x") != invitation.fingerprint(LOG)
