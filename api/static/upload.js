// 浏览器上传: files go to the server by tus, a few at a time; what was begun before is gone on with. The server tells
// in the page which uploads of this person are unfinished; a chosen file is one of them when serial, name, size and
// date are the same. Nothing is kept in the browser.
"use strict";

const PAUSES = [0, 1000, 3000, 5000, 10000, 20000, 30000, 30000, 60000, 60000]; // milliseconds between tries

class Queue {
  constructor(section) {
    this.section = section;
    this.words = section.dataset;
    this.items = [];
    this.paused = false;
    this.marks = []; // [time, bytes] for the rate
    this.find = (name) => section.querySelector(`[data-${name}]`);
    this.find("choose").addEventListener("submit", (event) => { event.preventDefault(); this.start(); });
    this.find("pause").addEventListener("click", () => (this.paused ? this.resume() : this.pause()));
    for (const input of section.querySelectorAll("[data-files]")) {
      input.addEventListener("change", () => { this.add(input.files); input.value = ""; });
    }
    addEventListener("beforeunload", (event) => { if (this.running().length) event.preventDefault(); });
    setInterval(() => { if (this.running().length) this.tell(); }, 1000);
  }

  running() { return this.items.filter((item) => ["running", "retrying", "checking"].includes(item.state)); }

  add(files) {
    for (const file of files) {
      const path = file.webkitRelativePath || file.name;
      if (this.items.some((item) => item.path === path && same(item.file, file))) continue; // chosen twice
      this.items.push(this.shown({ file, path, state: "waiting", sent: 0, device: "" }));
    }
    this.find("queue").hidden = this.items.length === 0;
    this.find("start").disabled = this.items.length === 0;
    this.tell();
  }

  shown(item) {
    const row = this.find("row").content.firstElementChild.cloneNode(true);
    item.cell = (name) => row.querySelector(`[data-${name}]`);
    item.cell("name").textContent = item.path;
    item.cell("size").textContent = bytes(item.file.size);
    item.cell("progress").setAttribute("aria-label", item.path);
    this.find("rows").append(row);
    this.set(item, "waiting");
    return item;
  }

  start() {
    const device = this.find("device").value.trim();
    if (!device) return;
    for (const item of this.items) {
      if (item.state === "failed") this.set(item, "waiting");
      if (item.state === "waiting") {
        item.device = device;
        item.cell("serial").textContent = device;
      }
    }
    this.problem("");
    this.find("pause").hidden = false;
    this.resume();
  }

  pause() {
    this.paused = true;
    for (const item of this.running()) {
      if (item.state === "checking") continue; // its bytes are there: the server is about to give the receipt
      item.upload.abort();
      this.set(item, "paused");
    }
    this.find("pause").textContent = this.words.wordResume;
    this.tell();
  }

  resume() {
    this.paused = false;
    this.problem("");
    this.find("pause").textContent = this.words.wordPause;
    for (const item of this.items) if (item.state === "paused") this.set(item, "waiting");
    this.next();
  }

  next() {
    const free = Number(this.words.atOnce) - this.running().length;
    const waiting = this.items.filter((item) => item.state === "waiting" && item.device);
    if (!this.paused) for (const item of waiting.slice(0, Math.max(free, 0))) this.send(item);
    this.tell();
  }

  send(item) {
    item.upload ??= this.upload(item);
    this.set(item, "running");
    item.upload.start();
  }

  upload(item) {
    const modified = new Date(item.file.lastModified).toISOString();
    const known = [...document.querySelectorAll("[data-unfinished]")].find(({ dataset }) =>
      dataset.path === item.path && dataset.device === item.device &&
      dataset.length === String(item.file.size) && dataset.modified === modified);
    if (known) {
      item.cell("why").textContent = this.words.wordResumed;
      known.remove();
    }
    return new tus.Upload(item.file, {
      endpoint: this.words.endpoint,
      uploadUrl: known ? known.dataset.unfinished : null,
      headers: { "X-CSRF-Token": this.words.csrf },
      metadata: { path: item.path, device: item.device, modified },
      storeFingerprintForResuming: false,
      retryDelays: PAUSES,
      onShouldRetry: (error) => { this.set(item, "retrying"); return passing(error); },
      onProgress: (sent) => this.progressed(item, sent),
      onAfterResponse: (_, response) => { item.receipt = response.getHeader("Liuhen-Receipt") || item.receipt; },
      onSuccess: () => this.done(item),
      onError: (error) => this.failed(item, error),
    });
  }

