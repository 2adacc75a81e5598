"""The command line. Each command is a function in `api.commands`; this module only gives them their names."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from api.commands import (
    check,
    demo,
    device,
    dock,
    erase,
    export,
    fixity,
    key,
    ledger,
    officer,
    station,
    station_key,
    timestamps,
    up,
    user,
    verify,
    witness,
)
from storage.errors import LiuhenError


def make_cli() -> typer.Typer:
    """The whole tree of commands."""
    cli = typer.Typer(
        name="liuhen",
        help="留痕：执法音像记录存证系统 · Liuhen: evidence integrity for body-camera recordings",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    cli.command("check")(check.check)
    cli.command("up")(up.up)
    cli.command("serve")(up.serve)
    cli.command("worker")(up.worker)
    cli.command("ingest")(up.ingest)
    cli.command("dock")(dock.dock)
    cli.add_typer(station_key.make(), name="station", help="采集站：登记与密钥 · A docking station's own key")
    cli.command("verify")(verify.verify)
    cli.command("export")(export.export)
    cli.command("demo")(demo.demo)
    log = ledger.make()
    log.command("timestamp")(timestamps.stamp)
    log.command("timestamps")(timestamps.show)
    cli.add_typer(log, name="log", help="查看存证链 · Look at the ledger")
    cli.add_typer(witness.make(), name="witness", help="见证存证链 · Witness a ledger: for courts and auditors")
    admin = typer.Typer(help="管理 · Administration", no_args_is_help=True)
    admin.add_typer(station.make(), name="station", help="采集站 · Docking stations")
    admin.add_typer(user.make(), name="user", help="用户 · Users")
    admin.add_typer(officer.make(), name="officer", help="执法人员名录 · Officers and their certificates")
    admin.add_typer(device.make(), name="device", help="设备与其特征档案 · Devices and their profiles")
    admin.add_typer(key.make(), name="key", help="存证链签名密钥 · The ledger's signing keys")
    admin.command("fixity")(fixity.fixity)
    admin.command("erase")(erase.erase)
    cli.add_typer(admin, name="admin")
    return cli


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. An error of ours is one clear line in both languages, exit code 2."""
    try:
        make_cli()(args=arguments)
    except LiuhenError as error:
        typer.echo(f"错误：{error.zh}\nerror: {error.en}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
