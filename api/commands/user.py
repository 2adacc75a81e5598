"""`liuhen admin user`: accounts from the server's own console, where no administrator can sign in yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.records import Role

if TYPE_CHECKING:
    from pipeline.accounts import Accounts

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")]
Login = Annotated[str, typer.Argument(help="登录名 · login")]


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True, help="用户 · users")
    cli.command("add")(add)
    cli.command("list")(list_users)
    cli.command("reset")(reset)
    return cli


def add(
    login: Login,
    name: Annotated[str, typer.Option(help="姓名 · name")],
    role: Annotated[list[Role], typer.Option(help="角色，可多次 · role, may be repeated")],
    *,
    unit: Annotated[str, typer.Option(help="单位 · unit")] = "",
    certificate: Annotated[str, typer.Option(help="执法证号 · certificate number")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """新建用户，显示一次性密码 · Add a user and print the one-time password."""
    from storage.records import Actor

    with _Accounts(data) as accounts:
        password = accounts.create(
            login, name, role, by=Actor("service", "console"), unit=unit, certificate=certificate
        )
    _show_password(login, password, as_json)


def reset(login: Login, data: Data = None, as_json: AsJson = False) -> None:
    """重置密码，显示一次性密码 · Reset a password and print the one-time one."""
    from storage.errors import NotFound
    from storage.records import Actor

    with _Accounts(data) as accounts:
        user = accounts.find(login)
        if user is None:
            raise NotFound(f"没有用户 {login}。", f"there is no user {login}")
        password = accounts.reset(user.id, by=Actor("service", "console"))
    _show_password(login, password, as_json)


def list_users(data: Data = None, as_json: AsJson = False) -> None:
    """列出用户 · List the users."""
    with _Accounts(data) as accounts:
        users = accounts.all()
    for user in users:
        if as_json:
            line = {"login": user.login, "name": user.name, "roles": user.roles, "disabled": user.disabled}
            typer.echo(json.dumps(line, ensure_ascii=False))
        else:
            state = "停用 disabled" if user.disabled else ""
            typer.echo(f"{user.login:<20} {user.name}  {','.join(user.roles)}  {state}".rstrip())


class _Accounts:
    """The accounts over the data directory's database. What is recorded waits for whoever publishes the ledger."""

    def __init__(self, data: Path | None) -> None:
        from pipeline.bootstrap import open_catalogue, read_settings

        self._catalogue = open_catalogue(read_settings(data=data))

    def __enter__(self) -> Accounts:
        from pipeline.accounts import Accounts
        from storage.clock import now

        return Accounts(self._catalogue, now)

    def __exit__(self, *_: object) -> None:
        self._catalogue.close()


def _show_password(login: str, password: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"login": login, "password": password}))
    else:
        typer.echo(f"{login} 的一次性密码（首次登录须修改）· one-time password, to be changed at sign-in:  {password}")
