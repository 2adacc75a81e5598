"""`liuhen export`: a finished, approved export as a file, from the server's own console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    request: Annotated[
        str, typer.Argument(help="导出申请编号 · identifier of the export request", metavar="REQUEST-ID")
    ],
    out: Annotated[Path, typer.Option(help="写入的文件 · file to write, such as court.iso")],
    data: Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")] = None,
) -> None:
    """取出已批准并制成的导出光盘映像 · Copy a finished, approved export out.

    领取本身记入存证链 · The copying is logged. 退出码 · exit code: 0 done, 2 error.
    """
    from api.commands.bar import bar
    from pipeline.bootstrap import open_catalogue, open_tiers, read_settings
    from pipeline.export.handover import HandOver
    from storage.clock import now

    settings = read_settings(data=data)
    catalogue = open_catalogue(settings)
    try:
        with bar("光盘 disc") as tell:
            made = HandOver(catalogue, open_tiers(settings), now).copy(
                request.lower(), out, lambda done: tell("", round(done * 1000), 1000)
            )
    finally:
        catalogue.close()
    typer.echo(f"已导出 · exported: {out}\nSHA-256 {made.sha256}\n{made.size:,} bytes")
