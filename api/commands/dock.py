"""`liuhen dock`: the station agent on the command line."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ingest.journal import Journal
    from ingest.progress import CardProgress
    from ingest.results import Outcome
    from ingest.station import StationKey
    from ingest.station_settings import StationSettings
    from ingest.wipes import Wiped
    from storage.errors import LiuhenError

SAFE, NOT_ALL, ERROR, QUARANTINED = 0, 1, 2, 3
STATE = Path(".local/state/liuhen")
EVERY = 0.25  # seconds between two looks at the bars


def dock(
    paths: Annotated[list[Path] | None, typer.Argument(help="存储卡所在文件夹 · folders of the cards")] = None,
    *,
    server: Annotated[str | None, typer.Option(help="服务器地址 · address of the server, http://…")] = None,
    ca: Annotated[Path | None, typer.Option(help="服务器证书的 CA（PEM）· authority of its certificate")] = None,
    station: Annotated[Path | None, typer.Option(help="采集站密钥文件 · the station's key file")] = None,
    config: Annotated[Path | None, typer.Option(help="采集站配置 · configuration (/etc/liuhen/dock.toml)")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="持续监视插入的存储卡 · watch for cards, for days")] = False,
    mounts: Annotated[
        list[Path] | None, typer.Option(help="挂载于其下的为存储卡 · what is mounted below is a card")
    ] = None,
    folders: Annotated[list[Path] | None, typer.Option(help="其中的文件夹为存储卡 · folders in it are cards")] = None,
    device: Annotated[str | None, typer.Option(help="设备编号 · the camera's serial, if the card doesn't tell")] = None,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="入库并复核后清除存储卡 · wipe what is kept, after reading it again")
    ] = False,
    state: Annotated[Path | None, typer.Option(help="日志与回执存放处 · where journal and receipts are kept")] = None,
    patience: Annotated[
        float | None, typer.Option(help="连接中断后重试的秒数 · seconds to try again without progress (120)")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="输出 JSON · print JSON; one line per event with --watch")
    ] = False,
) -> None:
    """采集：上传存储卡全部文件，核验回执后提示可清除 · Dock cards: upload every file, verify the receipts.

    Exit code: 0 every file of every card is safe to wipe, 1 some are not, 2 error, 3 all are kept, but of a camera
    that nothing names (quarantine). With several cards the worst: 2, 1, 3, 0.
    """
    from storage.errors import LiuhenError

    given = {
        "server": server,
        "ca": ca and ca.absolute(),
        "station_key": station and station.absolute(),
        "state": state and state.absolute(),
        "mounts": mounts and tuple(each.absolute() for each in mounts),
        "folders": folders and tuple(each.absolute() for each in folders),
        "patience": patience,
        "wipe": "safe" if wipe else None,
    }
    try:
        if watch:
            _watch(paths, device, _config_file(config, given), given, as_json)
            return
        code = _dock_all(paths or [], device, _settings(config, given), as_json)
    except LiuhenError as error:
        _say_error(error, as_json)
        raise typer.Exit(ERROR) from None
    raise typer.Exit(code)


@dataclass(frozen=True)
class _Done:
    """What became of one card: an outcome, perhaps wiped, or an error."""

    path: Path
    outcome: Outcome | None = None
    wiped: Wiped | LiuhenError | None = None
    error: LiuhenError | None = None

    @property
    def code(self) -> int:
        if self.outcome is None:
            return ERROR
        return SAFE if self.outcome.safe else QUARANTINED if self.outcome.kept else NOT_ALL

    def as_json(self) -> dict[str, Any]:
        if self.outcome is None:
            return {"path": str(self.path), "error": _words(self.error)}
        said = self.outcome.as_json()
        if self.wiped is not None:
            said["wipe"] = self.wiped.as_json() if hasattr(self.wiped, "as_json") else {"error": _words(self.wiped)}
        return said


def _dock_all(paths: list[Path], device: str | None, settings: StationSettings, as_json: bool) -> int:
    from api.commands.dock_view import Bars, print_json
    from ingest import enrolling
    from ingest.agent import PARALLEL
    from ingest.journal import Journal
    from ingest.progress import CardProgress
    from ingest.station_clock import StationClock

    _check_paths(paths, device)
    key = enrolling.present(settings.server, settings.station_key, settings.ca)
    desk = _Desk(
        settings, key, Journal(settings.state, key.station), StationClock(), device, threading.Semaphore(PARALLEL)
    )
    cards = [(path, CardProgress("?", str(path))) for path in paths]
    with ThreadPoolExecutor(settings.at_once, thread_name_prefix="card") as pool, Bars(show=not as_json) as bars:
        futures = [pool.submit(desk.dock, path, progress) for path, progress in cards]
        while wait_for(futures, EVERY).not_done:
            bars.show([progress.state() for _, progress in cards])
    done = [_finish(future, path) for future, path in zip(futures, paths, strict=True)]
    desk.report()
    if as_json:
        print_json(done[0].as_json() if len(done) == 1 else {"cards": [each.as_json() for each in done]})
    for each in done:
        _say(each, as_json)
    return max((each.code for each in done), key=[SAFE, QUARANTINED, NOT_ALL, ERROR].index)


@dataclass(frozen=True)
class _Desk:
    """What the cards of this run share."""

    settings: StationSettings
    key: StationKey
    journal: Journal
    station_clock: Any
    device: str | None
    sending: threading.Semaphore

    def dock(self, path: Path, progress: CardProgress) -> _Done:
        from ingest.agent import Agent
        from ingest.client import ServerClient
        from ingest.wipes import Wiper
        from storage.clock import now
        from storage.errors import LiuhenError

        client = ServerClient(self.settings.server, patience=self.settings.patience, ca=self.settings.ca)
        try:
            agent = Agent(
                client,
                self.key,
                self.journal,
                now,
                cameras=self.settings.cameras,
                station_clock=self.station_clock,
                sending=self.sending,
            )
            outcome = agent.dock(path, self.device, lambda *_: None, lambda _: None, progress)
            wiper = Wiper(self.key, self.journal, agent.trust, now)
            wiper.recover(path, outcome)
            wiped = self._wipe(wiper, path, outcome) if self.settings.wipe == "safe" else None
        except LiuhenError as error:
            return _Done(path, error=error)
        finally:
            client.close()
        return _Done(path, outcome, wiped)

    def _wipe(self, wiper: Any, path: Path, outcome: Outcome) -> Wiped | LiuhenError:
        from storage.errors import LiuhenError

        try:
            wiped: Wiped = wiper.wipe(path, outcome)
        except LiuhenError as error:
            return error
        return wiped

    def report(self) -> None:
        """Tell the server what was wiped; what can't be told now is told next time."""
        from ingest.client import ServerClient
        from ingest.wipes import make_reports, send_reports
        from storage.clock import now
        from storage.errors import LiuhenError

        client = ServerClient(self.settings.server, patience=0, ca=self.settings.ca)
        try:
            make_reports(self.key, self.journal, now)
            send_reports(client, self.key, self.journal)
        except LiuhenError as error:
            _say_error(error, as_json=False)
        finally:
            client.close()


