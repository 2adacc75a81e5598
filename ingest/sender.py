"""Whether a signed message is by the station that it names."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ingest import signed
from ingest.answers import HttpError
from storage.catalogue import stations
from storage.catalogue.tables import Station


def check_sender(
    session: Session, name: str, domain: bytes, content: bytes, signature: str, *, lock: bool = False
) -> Station:
    """The station `name`, in use, whose present key signed the message. Raises HttpError 403.

    `lock`: its key stays what it is until the transaction ends.
    """
    station = in_use(session, name, lock=lock)
    if not signed.signed_by(domain, content, signature, station.public_key):
        older = [each.public_key for each in stations.keys(session, name)]
        replaced = any(signed.signed_by(domain, content, signature, key) for key in older)
        raise replaced_key(name) if replaced else _wrong_key(name)
    return station


def in_use(session: Session, name: str, *, lock: bool = True) -> Station:
    """The station's row. Raises HttpError 403 where it is unknown or revoked."""
    station = session.get(Station, name, with_for_update=lock)
    if station is None:
        raise _unknown_station(name)
    if station.revoked is not None:
        raise _revoked(name)
    return station


def replaced_key(name: str) -> HttpError:
    return HttpError(
        403,
        "replaced-key",
        f"签名所用的是采集站“{name}”已更换的旧密钥，未接收；请使用新的密钥文件，或请管理员重新登记。",
        f"the message is signed with a key of station “{name}” that has been replaced, and was not taken: use the new "
        "key file, or have the station enrolled anew",
    )


def _unknown_station(name: str) -> HttpError:
    return HttpError(
        403,
        "unknown-station",
        f"采集站“{name}”未登记，未接收任何文件；请管理员用 liuhen admin station invite 登记。",
        f"the station “{name}” is not enrolled, nothing was taken: have it enrolled with liuhen admin station invite",
    )


def _revoked(name: str) -> HttpError:
    return HttpError(
        403,
        "revoked-station",
        f"采集站“{name}”已停用，未接收任何文件；请联系管理员。",
        f"the station “{name}” was revoked and nothing was taken: ask the administrator",
    )


def _wrong_key(name: str) -> HttpError:
    return HttpError(
        403,
        "wrong-key",
        f"签名与采集站“{name}”登记的密钥不符，未接收；请检查密钥文件。",
        f"the message is not signed with the enrolled key of station “{name}” and was not taken: check the key file",
    )
