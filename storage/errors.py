"""The few roots every error of Liuhen descends from.

A caller decides by class what to do: retry (`Transient`), tell the user (`Refused`, `NotFound`, `Conflict`), or sound
the alarm (`IntegrityError`). Every message says what was wrong and what to do, in Chinese and in English.
"""

from __future__ import annotations


class LiuhenError(Exception):
    """An error with one clear sentence in each language.

    `zh` is shown to users first, `en` goes to logs and to the English pages.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Transient(LiuhenError):
    """The same call may succeed later: store down, disk full, database locked."""


class Refused(LiuhenError):
    """The request is understood and will never be carried out: no right, too early, bad input."""


class NotFound(Refused):
    """What was asked for does not exist, or the asker may not know that it does."""


class Conflict(Refused):
    """The state moved on between the asker's look and the request."""


class Busy(Refused):
    """Another process has what only one may have. It may be free later."""


class IntegrityError(LiuhenError):
    """Stored or received bytes are not what was recorded. Never retried, always reported."""


class Unreadable(Refused):
    """Media that no reader could open. The file itself is kept all the same."""
