"""Replies of a real TSA (`openssl ts`), verified offline; each way in which one may be wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from storage.errors import IntegrityError, LiuhenError, Refused, Transient
from storage.ledger.time import der, timestamp, tsa_chain
from tests.support.tsa import DAY, POLICY, Authority

MESSAGE = b"example.org/liuhen\n5\nroot\n\n"
Make = Callable[..., Authority]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes an authority in a folder of its own."""

    def made(name: str = "one", **facts: object) -> Authority:
        return Authority(tmp_path / name, **facts)  # type: ignore[arg-type]

    return made


def stamped(authority: Authority, message: bytes = MESSAGE, digest: str = "sha256") -> bytes:
    return authority.reply(timestamp.request(message, digest).body)


def certificates(authority: Authority) -> list[x509.Certificate]:
    return [authority.between, authority.root]


@pytest.mark.parametrize("bring", [True, False])
@pytest.mark.parametrize("identifier", ["sha1", "sha256", "sha512"])
def test_a_reply_says_who_when_and_how_exactly(make: Make, bring: bool, identifier: str) -> None:
    authority, asked = make(bring=bring, identifier=identifier), timestamp.request(MESSAGE)
    before = datetime.now(UTC).replace(microsecond=0)
    reply = authority.reply(asked.body)
    stamp = timestamp.verify(reply, MESSAGE, [authority.root], pool=[authority.between], asked=asked, policy=POLICY)
    assert before <= stamp.time <= datetime.now(UTC)
    assert (stamp.tsa, stamp.serial, stamp.policy, stamp.accuracy) == ("TSA rsa", 2, POLICY, 1.5)
    assert stamp.path == (authority.own, authority.between, authority.root)
    assert stamp.valid_until == authority.own.not_valid_after_utc
    assert not stamp.checked


def test_the_certificates_of_a_reply_may_come_in_any_order(make: Make) -> None:
    """The set as `openssl ts` sends it is not sorted: the library alone would refuse it."""
    authority = make()
    assert timestamp.verify(stamped(authority), MESSAGE, [authority.root]).path[-1] == authority.root


def test_without_the_issuer_between_there_is_no_way_to_the_root(make: Make) -> None:
    authority = make(bring=False)
    with pytest.raises(IntegrityError, match="no trusted root"):
        timestamp.verify(stamped(authority), MESSAGE, [authority.root])


def test_a_reply_without_any_certificate_takes_them_from_the_pool(make: Make) -> None:
    authority = make()
    query = der.read(timestamp.request(MESSAGE).body).items()
    reply = authority.reply(der.encode(der.SEQUENCE, *(each.whole for each in query[:-1])))  # the last asks for them
    assert authority.own.public_bytes(Encoding.DER) not in reply
    with pytest.raises(IntegrityError, match="signer's certificate is missing"):
        timestamp.verify(reply, MESSAGE, [authority.root])
    stamp = timestamp.verify(reply, MESSAGE, [authority.root], pool=[authority.own, authority.between])
    assert stamp.path == (authority.own, authority.between, authority.root)


def test_what_else_is_in_the_set_does_not_matter(make: Make) -> None:
    """Certificates of others, other kinds, ones that can't be read: nobody signed the set."""
    authority, stranger = make(), make("two", root_name="Stranger")
    reply, own = stamped(authority), authority.own.public_bytes(Encoding.DER)
    more = own + stranger.own.public_bytes(Encoding.DER) + der.encode(0xA1, b"\x30\x00") + der.encode(der.SEQUENCE)
    assert timestamp.verify(_with_set(reply, more), MESSAGE, [authority.root], pool=[authority.between]).serial == 2


def _with_set(reply: bytes, certificates: bytes) -> bytes:
    """The reply with another set of certificates."""
    status, token = der.read(reply).items()
    kind, content = token.items()
    parts = [
        der.encode(0xA0, certificates) if each.tag == 0xA0 else each.whole for each in der.read(content.content).items()
    ]
    signed = der.encode(0xA0, der.encode(der.SEQUENCE, *parts))
    return der.encode(der.SEQUENCE, status.whole, der.encode(der.SEQUENCE, kind.whole, signed))


