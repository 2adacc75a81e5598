"""The main job, played: station, officer, approver and court go through it with the real programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from api.demo.outside import Outside
from api.demo.people import Json, Person, wait_for
from api.demo.service import Service
from api.demo.stage import StageFailed, Stages
from api.words import EVENTS
from pipeline.samples import Footage, make_footage

STATION = "ST-01"
_METHODS = {"packets": "数据包逐个相同", "decoded frames": "解码画面逐帧相同"}


@dataclass
class Play:
    """What the scenes share. `work` is the demo's own folder, thrown away at the end unless it is to be kept."""

    work: Path
    stages: Stages
    service: Service
    outside: Outside
    footage: Footage = field(init=False)
    people: dict[str, Person] = field(default_factory=dict)
    recording: str = ""

    @property
    def report(self) -> Path:
        """The continuity report as a page. It stays when the demo's other files go."""
        return self.work / "continuity-report.html"

    @property
    def kept(self) -> Path:
        """The checkpoint that an auditor keeps."""
        return self.work / "auditor.checkpoint"

    @property
    def key(self) -> Path:
        return self.work / "st01.json"

    @property
    def log(self) -> str:
        """The ledger's public key as the station pinned it."""
        return str(json.loads(self.key.read_text())["log"])

    @property
    def officer(self) -> Person:
        return self.people["liming"]

    @property
    def approver(self) -> Person:
        return self.people["wangfang"]

    def dock(self, card: Path) -> Json:
        """Plug a card into the station. The agent's own report."""
        state = self.work / "station"
        words = ["dock", card, "--server", self.service.url, "--station", self.key, "--state", state, "--json"]
        return dict(json.loads(self.service.run(*words)))


def make_material(play: Play) -> None:
    say = play.stages
    play.footage = make_footage(play.work / "footage")
    size = sum(path.stat().st_size for path in play.footage.root.rglob("*") if path.is_file())
    count = len(play.footage.index)
    say.good(f"{count} 个文件，{size / 1e6:.1f} MB：{play.footage.root}", f"{count} files, {size / 1e6:.1f} MB")


def start_service(play: Play) -> None:
    say, service = play.stages, play.service
    play.outside.prepare(service.data)
    service.settings = {"LIUHEN_WITNESS_POLICY": str(play.outside.policy), "LIUHEN_WITNESS_SECONDS": "0.5"}
    service.start()
    say.good(f"服务已启动：{service.url}", f"the service is up: {service.url}")
    admin = Person(service.url, "admin", service.one_time_password())
    play.people["admin"] = admin
    say.good("管理员用一次性密码登录并改密", "the administrator signed in with the one-time password and changed it")
    for login, name, role in (
        ("liming", "李明", "officer"),
        ("wangfang", "王芳", "approver"),
        ("zhaolei", "赵磊", "auditor"),
    ):
        told = service.run("admin", "user", "add", login, "--name", name, "--role", role, "--json")
        play.people[login] = Person(service.url, login, json.loads(told)["password"])
    say.good("已建账号：执法人员、审批人、审计员", "accounts for officer, approver, auditor")
    enrol_station(play)
    play.outside.follow(play.log)
    say.good("法院的见证人已启动，跟踪存证链", "the court's witness is up and follows the ledger")


def enrol_station(play: Play) -> None:
    """With a one-time code, as a bureau does it: the station makes its key itself and sees whose ledger it trusts."""
    say, service = play.stages, play.service
    code = json.loads(service.run("admin", "station", "invite", STATION, "--place", "一楼大厅", "--json"))
    shown = service.run("station", "enrol", "--server", service.url, "--code", code["code"], "--out", play.key)
    say.check(
        code["ledger"] in shown,
        f"采集站 {STATION} 凭一次性登记码登记，两边显示的存证链指纹一致：{code['ledger']}",
        f"station {STATION} enrolled with a one-time code; both sides show the ledger {code['ledger']}",
    )


