"""`liuhen up` and its parts: the whole service in one process, or one part of it in each of several."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
Host = Annotated[str | None, typer.Option(help="监听地址 · address to listen on (LIUHEN_HOST, 127.0.0.1)")]
Port = Annotated[int | None, typer.Option(help="监听端口 · port to listen on (LIUHEN_PORT, 8470)")]
Watch = Annotated[Path | None, typer.Option(help="监视的文件夹 · folder to watch for cameras without a station")]


def up(data: Data = None, host: Host = None, port: Port = None, watch: Watch = None) -> None:
    """启动全部服务（接口、入库、处理）· Run everything: pages, API, intake, ledger and workers in one process."""
    with _services(data, host, port, watch) as services:
        _first_start(services)
        services.start()
        with _intake_daemon(services):
            _serve(services)


def serve(data: Data = None, host: Host = None, port: Port = None) -> None:
    """只启动网页与接口 · Run the pages and the API only, in any number; workers run elsewhere on the same broker."""
    with _services(data, host, port, None) as services:
        _first_start(services)
        services.start(threads=0, standby=True)
        _serve(services)


def worker(data: Data = None) -> None:
    """只启动任务处理 · Run workers only. The ledger's sequencer stays with `serve` or `up`."""
    with _services(data, None, None, None) as services:
        services.workers.start(services.settings.workers)
        _wait_for_signal()


def ingest(watch: Watch, data: Data = None) -> None:
    """只启动监视文件夹 · Run the watched folder only; the process that runs the sequencer gives the receipts."""
    with _services(data, None, None, watch) as services, _intake_daemon(services):
        _wait_for_signal()


@contextlib.contextmanager
def _services(data: Path | None, host: str | None, port: int | None, watch: Path | None) -> Iterator[Services]:
    from api.logs import configure
    from pipeline.bootstrap import read_settings, wire

    configure()
    signal.signal(signal.SIGTERM, _leave)  # uvicorn raises it again when it is done: then the rest must stop in order
    services = wire(read_settings(data=data, host=host, port=port, watch=watch))
    try:
        yield services
    finally:
        services.stop()


@contextlib.contextmanager
def _intake_daemon(services: Services) -> Iterator[None]:
    from ingest.daemon import Daemon

    daemon = Daemon(services)
    daemon.start()
    try:
        yield
    finally:
        daemon.stop()


def _serve(services: Services) -> None:
    import uvicorn

    from api.app import make_app
    from ingest.connection import Connection

    settings = services.settings
    typer.echo(f"留痕已启动 · Liuhen is up: http://{settings.host}:{settings.port}/", err=True)
    uvicorn.run(
        make_app(services),
        host=settings.host,
        port=settings.port,
        http=Connection,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _first_start(services: Services) -> None:
    """Make the administrator and print the one-time password, once: when there is no administrator yet."""
    from pipeline.accounts import Accounts
    from storage.records import Actor, Role

    accounts = Accounts(services.catalogue, services.clock)
    if accounts.find("admin") is not None:
        return
    password = accounts.create("admin", "系统管理员", [Role.ADMIN], by=Actor("service", "setup"))
    typer.echo(
        f"首次启动：已建立管理员 admin，一次性密码 {password}（首次登录须修改）\n"
        f"first start: administrator admin, one-time password {password} (to be changed at the first sign-in)",
        err=True,
    )


def _wait_for_signal() -> None:
    threading.Event().wait()


def _leave(*_: object) -> None:
    raise SystemExit(0)