def _finish(future: Future[_Done], path: Path) -> _Done:
    """What was not foreseen is still one card's trouble, not the others'."""
    from ingest.device import escaped
    from storage.errors import LiuhenError

    try:
        return future.result()
    except Exception as error:
        what = escaped(f"{type(error).__name__}: {error}")[:300]
        return _Done(path, error=LiuhenError(f"采集出错（{what}）；请勿清除设备。", f"{what}: do not wipe the camera"))


def _say(done: _Done, as_json: bool) -> None:
    from api.commands.dock_view import print_table, print_wiped

    if done.error is not None:
        _say_error(done.error, as_json=False, place=str(done.path))
    elif done.outcome is not None and not as_json:
        print_table(done.outcome)
        if done.wiped is not None:
            print_wiped(done.wiped)


def _watch(
    paths: list[Path] | None, device: str | None, config: Path | None, given: dict[str, Any], as_json: bool
) -> None:
    from api.commands.dock_watch import run
    from ingest import station_settings
    from storage.errors import Refused

    if paths or device:
        raise Refused(
            "--watch 不能与路径或 --device 同用；用 --mounts 或 --folders 指定监视的文件夹。",
            "--watch goes with neither paths nor --device: --mounts and --folders say where cards appear",
        )
    run(lambda: station_settings.load(config, given), config, as_json)


def _settings(config: Path | None, given: dict[str, Any]) -> StationSettings:
    from ingest import station_settings

    file = _config_file(config, given)
    if file is None:
        given = given | {"state": given["state"] or Path.home() / STATE}
    return station_settings.load(file, given)


def _config_file(config: Path | None, given: dict[str, Any]) -> Path | None:
    """As given, else the usual one where it is needed and there."""
    from ingest import station_settings

    if config is not None:
        return config.absolute()
    told = given["server"] is not None and given["station_key"] is not None
    return station_settings.FILE if not told and station_settings.FILE.exists() else None


def _check_paths(paths: list[Path], device: str | None) -> None:
    from storage.errors import Refused

    if not paths:
        raise Refused("请指定存储卡所在文件夹，或用 --watch 监视。", "give the folder of a card, or --watch")
    if device and len(paths) > 1:
        raise Refused("--device 只能用于一张存储卡；请逐张采集。", "--device is of one card: dock the cards one by one")
    if len({path.resolve() for path in paths}) < len(paths):
        raise Refused("同一文件夹给出了两次。", "the same folder is given twice")


def _words(error: object) -> dict[str, str]:
    return {"zh": getattr(error, "zh", ""), "en": getattr(error, "en", "")}


def _say_error(error: object, as_json: bool, place: str = "") -> None:
    from api.commands.dock_view import print_line
    from ingest.device import escaped

    words = _words(error)
    if as_json:
        print_line({"error": words})
    where = f"{escaped(place)}: " if place else ""
    typer.echo(f"错误：{where}{escaped(words['zh'])}{os.linesep}error: {where}{escaped(words['en'])}", err=True)
