// Comforts only: every page works without this file. No inline scripts (Content-Security-Policy).
"use strict";

function copy(button) {
  const text = button.dataset.copy;
  const done = () => {
    const word = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = word; }, 1500);
  };
  if (navigator.clipboard) {
    navigator.clipboard.writeText(text).then(done, () => copyOld(text, done));
  } else {
    copyOld(text, done); // the clipboard interface is missing on plain http
  }
}

function copyOld(text, done) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  if (document.execCommand("copy")) done();
  field.remove();
}

// --- the player -------------------------------------------------------------------------------------------------

function show(segment, then) {
  const player = document.querySelector("[data-player]");
  const link = document.querySelector(`[data-segment-link="${segment}"]`);
  if (!player || !link) return false;
  if (player.dataset.now !== String(segment)) {
    player.dataset.now = String(segment);
    player.src = link.dataset.source;
    for (const other of document.querySelectorAll("[data-segment-link]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
  }
  if (player.readyState >= 1) then(player);
  else player.addEventListener("loadedmetadata", () => then(player), { once: true });
  return true;
}

function seek(element) {
  const shown = show(element.dataset.segment, (player) => {
    player.currentTime = Number(element.dataset.seek);
    player.focus({ preventScroll: true });
  });
  if (shown) document.getElementById("player").scrollIntoView({ block: "nearest", behavior: "smooth" });
  return shown;
}

function fullscreen() {
  const screen = document.querySelector("[data-screen]");
  if (document.fullscreenElement) document.exitFullscreen();
  else screen.requestFullscreen(); // the frame, not the video: the watermark stays on it
}

// --- one listener for each kind of event -------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-seek], [data-segment-link], [data-fullscreen]");
  if (!target) return;
  if (target.dataset.copy !== undefined) copy(target);
  else if (target.dataset.fullscreen !== undefined) fullscreen();
  else if (target.dataset.seek !== undefined ? seek(target) : show(target.dataset.segmentLink, (p) => p.play())) {
    event.preventDefault();
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if ((event.key === "Enter" || event.key === " ") && event.target.matches("svg [data-seek]")) {
    if (seek(event.target)) event.preventDefault();
  } else if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const find = document.querySelector("[data-find]");
    if (find) { find.focus(); event.preventDefault(); }
  } else if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details.user[open]")) open.open = false;
  }
});

// What takes some seconds says so.
for (const slow of document.querySelectorAll("[data-wait]")) {
  slow.addEventListener("click", () => { slow.textContent = slow.dataset.wait; }, { once: true });
}

// A printed page shows what is folded away on the screen, except forms.
const folded = () => document.querySelectorAll("main details:not([open])");
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...folded()].filter((details) => !details.querySelector("form"));
  for (const details of unfolded) details.open = true;
});
addEventListener("afterprint", () => { for (const details of unfolded) details.open = false; });

document.querySelector("[data-focus]")?.focus();
const full = document.querySelector("[data-fullscreen]");
if (full && document.fullscreenEnabled) full.hidden = false;
