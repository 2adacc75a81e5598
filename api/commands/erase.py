"""`liuhen admin erase`: remove personal data that the ledger only has commitments to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def erase(
    subject: Annotated[
        str,
        typer.Argument(help="request:、excuse:、delay:、case:、erasure: 加编号，或 user:登录名 · what to erase"),
    ],
    by: Annotated[str, typer.Option(help="负责的系统管理员（登录名）· the administrator who answers for it")],
    reason: Annotated[str, typer.Option(help="理由，以承诺值记入存证链 · why; logged as a commitment")],
    data: Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")] = None,
) -> None:
    """删除个人信息（不可恢复），存证链仍可核验 · Erase personal data for good; the ledger still verifies.

    数据库备份、已交出的光盘和打印件不在其内 · not in reach: backups, discs and print-outs made before.
    """
    from pipeline.bootstrap import open_catalogue, read_settings
    from pipeline.erasure import Erasing
    from storage.clock import now

    catalogue = open_catalogue(read_settings(data=data))
    try:
        gone = Erasing(catalogue, now).erase(subject, by=by, reason=reason)
    finally:
        catalogue.close()
    typer.echo(f"已删除 erased: {subject}")
    for digest in gone:
        typer.echo(f"承诺值 commitment {digest}")
