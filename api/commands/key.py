"""`liuhen admin key`: the ledger's signing keys, and handing over from one to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.records import RotationReason

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from storage.catalogue.catalogue import Catalogue
    from storage.ledger.keys import LogKey

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
PUBLISHED = 60.0  # seconds that a running service may take


def make() -> typer.Typer:
    cli = typer.Typer(help="存证链签名密钥 · The ledger's signing keys", no_args_is_help=True)
    cli.command("show")(show)
    cli.command("rotate")(rotate)
    return cli


def show(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False
) -> None:
    """列出公钥：当前、历次、第二签名 · The public keys: the present one, earlier ones, second signatures."""
    from storage.ledger import outbox

    with _opened(data) as place:
        keys = outbox.keys(place.catalogue, place.key.verifier)
        seconds = [str(each.verifier) for each in place.key.seconds]
    ends: list[int | None] = [*keys.turns, None]
    periods = [{"key": str(key), "until": end} for key, end in zip(keys.keys, ends, strict=True)]
    if as_json:
        facts = {"current": str(keys.current), "keys": periods, "second_signatures": seconds}
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for key, end in zip(keys.keys, ends, strict=True):
        until = "当前 present" if end is None else f"至第 {end} 条 until entry {end}"
        typer.echo(f"{until}\t{key}")
    for second in seconds:
        typer.echo(f"第二签名 second\t{second}")


def rotate(
    reason: Annotated[
        RotationReason,
        typer.Option(help="原因：定期 scheduled，疑似泄露 compromised，迁移 moved · why", case_sensitive=False),
    ],
    by: Annotated[str, typer.Option(help="操作人账号 · login of who does it")],
    data: Data = None,
    hardware: Annotated[
        bool, typer.Option("--hardware", help="新密钥在密码设备中生成 · make the new key inside the PKCS#11 module")
    ] = False,
) -> None:
    """更换签名密钥：新旧两把密钥共同签署 · Hand over to a new key, signed by both. The service may be running.

    更换后请把新公钥发给采集站、法院和审计方 · Afterwards give the new public key to stations, courts and auditors.
    """
    from pipeline.bootstrap import open_sequencer, passphrase
    from pipeline.signing import Rotate, open_hardware
    from storage.clock import now
    from storage.errors import Busy, Refused
    from storage.ledger.keys import KeyFolder
    from storage.records import Actor

    with _opened(data) as place:
        settings, module = place.settings, open_hardware(place.settings)
        if hardware and module is None:
            raise Refused(
                "尚未设置密码设备（LIUHEN_PKCS11_MODULE）。", "no hardware module is set (LIUHEN_PKCS11_MODULE)"
            )
        folder = KeyFolder(settings.keys, settings.origin, passphrase(settings))
        maker = module.make_next if module and hardware else folder.make_next
        event_id = Rotate(place.catalogue, place.key, maker, now).run(Actor("user", by), reason)
        sequencer = open_sequencer(settings, place.catalogue, place.key)
        try:
            sequencer.publish_pending()
        except Busy:
            typer.echo("服务正在运行，等待其写入存证链 · the service is running: waiting for it to publish", err=True)
        try:
            index = sequencer.wait(event_id, PUBLISHED).index
            typer.echo(f"已更换，存证链第 {index} 条；新公钥 · rotated at entry {index}, the new key:", err=True)
            typer.echo(sequencer.vkey)
        finally:
            sequencer.stop()


@dataclass(frozen=True, slots=True)
class _Place:
    settings: Settings
    catalogue: Catalogue
    key: LogKey


@contextmanager
def _opened(data: Path | None) -> Iterator[_Place]:
    from pipeline.bootstrap import open_catalogue, passphrase, read_settings
    from pipeline.signing import open_log_key
    from storage.clock import now
    from storage.errors import NotFound

    settings = read_settings(data=data)
    if not settings.keys.exists():
        raise NotFound(f"{settings.data} 中没有存证链密钥。", f"there are no ledger keys in {settings.data}")
    catalogue = open_catalogue(settings)
    try:
        yield _Place(settings, catalogue, open_log_key(settings, passphrase(settings), now))
    finally:
        catalogue.close()
