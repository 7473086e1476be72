// A day's work with the JavaScript client, in the drive whose URL is the second
// argument; the first is the library. Names to try are read as JSON.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";

const [library, url] = process.argv.slice(2);
const { createClient } = await import(library);
const drive = createClient(url);
const names = JSON.parse(readFileSync(0, "utf8"));
const read = (path) => drive.getFileContents(path, { format: "text" });
const failsWith = (status, promise) => assert.rejects(promise, (err) => {
	assert.equal(err.status, status, err.message);
	return true;
});

assert.deepEqual(await drive.getDirectoryContents("/"), []);
await drive.createDirectory("/a/b/c", { recursive: true });
assert(await drive.exists("/a/b"));
assert(!(await drive.exists("/a/x")));

// Create, read, overwrite.
assert(await drive.putFileContents("/a/f", "first", { overwrite: false }));
assert(!(await drive.putFileContents("/a/f", "must not win", { overwrite: false })));
assert.equal(await read("/a/f"), "first");
assert(await drive.putFileContents("/a/f", Buffer.from("second")));
assert.equal(await read("/a/f"), "second");
const stat = await drive.stat("/a/f");
assert.equal(stat.type, "file");
assert.equal(stat.size, 6);
assert.equal(stat.basename, "f");
assert.ok(stat.etag);
assert.ok(Date.parse(stat.lastmod));

// The client asks without a body, and shows the type.
await drive.putFileContents("/a/page.html", "<p>");
assert.equal((await drive.stat("/a/page.html")).mime, "text/html");
await drive.deleteFile("/a/page.html");

// Streams, in and out.
const write = (path, text) => new Promise((done) => drive.createWriteStream(path, {}, done).end(text));
await Promise.all([write("/a/stream", "y"), write("/a/stream2", "x".repeat(200000))]);
assert.equal((await buffer(drive.createReadStream("/a/stream2"))).length, 200000);
assert.equal((await buffer(drive.createReadStream("/a/stream2", { range: { start: 10, end: 19 } }))).length, 10);

// Locks. The client gives the token back without its brackets.
const lock = await drive.lock("/a/f");
await failsWith(423, drive.putFileContents("/a/f", "of someone else"));
await drive.putFileContents("/a/f", "third", { headers: { If: `(<${lock.token.replace(/[<>]/g, "")}>)` } });
await drive.unlock("/a/f", lock.token);

// Rename, copy, list, delete.
await drive.moveFile("/a/f", "/a/g");
await drive.copyFile("/a/g", "/a/h");
await drive.copyFile("/a", "/copy");
assert.equal(await read("/copy/h"), "third");
await failsWith(412, drive.moveFile("/a/g", "/a/h", { overwrite: false }));
await drive.moveFile("/a/g", "/a/h");
await drive.moveFile("/copy", "/moved");
const list = async (path) => (await drive.getDirectoryContents(path)).map((e) => e.filename).sort();
assert.deepEqual(await list("/moved"), ["/moved/b", "/moved/g", "/moved/h", "/moved/stream", "/moved/stream2"]);
assert.deepEqual(await list("/moved/b"), ["/moved/b/c"]);
// A listing of everything below is not given unless the configuration allows it.
await failsWith(403, drive.getDirectoryContents("/moved", { deep: true }));
await drive.deleteFile("/moved");
await drive.deleteFile("/a");
await failsWith(404, drive.stat("/a"));
await drive.getQuota();

await drive.createDirectory("/odd");
for (const name of names) {
	await drive.putFileContents(`/odd/${name}`, "before");
	await drive.putFileContents(`/odd/${name}`, name);
	await drive.moveFile(`/odd/${name}`, `/odd/${name} 2`);
	await drive.moveFile(`/odd/${name} 2`, `/odd/${name}`);
	assert.equal(await read(`/odd/${name}`), name);
	assert.equal((await drive.stat(`/odd/${name}`)).basename, name);
}
const listed = (await drive.getDirectoryContents("/odd")).map((e) => e.basename);
assert.deepEqual(listed.sort(), names.toSorted());