def dock_card(play: Play) -> None:
    """The station takes the card in, twice; a camera without a station copies a file."""
    say = play.stages
    first = play.dock(play.footage.card)
    say.check(first["safe_to_wipe"], "全部文件的回执已离线核验：可清除", "every receipt verified offline: safe to wipe")
    for file in first["files"]:
        say.say(f"  {file['path']}  {file['sha256'][:16]}…", f"  {file['path']}  {file['sha256'][:16]}…")
    receipts = {file["receipt"]: Path(file["receipt"]).read_bytes() for file in first["files"] if file["receipt"]}
    again = play.dock(play.footage.card)
    same = all(Path(path).read_bytes() == content for path, content in receipts.items())
    say.check(
        same and again["safe_to_wipe"], "再次采集：回执逐字节相同", "docked again: the same receipts, byte by byte"
    )
    digests = {file["sha256"] for file in first["files"]}
    blobs = [path for path in (play.service.data / "blobs").rglob("originals/??/*") if path.name in digests]
    say.check(
        len(blobs) == len(receipts),
        f"库中原件 {len(blobs)} 份，各存一份，没有重复",
        f"{len(blobs)} originals kept, one copy each",
    )
    shutil.copy(play.footage.audio, play.service.watch / play.footage.audio.name)
    proof = play.service.watch / "received" / f"{play.footage.audio.name}.tlog-proof"
    wait_for("watched folder", proof.exists)
    say.good("监视文件夹：录音已入库并给出回执", "watched folder: the audio memo is in and has its receipt")


def check_ledger(play: Play) -> None:
    say = play.stages
    receipts = sorted((play.work / "station").rglob("*.tlog-proof"))
    say.check(bool(receipts), f"采集站保存了 {len(receipts)} 份回执", f"the station keeps {len(receipts)} receipts")
    play.service.run("verify", receipts[0], "--key", play.log)
    say.good("回执校验通过：签名 → 树 → 记录 → 文件摘要", "a receipt verifies: signature → tree → entry → digest")
    say.quote(play.service.run("log", "show"))
    say.quote(play.service.run("log", "entries"), 8)


def ask_outside(play: Play) -> None:
    """An authority says when the ledger was as long as it is, a court's witness that it only ever grows."""
    say = play.stages
    play.service.run("log", "timestamp")
    say.quote(play.service.run("log", "timestamps"))
    say.good("时间戳（RFC 3161）已加盖并核验", "a timestamp (RFC 3161) is made and verified")
    signed = (play.service.data / "ledger" / "checkpoint").read_bytes()
    wait_for("cosignature", lambda: play.outside.has_seen(play.service.url, signed))
    say.good("法院的见证人已见证检查点（ML-DSA-44）", "a court's witness has cosigned the checkpoint (ML-DSA-44)")


def see_analysis(play: Play) -> None:
    """The recording's verdict and derivatives, made in the background."""
    say = play.stages
    play.recording = wait_for("analysis", lambda: _analysed(play, segments=3))
    body = play.officer.get(f"/recordings/{play.recording}")
    say.check(body["verdict"] == "continuous", "三段录像：连续", "three segments: continuous")
    body = wait_for("derivatives", lambda: _with_derivatives(play, {"access", "poster", "master"}))
    for original in body["originals"]:
        made = {each["kind"]: each for each in original["derivatives"]}
        method = made["master"]["proof"]["method"]
        say.good(
            f"{original['name']}：调阅件、封面、归档件（{_METHODS.get(method, method)}）",
            f"{original['name']}: access copy, poster, master (equal by {method})",
        )


def keep_it(play: Play) -> None:
    """A ground of KEEP-LONG moves the recording to the long-term tier with a lossless master; nothing is deleted."""
    say = play.stages
    case = play.officer.form("/cases", {"number": "示应急罚〔2026〕118号", "title": "某化工厂现场检查"}).partition("?")[
        0
    ]
    play.officer.form(f"/recordings/{play.recording}/case", {"case": case.rpartition("/")[2]})
    play.officer.form(f"{case}/flags", {"flags": ["objection"]})
    body = wait_for("long-term", lambda: _long_term(play))
    for original in body["originals"]:
        master = next(d for d in original["derivatives"] if d["kind"] == "master" and d["retention"] == "long_term")
        method = master["proof"]["method"]
        say.good(
            f"{original['name']} → 长期层（归档件{_METHODS.get(method, method)}）",
            f"{original['name']} → long-term tier (master equal by {method})",
        )
    refused = play.people["admin"].delete(f"/api/recordings/{play.recording}").status_code
    say.check(
        refused in (404, 405),
        f"没有任何接口可以删除（DELETE：{refused}）",
        f"no interface deletes anything (DELETE: {refused})",
    )


