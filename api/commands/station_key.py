"""`liuhen station`: at the docking station itself. Enrol it with a one-time code, replace its key, look at the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ingest.station import StationKey

Server = Annotated[str, typer.Option(help="服务器地址 · address of the server, http://…")]
Authority = Annotated[Path | None, typer.Option("--ca", help="服务器证书的 CA（PEM）· authority of its certificate")]
KeyFile = Annotated[Path, typer.Option("--station", help="采集站密钥文件 · the station's key file")]


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True)
    cli.command("enrol")(enrol)
    cli.command("rotate")(rotate)
    cli.command("show")(show)
    return cli


def enrol(
    *,
    server: Server,
    code: Annotated[
        str, typer.Option(help="一次性登记码 · the one-time code from the administrator", prompt="登记码 code")
    ],
    out: Annotated[Path, typer.Option(help="密钥文件 · where to write the station's key file (mode 0600)")],
    ca: Authority = None,
) -> None:
    """登记本采集站：密钥在本机生成，私钥不离开本机 · Enrol this station. Its key is made here and stays here.

    After a failure of whatever kind, run the same command again.
    """
    from ingest import enrolling
    from ingest.client import ServerClient

    client = ServerClient(server, ca=ca)
    try:
        enrolled = enrolling.enrol(client, code, out)
    finally:
        client.close()
    name, place = enrolled.key.station, enrolled.place
    typer.echo(f"采集站 {name} {place} 已登记，密钥文件：{out}")
    typer.echo(f"station {name} {place} is enrolled, its key file is {out}")
    _tell_ledger(enrolled.key)


def rotate(*, station: KeyFile, server: Server, ca: Authority = None) -> None:
    """更换本采集站的密钥 · Replace this station's key by a new one. After a failure, run it again."""
    from ingest import enrolling
    from ingest.client import ServerClient

    client = ServerClient(server, ca=ca)
    try:
        key = enrolling.renew(client, station)
    finally:
        client.close()
    typer.echo(f"采集站 {key.station} 的密钥已更换，旧密钥从此无效：{station}")
    typer.echo(f"station {key.station} has a new key, the old one is refused from now on: {station}")


def show(*, station: KeyFile) -> None:
    """查看密钥文件：采集站名称、公钥、存证链指纹 · Show whose key file it is, and which ledger it trusts."""
    from ingest import station as stations
    from ingest.invitation import public_of

    key = stations.load(station)
    typer.echo(f"采集站 station: {key.station}\n公钥 public key: {public_of(key.key)}")
    if key.following is not None:
        typer.echo(
            "更换密钥未完成，请再次运行 liuhen station rotate · a new key was begun: run liuhen station rotate again"
        )
    _tell_ledger(key)


def _tell_ledger(key: StationKey) -> None:
    from ingest.invitation import fingerprint

    typer.echo(f"存证链指纹 ledger: {fingerprint(key.log)}   须与管理员屏幕一致 · as on the administrator's screen")
