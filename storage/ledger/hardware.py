"""The log's key in a hardware security module or smart card, by PKCS#11. The private key never leaves it.

Signing is CKM_EDDSA over edwards25519 (PKCS#11 3.0, 2.3.5). The public key is read back from the module.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.types import SignMixin

from storage.errors import Refused
from storage.ledger import note

_ID_SIZE = 4  # bytes
_EDWARDS25519 = b"\x13\x0cedwards25519"  # DER PrintableString, as PKCS#11 3.0 names the curve


@dataclass(frozen=True)
class HardwareSigner:
    """One key of the module, the log's `number`-th, as a signer of the log `name`. `public`: 32 bytes."""

    name: str
    public: bytes
    number: int
    private: SignMixin
    lock: threading.Lock

    @property
    def verifier(self) -> note.Ed25519Verifier:
        return note.Ed25519Verifier(self.name, self.public)

    def sign(self, text: str) -> bytes:
        """Raises Refused when the module does not sign (taken out, locked)."""
        try:
            with self.lock:
                return bytes(self.private.sign(text.encode(), mechanism=Mechanism.EDDSA))
        except pkcs11.PKCS11Error as error:
            raise _failed(error) from error


class HardwareKeys:
    """The keys labelled `label` in the token `token` of the PKCS#11 library `module`.

    Raises Refused when the library, the token or the PIN is wrong.
    """

    def __init__(self, module: Path, token: str, pin: str, origin: str, label: str = "liuhen-ledger") -> None:
        self._origin, self._label = origin, label
        self._lock = threading.Lock()
        try:
            self._session = _open(pkcs11.lib(str(module)).get_token(token_label=token), pin)
        except pkcs11.PKCS11Error as error:
            raise _failed(error) from error

    def first(self) -> HardwareSigner:
        """The key the log began with, made at the very first start."""
        return next(self._keys(), None) or self.make_next()

    def find(self, vkey: str) -> HardwareSigner | None:
        """The key of a public one, None when the module does not have it."""
        return next((key for key in self._keys() if str(key.verifier) == vkey), None)

    def make_next(self) -> HardwareSigner:
        """A new key made inside the module, sensitive and not extractable, with the next number as its identifier."""
        number = 1 + max((key.number for key in self._keys()), default=0)
        try:
            parameters = self._session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _EDWARDS25519}, local=True
            )
            parameters.generate_keypair(
                id=number.to_bytes(_ID_SIZE, "big"),
                label=self._label,
                store=True,
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
        except pkcs11.PKCS11Error as error:
            raise _failed(error) from error
        made = next(key for key in self._keys() if key.number == number)
        _check(made)
        return made

    def close(self) -> None:
        self._session.close()

    def _keys(self) -> Iterator[HardwareSigner]:
        """The label's keys in the order of their numbers."""
        wanted = {Attribute.LABEL: self._label, Attribute.CLASS: ObjectClass.PUBLIC_KEY}
        try:
            publics = [key for key in self._session.get_objects(wanted) if isinstance(key, pkcs11.PublicKey)]
            for public in sorted(publics, key=lambda key: bytes(key.id)):
                private = self._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._label, id=public.id)
                number = int.from_bytes(public.id, "big")
                if not isinstance(private, SignMixin):
                    continue
                yield HardwareSigner(self._origin, _point(public), number, private, self._lock)
        except pkcs11.PKCS11Error as error:
            raise _failed(error) from error


def _open(token: pkcs11.Token, pin: str) -> pkcs11.Session:
    """A session of its own. Signing in is of the whole process: who comes second is signed in already."""
    try:
        return token.open(rw=True, user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=True)


def _point(public: pkcs11.PublicKey) -> bytes:
    """The 32 bytes of the public key; some modules wrap them as a DER OCTET STRING, others don't."""
    return bytes(public[Attribute.EC_POINT])[-32:]


def _check(made: HardwareSigner) -> None:
    """A module that signs otherwise than RFC 8032 is found out before anybody relies on the key."""
    text = "liuhen\n"
    if not made.verifier.accepts(text, made.sign(text)):
        raise Refused(
            "密码设备的 Ed25519 签名无法验证，不能使用。",
            "the hardware module's Ed25519 signature does not verify: it can't be used",
        )


def _failed(error: Exception) -> Refused:
    reason = str(error) or type(error).__name__
    return Refused(
        f"密码设备（PKCS#11）无法使用：{reason}。请检查设备是否接好、令牌名称与 PIN 是否正确。",
        f"the hardware module (PKCS#11) can't be used: {reason}. Is it connected, are token name and PIN right?",
    )
