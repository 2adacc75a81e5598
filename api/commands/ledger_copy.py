"""`liuhen log export`: a copy of the log's static files, up to one checkpoint, audited after writing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.commands.bar import bar
from api.commands.log_place import Data, Key, find


def export(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="新目录，或 .tar 文件 · a new folder, or a .tar file")],
    *,
    log: Annotated[Path | None, typer.Option(help="存证链目录或其副本 · a log's folder or a copy of it")] = None,
    data: Data = None,
    key: Key = None,
) -> None:
    """复制整条存证链，写后自审 · Copy the whole log up to its present checkpoint, and audit the copy.

    服务可以照常运行 · The service may go on writing meanwhile.
    """
    from pipeline.log_copy import copy_log

    place = find(log, data, key)
    with bar("导出 exporting") as tell:
        audited = copy_log(place.folder, target, place.believed(), tell)
    head = audited.checkpoint
    typer.echo(f"已写入并审计：{target}，{head.size} 条，根哈希 {head.root.hex()}")
    typer.echo(f"written and audited: {target}, {head.size} entries, root {head.root.hex()}")
