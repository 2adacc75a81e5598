"""What may stand in addresses and forms. Anything else is refused before the database is asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

Ident = Annotated[str, Path(pattern=r"^[0-9a-z]{1,40}$")]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds no NUL character")
    return text


PLAIN = AfterValidator(_without_nul)
"""For every text that comes from outside: PostgreSQL can't keep a NUL character, and nobody types one."""