def see_it(play: Play) -> None:
    """Request, approval by another person, grant, stream; everybody else gets nothing."""
    say = play.stages
    path = _media(play)
    for login, person in play.people.items():
        status = person.media(path).status_code
        say.check(status == 403, f"{login} 无许可：拒绝播放（{status}）", f"{login} has no grant: not shown ({status})")
    asked = play.officer.post("/requests", _request(play, "view", "复核现场检查笔录"))
    own = play.officer.try_post(f"/requests/{asked['id']}/decision", {"approve": True}).status_code
    say.check(own == 403, f"本人不得审批本人申请：拒绝（{own}）", f"nobody approves their own request: refused ({own})")
    play.approver.post(f"/requests/{asked['id']}/decision", {"approve": True})
    part = play.officer.media(path, span=(1000, 1999))
    say.check(
        part.status_code == 206 and len(part.content) == 1000,
        "获批后按区间播放（206）",
        "granted: range request served (206)",
    )
    others = [person.media(path).status_code for login, person in play.people.items() if login != "liming"]
    say.check(
        set(others) == {403},
        "许可只对申请人有效，管理员也看不到",
        "the grant is the requester's alone: not even administrators",
    )
    custody = play.officer.get(f"/recordings/{play.recording}")["custody"]
    say.quote(
        "\n".join(f"{link['index']!s:>5}  {link['time']}  {say.words(*EVENTS[link['event']])}" for link in custody), 30
    )
    say.check(any(link["event"] == "view.opened" for link in custody), "查看已留痕", "the look left its trace")


def export_it(play: Play) -> None:
    """A disc for the court, extracted as a stranger would, verified by its own program without Liuhen."""
    say = play.stages
    asked = play.officer.post("/requests", _request(play, "export", "提交人民法院"))
    play.approver.post(f"/requests/{asked['id']}/decision", {"approve": True})
    wait_for("export", lambda: play.officer.get(f"/requests/{asked['id']}")["export"])
    image = play.work / "court.iso"
    image.write_bytes(play.officer.media(f"/exports/{asked['id']}").content)
    say.good(f"光盘映像 {image.stat().st_size / 1e6:.1f} MB", f"disc image, {image.stat().st_size / 1e6:.1f} MB")
    disc = play.work / "disc"
    extract(image, disc)
    say.quote("\n".join(str(path.relative_to(disc)) for path in sorted(disc.rglob("*")) if path.is_file()), 40)
    done = verify_disc(disc)
    say.quote(done.stdout)
    say.check(
        done.returncode == 0,
        "光盘自校验通过（仅用 Python 标准库）",
        "the disc verifies itself (Python's standard library only)",
    )


def extract(image: Path, folder: Path) -> None:
    """Read the disc without mounting it."""
    command = ["osirrox", "-indev", str(image), "-extract", "/", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StageFailed(f"osirrox: {done.stderr[-300:]}")


def verify_disc(disc: Path) -> subprocess.CompletedProcess[str]:
    """The court's step: the disc's own verifier, with nothing of Liuhen in reach."""
    command = [sys.executable, "-I", "-S", "verify.py"]
    return subprocess.run(command, cwd=disc, capture_output=True, text=True, check=False)


def _analysed(play: Play, *, segments: int) -> str:
    for line in play.officer.get("/recordings")["recordings"]:
        if line["segments"] == segments and line["verdict"]:
            return str(line["id"])
    return ""


def _with_derivatives(play: Play, kinds: set[str]) -> Json:
    body = play.officer.get(f"/recordings/{play.recording}")
    complete = all(kinds <= {made["kind"] for made in original["derivatives"]} for original in body["originals"])
    return body if complete else {}


def _long_term(play: Play) -> Json:
    body = play.officer.get(f"/recordings/{play.recording}")
    for original in body["originals"]:
        masters = [made for made in original["derivatives"] if made["kind"] == "master"]
        moved = {original["tier"], *(made["tier"] for made in original["derivatives"])} == {"long_term"}
        if not moved or not any(made["retention"] == "long_term" for made in masters):
            return {}
    return body


def _media(play: Play) -> str:
    original = play.officer.get(f"/recordings/{play.recording}")["originals"][0]["sha256"]
    return f"/recordings/{play.recording}/media/{original}/access"


def _request(play: Play, kind: str, purpose: str) -> Json:
    return {"recording": play.recording, "kind": kind, "purpose": purpose}
