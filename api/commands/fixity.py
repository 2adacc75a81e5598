"""`liuhen admin fixity`: when the stored files were last checked; check them now."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

POLL = 0.5  # seconds between looks at a run of another process

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
Now = Annotated[bool, typer.Option("--run", help="立即核对到期和异常的文件 · check what is due or not in order now")]
Every = Annotated[bool, typer.Option("--all", help="与 --run 同用：核对全部文件 · with --run: check every file")]
AsJson = Annotated[bool, typer.Option("--json", help="以 JSON 输出 · print JSON")]


def fixity(data: Data = None, run: Now = False, every: Every = False, as_json: AsJson = False) -> None:
    """存储核对：状态，或立即核对 · Stored files against the ledger. Exit code 1 when one is not in order."""
    from api.logs import configure
    from pipeline.bootstrap import read_settings, wire

    configure(logging.CRITICAL)  # what is found is told below
    services = wire(read_settings(data=data))
    try:
        if run or every:
            _run(services, every=every)
        said = _status(services)
    finally:
        services.catalogue.close()
    typer.echo(json.dumps(said, ensure_ascii=False) if as_json else _text(said))
    raise typer.Exit(1 if said["bad"] else 0)


def _run(services: Services, *, every: bool) -> None:
    """Run after run until nothing is due; a run that another process is at is waited for."""
    from api.commands.bar import bar
    from storage.catalogue import fixity as rows
    from storage.records import JobKind

    with services.catalogue.write() as session:
        rows.ask(session, services.clock(), all_files=every)
    with bar("核对 checking") as tell:
        while True:
            job = services.schedule.hasten(JobKind.FIXITY)
            _follow(services, job, tell)
            with services.catalogue.read() as session:
                if not rows.due(session, services.clock())[0]:
                    break
    _publish(services)


def _follow(services: Services, job_id: str, tell: Any) -> None:
    """Carry the run out here, or watch the one that carries it out. Raises Refused when it fails."""
    from storage.catalogue.tables import Job
    from storage.errors import Refused

    working = threading.Thread(target=services.runner.run, args=(job_id,))
    working.start()
    while True:
        working.join(POLL)
        with services.catalogue.read() as session:
            job = session.get(Job, job_id)
        if job is None or job.state == "done":
            break
        tell("", round(job.progress * 1000), 1000)
        if not working.is_alive() and job.error:
            raise Refused(f"核对未完成：{job.error}", f"the check did not finish: {job.error}")
        if not working.is_alive():
            time.sleep(POLL)  # another process is at it
    working.join()


def _publish(services: Services) -> None:
    """What was found goes into the ledger; where a service runs, it does that."""
    from storage.errors import Busy

    try:
        services.sequencer.publish_pending()
    except Busy:
        return
    finally:
        services.sequencer.stop()


def _status(services: Services) -> dict[str, Any]:
    from storage.catalogue import fixity as rows
    from storage.clock import iso

    with services.catalogue.read() as session:
        tiers = [
            {
                "tier": tier.tier,
                "files": tier.files,
                "bytes": tier.bytes,
                "unchecked": tier.unchecked,
                "oldest": iso(tier.oldest) if tier.oldest else None,
                "states": tier.states,
            }
            for tier in rows.tiers(session)
        ]
        found = [
            {"tier": row.tier, "key": row.key, "recording": rows.owner(session, row.kind, row.ref), **row.detail}
            for row in rows.bad(session)
        ]
        return {"tiers": tiers, "bad": rows.alarms(session), "found": found}


def _text(said: dict[str, Any]) -> str:
    lines = [
        f"{tier['tier']:<12} {tier['files']:>8} 个文件 files  {tier['bytes']:>16,} bytes  "
        + (
            f"未核对 not checked yet: {tier['unchecked']}"
            if tier["unchecked"]
            else f"全部核对于 all checked since {tier['oldest']}"
        )
        for tier in said["tiers"]
    ]
    lines += [f"异常 {each['state']}: {each['tier']}/{each['key']} ({each['recording']})" for each in said["found"]]
    return "\n".join([*lines, f"异常文件 not in order: {said['bad']}"])