def test_a_larger_digest(make: Make) -> None:
    authority = make()
    stamp = timestamp.verify(stamped(authority, digest="sha512"), MESSAGE, [authority.root])
    assert (stamp.digest, len(stamp.imprint)) == ("sha512", 64)


def test_other_bytes_are_not_what_was_stamped(make: Make) -> None:
    authority = make()
    with pytest.raises(IntegrityError, match="other bytes"):
        timestamp.verify(stamped(authority), MESSAGE + b"\n", [authority.root])


def test_a_reply_to_an_earlier_request_is_refused(make: Make) -> None:
    authority = make()
    with pytest.raises(IntegrityError, match="nonce"):
        timestamp.verify(stamped(authority), MESSAGE, [authority.root], asked=timestamp.request(MESSAGE))


def test_another_policy_is_refused(make: Make) -> None:
    authority = make()
    with pytest.raises(IntegrityError, match=r"policy .* is not 1\.2\.3"):
        timestamp.verify(stamped(authority), MESSAGE, [authority.root], policy="1.2.3")


def test_another_root_of_the_same_name_is_refused(make: Make) -> None:
    authority, other = make(), make("two", root_name="Stranger")
    for roots in ([other.root], [], [authority.between], [authority.own]):
        with pytest.raises(IntegrityError):
            timestamp.verify(stamped(authority), MESSAGE, roots)


def test_a_certificate_that_had_expired_is_refused(make: Make) -> None:
    authority = make(begin=datetime.now(UTC) - 10 * DAY, days=5)
    with pytest.raises(IntegrityError, match="was not valid at the time"):
        timestamp.verify(stamped(authority), MESSAGE, [authority.root])


def test_an_issuer_that_had_expired_is_refused(make: Make) -> None:
    authority = make(begin=datetime.now(UTC) - 10 * DAY, issuer_days=5)
    with pytest.raises(IntegrityError, match="was not valid at the time"):
        timestamp.verify(stamped(authority), MESSAGE, [authority.root])


def test_a_token_by_somebody_else_with_a_right_certificate_would_do(make: Make) -> None:
    """What the next test forges differs in the certificate only."""
    authority = make()
    forged = authority.forge(timestamp.request(MESSAGE).body, authority)
    assert timestamp.verify(forged, MESSAGE, [authority.root]).tsa == "TSA rsa"


@pytest.mark.parametrize(
    "facts",
    [{"usage": None}, {"critical": False}, {"usage": x509.ExtendedKeyUsageOID.CLIENT_AUTH}],
    ids=["no usage", "not critical", "another usage"],
)
def test_a_certificate_not_meant_for_stamping_is_refused(make: Make, facts: dict[str, object]) -> None:
    authority, other = make(), make("two", **facts)
    forged = authority.forge(timestamp.request(MESSAGE).body, other)
    with pytest.raises(IntegrityError, match=r"EKU|purpose"):
        timestamp.verify(forged, MESSAGE, [other.root])


def test_a_signature_that_names_another_certificate_is_refused(make: Make) -> None:
    """Same issuer, serial number and key, other content: the attribute with its hash tells."""
    authority = make(bring=False)
    own = authority.own.public_bytes(Encoding.DER)
    others = (make("two", days=days, serial=authority.serial) for days in range(900, 1000))
    other = next(each for each in others if len(each.own.public_bytes(Encoding.DER)) == len(own))  # ECDSA's may vary
    twin = other.own.public_bytes(Encoding.DER)
    reply = stamped(authority)
    assert own in reply
    with pytest.raises(IntegrityError, match="not the one that the signature names"):
        timestamp.verify(reply.replace(own, twin), MESSAGE, [other.root], pool=[other.between])


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("bring", [True, False])
def test_no_altered_byte_changes_what_a_reply_says(make: Make, bring: bool) -> None:
    """Refused, or in a part that nobody signed (status, certificates that are known anyway): then it says the same.
    The archive's entries in the log cover these parts too."""
    authority = make(bring=bring)
    reply = stamped(authority)
    sound = timestamp.verify(reply, MESSAGE, [authority.root], pool=[authority.between])
    refused = 0
    for at in range(len(reply)):
        altered = bytearray(reply)
        altered[at] ^= 1 << at % 8
        try:
            assert timestamp.verify(bytes(altered), MESSAGE, [authority.root], pool=[authority.between]) == sound
        except LiuhenError:
            refused += 1
    assert refused > 1200


