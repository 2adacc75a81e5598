"""`liuhen log restore`: an old backup of the database was restored; the ledger's folder still has what it lacks."""

from __future__ import annotations

from typing import Annotated

import typer

from api.commands.bar import bar
from api.commands.log_place import Data, Key


def restore(
    by: Annotated[str, typer.Option(help="操作人账号 · login of who does it")],
    *,
    data: Data = None,
    key: Key = None,
) -> None:
    """误恢复旧数据库之后：从存证链目录补回条目与原件 · After an old database was restored: take back what it lacks.

    先停服务 · Stop the service first. 退出码 · exit code: 0 done, 1 存证链不符 the ledger is wrong, 2 error.
    """
    from api.commands.log_place import own_key, read_key
    from pipeline.bootstrap import open_restore, read_settings
    from storage.errors import IntegrityError, Refused
    from storage.records import Actor

    settings = read_settings(data=data)
    vkey = read_key(key) or own_key(settings)
    if vkey is None:
        raise Refused("请用 --key 给出存证链公钥。", "give the ledger's public key with --key")
    with bar("补回 taking back") as tell, open_restore(settings) as use_case:
        try:
            done = use_case.run(vkey, Actor("user", by), lambda at, total: tell("", at, total))
        except IntegrityError as error:
            typer.echo(f"✗ 不符：{error.zh}\n  wrong: {error}")
            raise typer.Exit(1) from error
    typer.echo(
        f"数据库 {done.had} 条 → {done.has} 条；补回原件 {done.originals} 份。"
        "请启动服务，待检测完成后执行 liuhen verify --all。\n"
        f"the database went from {done.had} entries to {done.has}, {done.originals} originals have their rows again: "
        "start the service, and when it has checked them run liuhen verify --all"
    )
    for sha256 in done.missing:
        typer.echo(f"✗ 原件不在库中 · its bytes are in no store: {sha256}")