  progressed(item, sent) {
    item.sent = sent;
    if (!["running", "retrying", "checking"].includes(item.state)) return;
    this.set(item, sent === item.file.size ? "checking" : "running");
  }

  async done(item) {
    this.progressed(item, item.file.size);
    while (!item.receipt) await this.ask(item); // the answer to the last byte was lost
    const digest = item.receipt.split("/").pop();
    item.cell("digest").textContent = `${digest.slice(0, 12)}…`;
    item.cell("digest").title = digest;
    item.cell("digest").href = `/recordings?q=${digest}`;
    item.cell("receipt").href = `${this.words.receipts}/${digest}`;
    item.cell("receipt").hidden = false;
    item.cell("why").textContent = "";
    this.set(item, "done");
    this.next();
  }

  async ask(item) { // nothing more to send: the server finishes what it has, and gives the receipt again
    const headers = { "X-CSRF-Token": this.words.csrf, "Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(item.file.size) };
    try {
      const answer = await fetch(item.upload.url, { method: "PATCH", headers });
      item.receipt = answer.headers.get("Liuhen-Receipt");
    } catch { /* no connection: again */ }
    if (!item.receipt) await new Promise((resolve) => { setTimeout(resolve, 3000); });
  }

  failed(item, error) {
    const said = refusal(error, this.words.lang);
    const refused = said && !passing(error);
    item.cell("why").textContent = said || this.words.wordLost;
    if (refused) item.upload = null; // begun anew when the reason is gone
    this.set(item, refused ? "failed" : "paused");
    if (!refused || [401, 403].includes(error.originalResponse.getStatus())) {
      this.pause();
      this.problem(said || this.words.wordLost);
    }
    this.next();
  }

  problem(text) {
    const place = this.find("problem");
    place.textContent = text;
    place.hidden = text === "";
  }

  set(item, state) {
    const colours = { waiting: "queued", running: "running", retrying: "pending", checking: "running", paused: "pending", done: "done", failed: "failed" };
    item.state = state;
    const shown = item.cell("state");
    shown.className = `state st-${colours[state]}`;
    shown.textContent = this.words[`word${state[0].toUpperCase()}${state.slice(1)}`];
    const part = item.file.size ? item.sent / item.file.size : Number(state === "done");
    item.cell("progress").value = part;
    item.cell("percent").textContent = `${Math.floor(part * 100)}%`;
    if (state !== "running") this.tell();
  }

  tell() {
    const all = sum(this.items, (item) => item.file.size);
    const sent = sum(this.items, (item) => item.sent);
    const done = this.items.filter((item) => item.state === "done").length;
    this.find("total").value = all ? sent / all : Number(done > 0 && done === this.items.length);
    const parts = [`${done} / ${this.items.length} ${this.words.wordFiles}`, `${bytes(sent)} / ${bytes(all)}`];
    this.marks = [...this.marks.filter(([time]) => time > Date.now() - 10_000), [Date.now(), sent]];
    const [[then, before]] = this.marks;
    const rate = this.running().length && Date.now() - then > 500 ? (sent - before) / ((Date.now() - then) / 1000) : 0;
    if (rate > 0) parts.push(`${bytes(rate)}/s`, `${this.words.wordLeft} ${clock((all - sent) / rate)}`);
    this.find("total-text").textContent = parts.join(" · ");
    this.find("pause").hidden = !this.items.some((item) => item.device && !["done", "failed"].includes(item.state));
  }
}

function passing(error) { // will it be different in a while?
  const status = error.originalResponse?.getStatus() ?? 0;
  return status === 0 || status === 408 || status === 409 || status === 423 || status === 460 || status >= 500;
}

function refusal(error, lang) { // the server's own sentence, "" when it said none
  try {
    return JSON.parse(error.originalResponse.getBody()).error[lang];
  } catch {
    return "";
  }
}

const sum = (items, of) => items.reduce((all, item) => all + of(item), 0);

const same = (one, other) => one.size === other.size && one.lastModified === other.lastModified;

function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

function clock(seconds) {
  const all = Math.ceil(seconds);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(all / 3600)}:${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-discard]");
  if (!button) return;
  const row = button.closest("[data-unfinished]");
  const { csrf } = document.querySelector("[data-upload]").dataset;
  button.disabled = true;
  const answer = await fetch(row.dataset.unfinished, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0", "X-CSRF-Token": csrf } });
  if (answer.ok || answer.status === 404) row.remove();
  else button.disabled = false;
});

new Queue(document.querySelector("[data-upload]"));
