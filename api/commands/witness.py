"""`liuhen witness`: a witness that a court or an auditor runs. It cosigns logs that only ever grow."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.ledger.witnesses.witness_desk import WitnessDesk

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="见证人目录 · the witness's folder")]
CONNECTIONS = 256
IDLE_SECONDS = 75


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True)
    cli.command("init")(init)
    cli.command("trust")(trust)
    cli.command("distrust")(distrust)
    cli.command("run")(run)
    cli.command("show")(show)
    return cli


def init(
    folder: Folder,
    name: Annotated[
        str, typer.Option(help="见证人名称，如无协议头的网址 · its name, like a URL without scheme: court.example/w1")
    ],
    only: Annotated[
        str, typer.Option(help="只用一种签名 · one kind of signature only: ml-dsa-44, ed25519 (both 两种)")
    ] = "both",
) -> None:
    """建立见证人并打印公钥 · Make a witness with new keys and print its public keys."""
    from pipeline.bootstrap import passphrase, read_settings
    from storage.clock import now
    from storage.errors import Refused
    from storage.ledger.witnesses import witness_desk
    from storage.ledger.witnesses.witness_keys import KINDS

    kinds = KINDS if only == "both" else (only,)
    if not set(kinds) <= set(KINDS):
        raise Refused(f"没有这种签名：{only}", f"there is no signature {only}: choose ml-dsa-44 or ed25519")
    desk = witness_desk.init(folder, name, kinds, passphrase(read_settings(data=folder)), now)
    typer.echo(
        "请妥善备份该目录，把以下公钥交给要核验的各方 · back this folder up and give these keys to all who verify:",
        err=True,
    )
    for vkey in desk.vkeys:
        typer.echo(vkey)


def trust(
    folder: Folder,
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="存证链公钥（一行）· the log's public key (one line)")],
    origin: Annotated[
        str | None, typer.Option(help="存证链名称，如与公钥名称不同 · its origin if not the key's name")
    ] = None,
) -> None:
    """开始见证一条存证链 · Follow a log: from now on its checkpoints are cosigned when they extend the last one."""
    log = _open(folder).trust(vkey, origin)
    typer.echo(f"已信任 {log.origin}（{len(log.vkeys)} 个公钥）· {log.origin} is followed now", err=True)


def distrust(
    folder: Folder,
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="不再可信的公钥 · a key to be believed no more")],
) -> None:
    """不再信任一个公钥（如已泄露）· Believe a log's key no more, as when it was stolen."""
    _open(folder).distrust(vkey)
    typer.echo("已不再信任该公钥 · the key is trusted no more", err=True)


def run(
    folder: Folder,
    host: Annotated[str, typer.Option(help="监听地址 · address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="监听端口 · port to listen on")] = 8471,
) -> None:
    """运行见证服务 · Answer logs over HTTP until stopped."""
    import uvicorn

    from api.logs import configure
    from api.witness_app import WitnessApp

    desk = _open(folder)
    configure()
    config = uvicorn.Config(
        WitnessApp(desk),
        host=host,
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=5,
    )
    socket = config.bind_socket()
    socket.listen(128)  # whoever reads the address below may connect at once
    at = f"http://{host}:{socket.getsockname()[1]}/"
    typer.echo(f"见证人 {desk.name} 已启动 · the witness is up: {at}", err=True)
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.Server(config).run(sockets=[socket])


def show(folder: Folder) -> None:
    """公钥、所见证的存证链、证据 · Its keys, the logs it follows and how far, and evidence against them."""
    from storage.errors import IntegrityError

    desk = _open(folder)
    typer.echo(f"见证人 witness {desk.name}")
    for vkey in desk.vkeys:
        typer.echo(f"  公钥 key  {vkey}")
    wrong = False
    for log in desk.followed():
        try:
            line = _progress(desk, log.origin)
        except IntegrityError as error:
            line, wrong = f"✗ {error.zh}\n    {error.en}", True
        typer.echo(f"存证链 log {log.origin}\n  {line}")
        for vkey in log.vkeys:
            typer.echo(f"  信任 trusted  {vkey}")
    for case in desk.accusations():
        wrong = True
        typer.echo(f"✗ 证据 evidence {case}：见 README.txt · read its README.txt")
    raise typer.Exit(1 if wrong else 0)


def _progress(desk: WitnessDesk, origin: str) -> str:
    """How far a log was cosigned, with the local time."""
    newest = desk.newest(origin)
    if newest is None:
        return "尚未见证 · nothing cosigned yet"
    head, seconds = newest
    at = datetime.fromtimestamp(seconds, UTC).astimezone()
    late = "" if at <= datetime.now(UTC) else "（晚于本机时钟，请校时 · ahead of this clock: set it right）"
    return f"{head.size} 条 entries，{at:%Y-%m-%d %H:%M:%S %z}{late}"


def _open(folder: Path) -> WitnessDesk:
    from pipeline.bootstrap import passphrase, read_settings
    from storage.clock import now
    from storage.errors import NotFound
    from storage.ledger.witnesses import witness_desk

    if not (folder / "witness.json").exists():  # else a passphrase would be made for nothing
        raise NotFound(
            f"{folder} 中没有见证人；先运行 liuhen witness init。",
            f"{folder} holds no witness: run liuhen witness init",
        )
    return witness_desk.load(folder, passphrase(read_settings(data=folder)), now)


def _leave(*_: object) -> None:
    raise SystemExit(0)