@pytest.mark.parametrize("reply", [b"", b"\x30\x00", b"<html>busy</html>", b"\x30\x80\x00\x00", bytes(5000)])
def test_garbage_is_malformed(make: Make, reply: bytes) -> None:
    with pytest.raises(IntegrityError, match="malformed"):
        timestamp.verify(reply, MESSAGE, [make().root])


def test_a_huge_reply_is_not_read(make: Make) -> None:
    with pytest.raises(IntegrityError, match="too large"):
        timestamp.verify(bytes(timestamp.MAX_REPLY + 1), MESSAGE, [make().root])


def test_a_cut_reply_is_malformed(make: Make) -> None:
    authority = make()
    reply = stamped(authority)
    for length in range(0, len(reply), 97):
        with pytest.raises(LiuhenError):
            timestamp.verify(reply[:length], MESSAGE, [authority.root])


def test_a_refusal_is_told_with_its_reason(make: Make) -> None:
    """This authority takes no SHA-256."""
    authority = make(digests="sha512")
    with pytest.raises(Refused, match="not supported"):
        timestamp.verify(stamped(authority), MESSAGE, [authority.root])


def _status(code: int, failure: int | None) -> bytes:
    parts = [der.encode(der.INTEGER, bytes([code]))]
    if failure is not None:
        bits = bytearray(failure // 8 + 1)
        bits[-1] = 0x80 >> failure % 8
        parts.append(der.encode(0x03, bytes([7 - failure % 8]), bytes(bits)))
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *parts))


@pytest.mark.parametrize(
    ("code", "failure", "kind"),
    [(2, 0, Refused), (2, 14, Transient), (2, 25, Transient), (3, None, Transient), (5, None, Refused)],
)
def test_what_may_pass_is_tried_again(make: Make, code: int, failure: int | None, kind: type[LiuhenError]) -> None:
    with pytest.raises(kind):
        timestamp.verify(_status(code, failure), MESSAGE, [make().root])


# ── lists of revoked certificates ──

LATER = timedelta(hours=1)


def verify_with(authority: Authority, *lists: bytes) -> timestamp.Stamp:
    parsed = [x509.load_der_x509_crl(each) for each in lists]
    return timestamp.verify(stamped(authority), MESSAGE, [authority.root], lists=parsed)


def test_lists_of_all_issuers_make_it_checked(make: Make) -> None:
    authority = make()
    assert not verify_with(authority, authority.revoke(None)).checked
    assert verify_with(authority, authority.revoke(None), authority.revoke(None, issuer="Root")).checked


@pytest.mark.parametrize("reason", [None, x509.ReasonFlags.superseded, x509.ReasonFlags.key_compromise])
def test_a_certificate_that_was_revoked_before_is_refused(make: Make, reason: x509.ReasonFlags | None) -> None:
    authority = make()
    with pytest.raises(IntegrityError, match="revoked"):
        verify_with(authority, authority.revoke(datetime.now(UTC) - LATER, reason))


def test_only_a_harmless_revocation_later_on_leaves_it_valid(make: Make) -> None:
    """RFC 3161 4: a key that may have been stolen spoils what it signed before, too."""
    authority = make()
    later = datetime.now(UTC) + LATER
    assert verify_with(authority, authority.revoke(later, x509.ReasonFlags.superseded)).tsa
    assert verify_with(authority, authority.revoke(later)).tsa
    with pytest.raises(IntegrityError, match="revoked"):
        verify_with(authority, authority.revoke(later, x509.ReasonFlags.key_compromise))


def test_a_list_by_somebody_else_is_refused(make: Make) -> None:
    authority = make()
    with pytest.raises(IntegrityError, match="not by an issuer"):
        verify_with(authority, authority.revoke(None, issuer="Stranger"))


def test_where_lists_are_is_read_from_the_certificates(make: Make) -> None:
    authority = make(crl="http://127.0.0.1:9")
    path = [authority.own, authority.between, authority.root]
    assert tsa_chain.list_urls(path) == ["http://127.0.0.1:9/Between.crl", "http://127.0.0.1:9/Root.crl"]
