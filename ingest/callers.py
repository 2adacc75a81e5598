"""Who uploads: a station with the token of a docking, or a person who is signed in and uses a browser."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds a token: a docking of a station."""

    docking: str
    station: str

    @property
    def key(self) -> str:
        """Whose turns and quota these are: all dockings of a station share them."""
        return f"station:{self.station}"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in: the identifier of the user."""

    user: str

    @property
    def key(self) -> str:
        return f"user:{self.user}"


Sender = Caller | Person
