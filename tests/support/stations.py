"""What the server keeps of a station's state."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def kept_state(data: Path, station: str, like: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The station's newest state once it is like that; the test's time limit ends a vain wait."""
    database = next(data.glob("*.db"))
    while True:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            row = connection.execute("SELECT state FROM stations WHERE id = ?", (station,)).fetchone()
        connection.close()
        if row and row[0]:
            state: dict[str, Any] = json.loads(row[0])
            if state and like(state):
                return state
        time.sleep(0.05)
