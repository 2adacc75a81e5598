"""What was not checked, said once where it is the same for all files of a kind. Pure; for text and page of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def of_many(files: Sequence[Json]) -> dict[str, list[Json]]:
    """By kind of media: what was left open in every readable file of that kind, where there are two or more of them."""
    kinds: dict[str, list[Json]] = {}
    for file in files:
        if file["verdict"] != "unreadable":
            kinds.setdefault(file["media"]["kind"], []).append(file)
    common = {kind: _in_all(of_kind) for kind, of_kind in kinds.items() if len(of_kind) > 1}
    return {kind: items for kind, items in common.items() if items}


def own(file: Json, common: Mapping[str, Sequence[Json]]) -> list[Json]:
    """What was left open in this file and is not said for its kind, each sentence once."""
    if file["verdict"] == "unreadable":
        return []  # the reason why it can't be read says it all
    said = common.get(file["media"]["kind"], ())
    return list({each["why"]: each for each in file["not_checked"] if each not in said}.values())


def _in_all(files: Sequence[Json]) -> list[Json]:
    first, *others = ([(each["check"], each["why"], each["zh"]) for each in file["not_checked"]] for file in files)
    for other in map(set, others):
        first = [each for each in first if each in other]
    return [{"check": check, "why": why, "zh": zh} for check, why, zh in dict.fromkeys(first)]
