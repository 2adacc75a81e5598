"""How identifiers stand in addresses; anything else is a 404 before the database is asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

Ident = Annotated[str, Path(pattern=r"^[0-9a-z]{1,40}$")]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
