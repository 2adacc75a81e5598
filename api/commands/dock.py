"""`liuhen dock`: the station agent on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ingest.card import Card
    from ingest.results import Outcome

SAFE, NOT_ALL, ERROR = 0, 1, 2
STATE = Path(".local/state/liuhen")


def dock(
    path: Annotated[Path, typer.Argument(help="存储卡所在文件夹 · folder of the card")],
    *,
    server: Annotated[str, typer.Option(help="服务器地址 · address of the server, http://…")],
    station: Annotated[Path, typer.Option(help="采集站密钥文件 · the station's key file")],
    device: Annotated[str | None, typer.Option(help="设备编号 · the camera's serial, if the card doesn't tell")] = None,
    state: Annotated[Path | None, typer.Option(help="回执存放处 · where receipts are kept")] = None,
    patience: Annotated[
        float, typer.Option(help="连接中断后重试的秒数 · seconds to try again without progress")
    ] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print one JSON object")] = False,
) -> None:
    """采集：上传存储卡全部文件，核验回执后提示可清除 · Dock a card: upload every file, verify the receipts.

    Exit code: 0 every file is safe to wipe, 1 some are not, 2 error.
    """
    from ingest import station as stations
    from ingest.agent import Agent
    from ingest.client import ServerClient
    from ingest.journal import Journal
    from storage.clock import now
    from storage.errors import LiuhenError

    try:
        key = stations.load(station)
        client = ServerClient(server, patience=patience)
        try:
            agent = Agent(client, key, Journal(state or Path.home() / STATE, key.station), now)
            with _Bars() as bars:
                outcome = agent.dock(path, device, bars.told, bars.listed)
        finally:
            client.close()
    except LiuhenError as error:
        _say_error(error, as_json)
        raise typer.Exit(ERROR) from None
    _print_json(outcome) if as_json else _print_table(outcome)
    raise typer.Exit(SAFE if outcome.safe else NOT_ALL)


class _Bars:
    """Two bars on the terminal: hashing and sending, over all files."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
        self._progress: Progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[tuple[str, str], int] = {}
        self._sums = {"hash": 0, "send": 0}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def listed(self, card: Card) -> None:
        total = sum(file.size for file in card.files)
        self._tasks["hash"] = self._progress.add_task("核算摘要 hash", total=total)
        self._tasks["send"] = self._progress.add_task("上传入库 send", total=total)

    def told(self, stage: str, path: str, done: int) -> None:
        self._sums[stage] += done - self._done.get((stage, path), 0)
        self._done[stage, path] = done
        self._progress.update(self._tasks[stage], completed=self._sums[stage])


def _print_json(outcome: Outcome) -> None:
    typer.echo(json.dumps(outcome.as_json(), ensure_ascii=False, indent=1))


def _print_table(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table(
        Column("文件 file", overflow="fold"),
        "大小 bytes",
        "SHA-256",
        "结果 result",
        title=f"采集 docking {outcome.docking}",
    )
    for result in outcome.results:
        colour = "green" if result.safe else "dim" if result.note else "red"
        words = f"[{colour}]{escape(result.zh)}\n{escape(result.en)}[/]"
        table.add_row(escape(result.path), f"{result.size:,}", (result.sha256 or "—")[:16], words)
    console = Console()
    console.print(table)
    console.print(_summary(outcome), soft_wrap=True)


def _summary(outcome: Outcome) -> str:
    serial = outcome.device.serial
    wanted = [result for result in outcome.results if not result.note]
    safe = sum(result.safe for result in wanted)
    if outcome.safe:
        return (
            f"[bold green]可清除[/] 设备 {serial} 的 {safe} 个文件全部入库，回执已核验。\n"
            f"safe to wipe: all {safe} files of camera {serial} are kept, their receipts verified"
        )
    return (
        f"[bold red]请勿清除[/] 设备 {serial}：{safe}/{len(wanted)} 个文件已入库，其余见上表。\n"
        f"do NOT wipe camera {serial}: {safe} of {len(wanted)} files are kept, see the table for the others"
    )


def _say_error(error: object, as_json: bool) -> None:
    zh, en = getattr(error, "zh", ""), getattr(error, "en", "")
    if as_json:
        typer.echo(json.dumps({"error": {"zh": zh, "en": en}}, ensure_ascii=False))
    typer.echo(f"错误：{zh}{os.linesep}error: {en}", err=True)
