"""How much one sender may leave unfinished, how long a token is good, when new files wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest import manifest as manifests
from ingest.answers import HttpError
from ingest.callers import Caller, Person
from ingest.digest import FileHasher
from ingest.dockings import Dockings
from ingest.enrolment import Enrolment
from ingest.room import OVERHEAD
from ingest.server import make_files, make_uploads
from ingest.station import load
from ingest.turns import Turns
from ingest.uploads import Unlisted, Uploads
from pipeline.accounts import Accounts
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage.catalogue.tables import Docking, Rejection
from storage.clock import new_id, now
from storage.records import Actor, Role
from tests.support.docking import manifest_of

DATA = b"recording" * 1000


class MovingClock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


@dataclass
class Office:
    services: Services
    uploads: Uploads
    clock: MovingClock
    folder: Path

    def dock(self, station: str) -> tuple[str, Dockings]:
        """The token of a docking of files a, b and c."""
        key = self.folder / f"{station}.json"
        Enrolment(self.services.catalogue, now).add(station, "", key, self.services.log_key.vkey)
        content = manifests.encode(manifest_of(station, {"a": DATA, "b": DATA, "c": DATA}))
        dockings = Dockings(self.services.catalogue, self.services.sequencer, self.clock, timedelta(hours=2))
        return dockings.receive(content, manifests.sign(content, load(key).key)).token, dockings

    def caller(self, station: str) -> Caller:
        token, dockings = self.dock(station)
        return dockings.authorise(token)

    def person(self, login: str) -> Person:
        accounts = Accounts(self.services.catalogue, now)
        accounts.create(login, login, [Role.OFFICER], by=Actor("service", "test"))
        user = accounts.find(login)
        assert user is not None
        return Person(user.id)


Opened = Callable[..., Office]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as stack:

        def made(**settings: Any) -> Office:
            clock = MovingClock()
            services = wire(Settings(data=tmp_path / "data", **{"min_free": 0} | settings), clock)
            services.start(threads=0)
            stack.callback(services.stop)
            return Office(services, make_uploads(services), clock, tmp_path)

        yield made


def refusal(work: Callable[[], object]) -> HttpError:
    with pytest.raises(HttpError) as refused:
        work()
    return refused.value


def test_a_token_ends_and_the_next_docking_gives_another(opened: Opened) -> None:
    office = opened()
    token, dockings = office.dock("ST-01")
    office.clock.ahead = timedelta(hours=1)
    assert dockings.authorise(token).station == "ST-01"
    office.clock.ahead = timedelta(hours=3)
    error = refusal(lambda: dockings.authorise(token))
    assert (error.status, error.code) == (401, "expired-token")
    assert "dock again" in error.en


def test_a_token_from_before_tokens_ended_ends_by_the_time_of_its_docking(opened: Opened) -> None:
    office = opened()
    token, dockings = office.dock("ST-01")
    with office.services.catalogue.write() as session:
        session.query(Docking).update({Docking.token_expires: None})
    assert dockings.authorise(token).station == "ST-01"
    office.clock.ahead = timedelta(hours=3)
    assert refusal(lambda: dockings.authorise(token)).code == "expired-token"


def test_a_station_finishes_what_it_began_before_it_begins_more(opened: Opened) -> None:
    office = opened(station_unfinished=1 << 20)
    st01, st02 = office.caller("ST-01"), office.caller("ST-02")
    first = office.uploads.create(st01, "a", len(DATA))
    error = refusal(lambda: office.uploads.create(st01, "b", len(DATA)))
    assert (error.status, error.code) == (507, "quota")
    assert error.headers["Retry-After"]
    office.uploads.create(st02, "a", len(DATA))
    office.uploads.terminate(first)
    office.uploads.create(st01, "b", len(DATA))


def test_what_has_expired_counts_no_more(opened: Opened) -> None:
    office = opened(station_unfinished=1 << 20, upload_ttl_hours=1)
    st01 = office.caller("ST-01")
    office.uploads.create(st01, "a", len(DATA))
    office.clock.ahead = timedelta(hours=2)
    office.uploads.create(st01, "b", len(DATA))


def test_rejected_bytes_count_until_somebody_has_looked(opened: Opened) -> None:
    office = opened(station_unfinished=2 << 20)
    st01, st02 = office.caller("ST-01"), office.caller("ST-02")
    with office.services.catalogue.write() as session:
        session.add(rejection("ST-01", 2 << 20))
    assert refusal(lambda: office.uploads.create(st01, "a", len(DATA))).code == "quota"
    office.uploads.create(st02, "a", len(DATA))
    with office.services.catalogue.write() as session:
        session.query(Rejection).update({Rejection.seen: now(), Rejection.seen_by: "admin"})
    office.uploads.create(st01, "a", len(DATA))


def rejection(station: str, size: int) -> Rejection:
    return Rejection(
        id=new_id(),
        door="upload",
        station_id=station,
        path="a",
        size=size,
        code="digest-mismatch",
        zh="",
        en="",
        place="spool/rejected/x",
        made=now(),
    )


def test_people_have_quotas_of_their_own(opened: Opened) -> None:
    office = opened(station_unfinished=1 << 20)
    one, other = office.person("one"), office.person("other")
    file = Unlisted("a", "LH00012")
    office.uploads.create_unlisted(one, file, 1000)
    assert refusal(lambda: office.uploads.create_unlisted(one, file, 1000)).code == "quota"
    office.uploads.create_unlisted(other, file, 1000)


@pytest.mark.parametrize(
    "file",
    [
        Unlisted("../a", "LH00012"),
        Unlisted("a\r\nX-Evil: 1", "LH00012"),
        Unlisted("", "LH00012"),
        Unlisted("a", ""),
        Unlisted("a", "LH\x00"),
        Unlisted("a", "x" * 101),
    ],
)
def test_a_person_gives_a_proper_name_and_serial(opened: Opened, file: Unlisted) -> None:
    office = opened()
    error = refusal(lambda: office.uploads.create_unlisted(office.person("one"), file, 1000))
    assert (error.status, error.code) == (422, "wrong-name")


def test_new_files_wait_when_the_analysis_is_behind_and_begun_ones_finish(opened: Opened) -> None:
    office = opened(max_waiting=0)
    st01 = office.caller("ST-01")
    begun = [office.uploads.create(st01, name, len(DATA)) for name in ("a", "b")]
    for upload in begun:
        hasher = FileHasher()
        hasher.update(DATA)
        with office.uploads.lock(upload) as file:
            file.write(DATA, 0)
            file.flush()
            office.uploads.commit(upload, len(DATA))
            office.uploads.finish(upload, file, hasher)
    after = make_uploads(office.services)  # another process: it counts for itself
    error = refusal(lambda: after.create(st01, "c", len(DATA)))
    assert (error.status, error.code) == (503, "behind")
    assert error.headers["Retry-After"]


def test_a_full_disk_refuses_new_files(opened: Opened) -> None:
    office = opened(min_free=1 << 60)
    assert refusal(lambda: office.uploads.create(office.caller("ST-01"), "a", len(DATA))).status == 503


def test_turns_are_counted_for_each_sender_and_in_all() -> None:
    turns = Turns(2, in_all=3)
    with turns.taken("a"), turns.taken("a"), turns.taken("b"):
        assert "station" in refusal(turns.taken("a").__enter__).en
        assert "the server is busy" in refusal(turns.taken("c").__enter__).en
    with turns.taken("c"):
        pass


def test_rejected_whole_files_count_and_those_beyond_are_not_kept(opened: Opened) -> None:
    """Else a station that lists other digests than it sends fills the disk with what is never removed."""
    office = opened(station_unfinished=3 * (len(DATA) + OVERHEAD))
    caller, files = office.caller("ST-01"), make_files(office.services, office.uploads)
    codes = []
    for _ in range(5):
        batch = files.begin_one(caller, "a", len(DATA))
        batch.write(b"x" * len(DATA))
        (answer,) = files.finish(caller, batch).values()
        batch.close()
        assert isinstance(answer, HttpError)
        codes.append(answer.code)
    assert codes == ["digest-mismatch"] * 3 + ["quota"] * 2
    apart = office.services.settings.spool / "rejected"
    assert len([path for path in apart.iterdir() if not path.suffix]) == 3
    batch = files.begin_one(caller, "a", len(DATA))  # what is right still comes in
    batch.write(DATA)
    (answer,) = files.finish(caller, batch).values()
    assert isinstance(answer, bytes)
    batch.close()
