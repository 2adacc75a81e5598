"""The ledger's signing keys as the settings have them, and the rotation from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from pipeline.settings import Settings
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.clock import Clock
from storage.errors import Conflict, Refused
from storage.ledger import keyfile, note, outbox, rotation, sm2
from storage.ledger.keys import KeyFolder, LogKey
from storage.ledger.note import Signer
from storage.ledger.witnesses import cosignature
from storage.records import Actor, CustodyEvent, RotationReason

if TYPE_CHECKING:
    from storage.ledger.hardware import HardwareKeys

ML_DSA_44 = "ledger-ml-dsa-44.pem"
SM2 = "ledger-sm2.pem"


def open_log_key(settings: Settings, passphrase: bytes, clock: Clock) -> LogKey:
    """The log's key, made at the very first start: in the hardware module when one is set, else in a file.

    Raises Refused: wrong passphrase or PIN, damaged file, no module.
    """
    folder = KeyFolder(settings.keys, settings.origin, passphrase)
    module = open_hardware(settings)
    first = module.first() if module and not folder.has_first() else folder.first()

    def later(vkey: str) -> Signer | None:
        return folder.find(vkey) or (module.find(vkey) if module else None)

    return LogKey(first, later, _seconds(settings, passphrase, clock))


def open_hardware(settings: Settings) -> HardwareKeys | None:
    """The hardware module of the settings, None without one."""
    if settings.pkcs11_module is None:
        return None
    from storage.ledger.hardware import HardwareKeys  # a native library that others do not need

    pin = settings.pkcs11_pin.get_secret_value() if settings.pkcs11_pin else ""
    return HardwareKeys(settings.pkcs11_module, settings.pkcs11_token, pin, settings.origin)


@dataclass(frozen=True, slots=True)
class Rotate:
    """Hands over from the log's present key to a new one, which `make_next` makes and keeps."""

    catalogue: Catalogue
    key: LogKey
    make_next: Callable[[], Signer]
    clock: Clock

    def run(self, actor: Actor, reason: RotationReason) -> str:
        """Record the rotation, and give the event's id; the sequencer signs with the new key from there on.

        The new key is kept before it is named; each key can be handed over from only once, so of two rotations at the
        same time one is refused (Conflict). Raises Refused when the present private key is not there.
        """
        present = outbox.keys(self.catalogue, self.key.verifier).current
        event_id = f"rotation:{present.key_id.hex()}"
        with self.catalogue.read() as session:
            if custody.is_recorded(session, event_id):
                raise _under_way()
        old, new = self.key.find(str(present)), self.make_next()
        event = CustodyEvent(
            id=event_id,
            event=rotation.EVENT,
            time=self.clock(),
            actor=actor,
            subject=rotation.SUBJECT,
            payload={
                "from": str(present),
                "to": str(new.verifier),
                "reason": reason.value,
                "note": rotation.sign(old, new),
            },
        )
        with self.catalogue.write() as session:
            if custody.is_recorded(session, event_id):
                raise _under_way()
            custody.record(session, event)
        return event_id


def _under_way() -> Conflict:
    return Conflict(
        "该密钥的轮换已登记，正等待服务写入存证链。",
        "a rotation from this key is recorded already and waits for the service to publish it",
    )


def _seconds(settings: Settings, passphrase: bytes, clock: Clock) -> tuple[Signer, ...]:
    makers = {"ml-dsa-44": lambda: _ml_dsa(settings, passphrase, clock), "sm2": lambda: _sm2(settings, passphrase)}
    return tuple(makers[kind]() for kind in settings.second_signatures)


def _ml_dsa(settings: Settings, passphrase: bytes, clock: Clock) -> Signer:
    file = settings.keys / ML_DSA_44
    if not file.exists():
        keyfile.save(file, MLDSA44PrivateKey.generate(), passphrase)
    private = keyfile.load(file, passphrase)
    if not isinstance(private, MLDSA44PrivateKey):
        raise Refused(f"签名密钥 {file} 不是 ML-DSA-44 密钥。", f"the signing key {file} is not an ML-DSA-44 key")
    return cosignature.MlDsa44Signer(settings.origin, private, clock)


def _sm2(settings: Settings, passphrase: bytes) -> Signer:
    file = settings.keys / SM2
    opened = sm2.load if file.exists() else sm2.make
    return opened(file, settings.origin, passphrase)


def own_vkey(settings: Settings, passphrase: bytes) -> str:
    """The public key that the data directory's own log began with. Raises Refused as `open_log_key` does."""
    folder = KeyFolder(settings.keys, settings.origin, passphrase)
    module = None if folder.has_first() else open_hardware(settings)
    return str((module.first() if module else folder.first()).verifier)


def second_vkey(vkey: str) -> note.Verifier:
    """Read the public key of a second signature, ML-DSA-44 or SM2. Raises IntegrityError for anything else."""
    kind = note.split_vkey(vkey)[1][:1]
    return sm2.parse_vkey(vkey) if kind == sm2.KIND[:1] else cosignature.parse_vkey(vkey)
