"""Files of real devices, where a folder of them with an INDEX.csv (file, truth, what …) is at hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

_FAMILIES = {"altered": "real-altered", "one gap": "photo-missing", "two re-saved": "photo-resaved"}


def rows(folder: Path) -> list[dict[str, Any]]:
    """Rows with absolute paths: the files are never copied. Truth as their index has it."""
    index = folder / "INDEX.csv"
    if not index.exists():
        return [
            {
                "id": "real",
                "source": "real",
                "family": "real",
                "truth": "genuine",
                "files": (),
                "skipped": f"no {index}",
            }
        ]
    with index.open(encoding="utf-8") as file:
        return [_row(folder, each) for each in csv.DictReader(file)]


def _row(folder: Path, each: dict[str, str]) -> dict[str, Any]:
    files = sorted(str(path.resolve()) for path in folder.glob(each["file"])) or sorted(
        str(path.resolve()) for path in folder.glob(each["file"].replace(".jpg", ".JPG"))
    )
    name = f"real/{each['file']}"
    genuine = each["truth"] == "continuous"
    return {
        "id": name, "source": name, "family": "genuine-real" if genuine else _FAMILIES[each["truth"]],
        "truth": "genuine" if genuine else "manipulated", "files": tuple(files), "tool": "real",
        "skipped": "" if files else "not there",
    }  # fmt: skip
