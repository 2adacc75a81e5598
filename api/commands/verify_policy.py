"""`liuhen verify RECEIPT --policy FILE`: a receipt that witnesses must have cosigned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.commands.verify import Outcome

if TYPE_CHECKING:
    from storage.ledger.witnesses.policy import Seen, WitnessedReceipt

Pairs = list[tuple[str, str]]


def receipt(path: Path, policy: Path, key: str | None, compare: Callable[[Mapping[str, Any]], Pairs]) -> Outcome:
    """Check the receipt at `path` under the tlog-policy file `policy`; `key`: a log's key that counts besides.

    `compare` says what is wrong with the file in hand, given the receipt's payload. Raises PolicyError and OSError for
    the policy file itself.
    """
    from storage.errors import IntegrityError
    from storage.ledger.witnesses import policy as policies

    rules = policies.parse(policy.read_bytes())
    try:
        found = policies.verify_receipt(path.read_bytes(), rules, [policies.log_key(key)] if key else [])
    except IntegrityError as error:
        return Outcome("receipt", [(error.zh, error.en)], [], {"policy": str(policy)})
    event = found.entry.event
    return Outcome("receipt", compare(event.payload), _said(found), _facts(found, policy))


def _said(found: WitnessedReceipt) -> Pairs:
    from storage.clock import iso

    event, head = found.entry.event, found.witnessed.checkpoint
    where = f"{event.event}, {event.subject}, {iso(event.time)}"
    said = [(f"存证链 {head.origin} 第 {found.index} 条：{where}", f"entry {found.index} of {head.origin}: {where}")]
    if "sha256" in event.payload:
        size = f"{event.payload.get('name', '')} ({event.payload.get('size', '?')} bytes)"
        said.append((f"SHA-256 {event.payload['sha256']}", size))
    said += [_witness(each, head.size) for each in found.witnessed.seen]
    if not found.witnessed.seen:
        said.append(("提示：此策略不要求任何见证。", "note: this policy asks for no witness"))
    return said


def _witness(seen: Seen, size: int) -> tuple[str, str]:
    name, at = seen.witness.shown, _local(seen.time)
    return f"见证人 {name} 于 {at} 见证 {size} 条", f"the witness {name} cosigned the log with {size} entries at {at}"


def _facts(found: WitnessedReceipt, policy: Path) -> dict[str, Any]:
    from storage.clock import iso

    event = found.entry.event
    witnesses = [
        {"name": each.witness.shown, "time": iso(each.time) if each.time else None} for each in found.witnessed.seen
    ]
    return {
        "policy": str(policy),
        "key": str(found.witnessed.log),
        "index": found.index,
        "size": found.witnessed.checkpoint.size,
        "witnesses": witnesses,
        "event": event.event,
        "subject": event.subject,
        "payload": event.payload,
    }


def _local(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %z}" if moment else "（未注明时间 no time given）"
