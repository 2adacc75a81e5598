"""People at their browsers, played over HTTP: sign in, ask, decide, watch."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from copy import copy
from typing import Any

import httpx

from api.demo.stage import StageFailed

PATIENCE = 120.0  # seconds for background work
Json = dict[str, Any]


class Person:
    """One signed-in user. The one-time password is changed at the first sign-in, as the service demands."""

    def __init__(self, url: str, login: str, one_time: str) -> None:
        self.login = login
        self.password = f"liuhen-{secrets.token_hex(4)}"
        self._http = httpx.Client(base_url=url, timeout=60)
        self._csrf = self._sign_in(one_time)
        form = {"old": one_time, "new": self.password, "again": self.password, "csrf": self._csrf}
        self._expect(self._http.post("/password", data=form), 303)
        self._csrf = self._sign_in(self.password)

    def at(self, url: str) -> Person:
        """The same user at another service that has the same database."""
        other = copy(self)
        other._http = httpx.Client(base_url=url, timeout=60)
        other._csrf = other._sign_in(self.password)
        return other

    def get(self, path: str) -> Json:
        answer: Json = self._expect(self._http.get(f"/api{path}"), 200).json()
        return answer

    def post(self, path: str, body: Json) -> Json:
        answer: Json = self._expect(self.try_post(path, body), 200, 201).json()
        return answer

    def try_post(self, path: str, body: Json) -> httpx.Response:
        return self._http.post(f"/api{path}", json=body, headers={"X-CSRF-Token": self._csrf})

    def form(self, path: str, fields: Json) -> str:
        """Send a page's form and return where it led."""
        answer = self._expect(self._http.post(path, data={**fields, "csrf": self._csrf}), 303)
        return str(answer.headers["Location"])

    def media(self, path: str, *, span: tuple[int, int] | None = None) -> httpx.Response:
        """What the player asks for: the bytes `span` (first, last) of a stream."""
        headers = {"Range": f"bytes={span[0]}-{span[1]}"} if span else {}
        return self._http.get(path, headers=headers)

    def delete(self, path: str) -> httpx.Response:
        return self._http.delete(path, headers={"X-CSRF-Token": self._csrf})

    def _sign_in(self, password: str) -> str:
        body = {"login": self.login, "password": password}
        return str(self._expect(self._http.post("/api/session", json=body), 201).json()["csrf"])

    def _expect(self, answer: httpx.Response, *statuses: int) -> httpx.Response:
        if answer.status_code not in statuses:
            said = re.sub(r"\s+", " ", answer.text)[:300]
            raise StageFailed(f"{self.login}: {answer.request.method} {answer.request.url.path} → {said}")
        return answer


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    """Ask until `look` gives something. Raises StageFailed naming `what` did not come."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise StageFailed(f"timeout: {what}")
