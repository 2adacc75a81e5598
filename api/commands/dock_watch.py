"""`liuhen dock --watch`: a station that runs for days."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.dock_view import COLOURS, Bars, print_line, state_line

if TYPE_CHECKING:
    from ingest.results import Outcome
    from ingest.station_settings import StationSettings
    from ingest.station_state import CardState, Problem

EVERY = 0.5  # seconds between two looks at the bars
SPOKEN = frozenset({"safe", "unsafe", "quarantined", "failed", "wiped", "gone", "sending"})


def run(read: Callable[[], StationSettings], config: Path | None, as_json: bool) -> None:
    """Until SIGTERM or SIGINT, exit code 0. Raises Refused when the configuration or the key is wrong at the start."""
    from ingest.card_watch import CardWatch, ConfigFile
    from storage.clock import iso, now

    with Bars(show=not as_json) as bars:

        def told(state: CardState, outcome: Outcome | None) -> None:
            if as_json:
                print_line({"event": "card", "time": iso(now()), **state.model_dump()})
            elif state.state in SPOKEN:
                bars.say(state_line(state), COLOURS.get(state.state, ""))

        def problem(found: Problem | None) -> None:
            words = found.model_dump() if found else None
            if as_json:
                print_line({"event": "problem", "time": iso(now()), "problem": words})
            else:
                bars.say(f"{found.zh} · {found.en}" if found else "已恢复正常 · all is well again", "bold")

        watch = CardWatch(ConfigFile(read, config), now, told, problem)
        ended = threading.Event()

        def leave(*_: object) -> None:
            ended.set()
            watch.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        _ready(bars, read(), as_json)
        drawing = threading.Thread(target=_draw, args=(bars, watch.states, ended), daemon=True)
        drawing.start()
        watch.run()
        ended.set()
        drawing.join()


def _draw(bars: Bars, states: Callable[[], list[CardState]], ended: threading.Event) -> None:
    while not ended.wait(EVERY):
        bars.show([state for state in states() if state.state in ("listing", "hashing", "sending", "wiping")])


def _ready(bars: Bars, settings: StationSettings, as_json: bool) -> None:
    from storage.clock import iso, now

    places = [str(each) for each in (*settings.mounts, *settings.folders)]
    if as_json:
        print_line({"event": "watching", "time": iso(now()), "server": settings.server, "places": places})
    else:
        bars.say(f"正在监视 watching: {' '.join(places)} → {settings.server}")
