// Uploads a file with tus-js-client, stopping once on the way and going on with a new Upload object.
// node tus_upload.mjs ENDPOINT TOKEN FILE PATH_ON_CARD
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const tus = createRequire(import.meta.url)("tus-js-client");
const [endpoint, token, file, path] = process.argv.slice(2);
const content = await readFile(file);
const options = {
  endpoint,
  chunkSize: 1_000_000,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { path },
  retryDelays: null,
};

const url = await new Promise((resolve, reject) => {
  const first = new tus.Upload(content, {
    ...options,
    onError: reject,
    onChunkComplete: async () => {
      await first.abort();
      resolve(first.url);
    },
  });
  first.start();
});

await new Promise((resolve, reject) => {
  new tus.Upload(content, { ...options, uploadUrl: url, onError: reject, onSuccess: resolve }).start();
});
console.log(url);
