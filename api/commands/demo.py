"""`liuhen demo`: the whole mission once, with real parts, and then attacked."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.demo.play import Play
    from api.demo.stage import Stages


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="演示后保持运行 · leave the service running")] = False,
    lang: Annotated[str, typer.Option(help="zh | en")] = "zh",
) -> None:
    """演示全部流程，再逐项攻击 · Play the main job from dock to court, then attack it; 1 if a promise is broken."""
    from api.demo.outside import Outside
    from api.demo.play import Play
    from api.demo.service import Service
    from api.demo.stage import StageFailed, Stages

    work = Path(tempfile.mkdtemp(prefix="liuhen-demo-"))
    (work / "watch").mkdir()
    stages = Stages(english=lang == "en")
    play = Play(work, stages, Service(work / "data", work / "watch"), Outside(work / "outside"))
    try:
        with contextlib.suppress(StageFailed):
            _perform(play)
        stages.summary()
        _conclude(stages)
        if keep:
            _keep(play)
    finally:
        play.service.stop()
        play.outside.stop()
        _clear(play)


def _perform(play: Play) -> None:
    from api.demo import attacks, checks, interrupted
    from api.demo import play as scenes

    acts = (
        ("制作样片", "Making sample footage", scenes.make_material),
        ("连续性检测（无服务器）", "Checking continuity, without a server", checks.check_files),
        ("启动服务", "Starting the service", scenes.start_service),
        ("三台同时采集：拔线、断电", "Three cameras at once, a cable pulled, the power cut", interrupted.dock_three),
        ("采集与入库", "Docking and intake", scenes.dock_card),
        ("存证链", "The ledger", scenes.check_ledger),
        ("时间戳与见证", "Timestamp and witness", scenes.ask_outside),
        ("分析与转码", "Analysis and transcoding", scenes.see_analysis),
        ("保管", "Keeping", scenes.keep_it),
        ("申请、审批与调阅", "Request, approval, viewing", scenes.see_it),
        ("导出光盘与离线校验", "Export and offline verification", scenes.export_it),
        ("校验整个数据目录", "Verifying the whole data directory", _verify_all),
        *attacks.ATTACKS,
    )
    for zh, en, act in acts:
        with play.stages.stage(zh, en):
            act(play)


def _clear(play: Play) -> None:
    """Remove what the demo made, but for the report."""
    for made in play.work.iterdir():
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        elif made != play.report:
            made.unlink()
    if play.report.exists():
        play.stages.say(f"连续性报告保留在：{play.report}", f"the continuity report stays: {play.report}")
    else:
        play.work.rmdir()


def _verify_all(play: Play) -> None:
    play.stages.quote(play.service.run("verify", play.service.data))
    play.stages.good("全部相符", "everything agrees")


def _conclude(stages: Stages) -> None:
    if stages.failures:
        typer.echo("\n".join(stages.failures), err=True)
        raise typer.Exit(1)
    stages.console.print(
        stages.words("\n全部环节完成，全部攻击均被识破。", "\nEvery stage done, every attack detected."),
        style="bold green",
    )


def _keep(play: Play) -> None:
    say = play.stages
    say.console.print(f"\n{play.service.url}/", style="bold")
    for person in play.people.values():
        say.say(f"{person.login}  密码 {person.password}", f"{person.login}  password {person.password}")
    say.say("按 Ctrl-C 结束并删除演示数据", "press Ctrl-C to end; the demo's data is removed")
    if play.service.process is not None:
        with contextlib.suppress(KeyboardInterrupt):
            play.service.process.wait()
