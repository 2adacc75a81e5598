// Uploads a file with tus-js-client in pieces with checksums, while the server dies and comes back. Before the second
// piece it says "ready" and waits for a line; the third piece first goes out with a wrong checksum. Each failure that is
// tried again is said with its status, at the end the receipt's address.
// node tus_survive.mjs ENDPOINT TOKEN FILE PATH_ON_CARD
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const PIECE = 1_000_000;
const tus = createRequire(import.meta.url)("tus-js-client");
const [endpoint, token, file, path] = process.argv.slice(2);
const content = await readFile(file);
const lines = createInterface({ input: process.stdin });
const told = new Promise((resolve) => { lines.once("line", resolve); });
let [waited, spoilt, receipt] = [false, false, ""];

async function before(request) {
  if (request.getMethod() !== "PATCH") return;
  const offset = Number(request.getHeader("Upload-Offset"));
  if (offset === PIECE && !waited) {
    waited = true;
    console.log("ready");
    await told;
  }
  const hash = createHash("sha256").update(content.subarray(offset, offset + PIECE));
  if (offset === 2 * PIECE && !spoilt) {
    spoilt = true;
    hash.update("damaged on its way");
  }
  request.setHeader("Upload-Checksum", `sha256 ${hash.digest("base64")}`);
}

await new Promise((resolve, reject) => {
  new tus.Upload(content, {
    endpoint,
    chunkSize: PIECE,
    headers: { Authorization: `Bearer ${token}` },
    metadata: { path },
    retryDelays: Array(200).fill(100),
    onBeforeRequest: before,
    onAfterResponse: (_, response) => { receipt = response.getHeader("Liuhen-Receipt") || receipt; },
    onShouldRetry: (error) => { console.log(`retry ${error.originalResponse?.getStatus() ?? 0}`); return true; },
    onError: reject,
    onSuccess: resolve,
  }).start();
});
lines.close();
console.log(receipt);
