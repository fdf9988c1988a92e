// SPDX-License-Identifier: Apache-2.0

// An Oblivious HTTP peer that isn't Cloister's: both roles over npm's hpke, @panva/hpke-noble and bhttp-js, for tests. The framing between
// HPKE and Binary HTTP is written down here, from RFC 9458 and draft-ietf-ohai-chunked-ohttp-08.
//
//     peer client URL KEYS plain|chunked KEM AEAD API-KEY <request.json
//     peer gateway KEM AEAD... [unchunked]
//
// The client takes the application/ohttp-keys list in hex, or asks the URL for it where KEYS is "discover" (RFC 9540); it uses its key of that
// KEM, posts standard input as a chat request, and prints the inner status, content type, and body; on standard error
// how many chunks the answer had. The gateway makes a key, prints {"port": N, "keys": HEX}, and answers chat requests with their
// own last message, word by word; with "unchunked" in the form that no chunked request may be answered in.
import { createServer } from "node:http";
import { hkdfSync, randomBytes, webcrypto } from "node:crypto";
import { CipherSuite } from "hpke";
import * as noble from "@panva/hpke-noble";
import { BHttpDecoder, BHttpEncoder } from "bhttp-js";

globalThis.crypto ??= webcrypto; // before Node 20 there is none

const kems = { "x-wing": noble.KEM_MLKEM768_X25519, x25519: noble.KEM_DHKEM_X25519_HKDF_SHA256 };
const aeads = {
    "aes-128-gcm": noble.AEAD_AES_128_GCM,
    "aes-256-gcm": noble.AEAD_AES_256_GCM,
    "chacha20-poly1305": noble.AEAD_ChaCha20Poly1305,
};
const HKDF_SHA256 = 0x0001;
const HEADER = 7; // key id, KEM, KDF, AEAD
const PIECE = 1000; // plaintext of a chunk: small, so that there are several; at most 16384
const KEY_ID = 7;
const NONE = new Uint8Array();
const FINAL = Buffer.from("final");

const u16 = (n) => Buffer.from([n >> 8, n & 0xff]);
const media = (chunked, way) => `message/ohttp-${chunked ? "chunked-" : ""}${way}`;
const label = (chunked, what) => Buffer.from(`message/bhttp ${chunked ? "chunked " : ""}${what}`);
const makeSuite = (kem, aead) => new CipherSuite(kems[kem], noble.KDF_HKDF_SHA256, aeads[aead]);
const requestInfo = (chunked, header) => Buffer.concat([label(chunked, "request"), Buffer.from([0]), header]);

// ---- varints (RFC 9000 section 16) ----

function varint(n) {
    if (n < 64) return Buffer.from([n]);
    if (n < 16384) return u16(n | 0x4000);
    throw new Error("no chunk is that long");
}

function readVarint(b) {
    const size = b.length > 0 ? 1 << (b[0] >> 6) : 1;
    if (b.length < size) return null;
    let n = b[0] & 0x3f;
    for (let i = 1; i < size; i++) n = n * 256 + b[i];
    return { n, size };
}

// ---- the chunks of either direction ----

function* pieces(message) {
    for (let at = 0; at < message.length || at === 0; at += PIECE)
        yield [message.subarray(at, at + PIECE), at + PIECE >= message.length];
}

// What comes out can be sent as it comes.
async function* sealChunks(message, seal) {
    for (const [piece, last] of pieces(message)) {
        const sealed = await seal(piece, last ? FINAL : NONE);
        yield Buffer.concat([varint(last ? 0 : sealed.length), sealed]);
    }
}

async function openChunks(b, open) {
    const message = [];
    for (;;) {
        const length = readVarint(b);
        if (length === null) throw new Error("the chunks end too early");
        b = b.subarray(length.size);
        const last = length.n === 0;
        if (b.length < length.n) throw new Error("a chunk is cut off");
        message.push(await open(last ? b : b.subarray(0, length.n), last ? FINAL : NONE));
        if (last) return message;
        b = b.subarray(length.n);
    }
}

// RFC 9458 section 4.4: the key of the answer, and a nonce that counts (chunked draft, section 6.2).
function responseKey(aead, enc, nonce, secret) {
    const salt = Buffer.concat([enc, nonce]);
    const key = Buffer.from(hkdfSync("sha256", secret, salt, "key", aead.Nk));
    const base = Buffer.from(hkdfSync("sha256", secret, salt, "nonce", aead.Nn));
    let count = 0;
    return () => {
        const iv = Buffer.from(base);
        iv.writeUInt32BE((iv.readUInt32BE(aead.Nn - 4) ^ count++) >>> 0, aead.Nn - 4);
        return [key, iv];
    };
}

async function readAll(stream) {
    const got = [];
    for await (const b of stream) got.push(b);
    return Buffer.concat(got);
}

// ---- the client ----

// RFC 9458 section 3: [length, key id, KEM, public key, [KDF, AEAD]...]...
function chooseKey(list, kem, aead) {
    const wanted = kems[kem]();
    for (let at = 0; at < list.length;) {
        const end = at + 2 + list.readUInt16BE(at);
        const id = list[at + 2];
        if (list.readUInt16BE(at + 3) === wanted.id) {
            const pk = list.subarray(at + 5, at + 5 + wanted.Npk);
            for (let s = at + 5 + wanted.Npk + 2; s < end; s += 4) {
                if (list.readUInt16BE(s) === HKDF_SHA256 && list.readUInt16BE(s + 2) === aeads[aead]().id) return { id, pk };
            }
        }
        at = end;
    }
    throw new Error("no such key is offered");
}

async function discover(url) {
    const r = await fetch(url, { headers: { Accept: "application/ohttp-keys" } });
    if (r.status !== 200 || r.headers.get("content-type") !== "application/ohttp-keys") throw new Error(`no keys: ${r.status}`);
    return Buffer.from(await r.arrayBuffer());
}

async function client(url, keys, form, kem, aeadName, apiKey) {
    const chunked = form === "chunked";
    const suite = makeSuite(kem, aeadName);
    const aead = aeads[aeadName]();
    const { id, pk } = chooseKey(keys === "discover" ? await discover(url) : Buffer.from(keys, "hex"), kem, aeadName);
    const inner = await new BHttpEncoder().encodeRequest(
        new Request("https://ohttp.invalid/v1/chat/completions", {
            method: "POST",
            headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}` },
            body: await readAll(process.stdin),
        }),
    );
    const header = Buffer.concat([Buffer.from([id]), u16(kems[kem]().id), u16(HKDF_SHA256), u16(aead.id)]);
    const { encapsulatedSecret: enc, ctx } = await suite.SetupSender(await suite.DeserializePublicKey(pk), {
        info: requestInfo(chunked, header),
    });
    async function* body() {
        yield Buffer.concat([header, enc]);
        if (chunked) yield* sealChunks(inner, (text, aad) => ctx.Seal(text, aad));
        else yield await ctx.Seal(inner);
    }
    const r = await fetch(url, {
        method: "POST",
        headers: { "content-type": media(chunked, "req"), ...(chunked ? { incremental: "?1" } : {}) },
        body: ReadableStream.from(body()),
        duplex: "half",
    });
    if (r.status !== 200 || r.headers.get("content-type") !== media(chunked, "res"))
        throw new Error(`outer ${r.status} ${r.headers.get("content-type")} ${await r.text()}`);
    const sealed = await readAll(r.body);
    const size = Math.max(aead.Nn, aead.Nk);
    const next = responseKey(aead, enc, sealed.subarray(0, size), await ctx.Export(label(chunked, "response"), size));
    const open = (text, aad) => aead.Open(...next(), aad, text);
    const rest = sealed.subarray(size);
    const message = chunked ? await openChunks(rest, open) : [await open(rest, NONE)];
    const answer = new BHttpDecoder().decodeResponse(new Uint8Array(Buffer.concat(message)));
    process.stderr.write(`chunks ${message.length}\n`);
    process.stdout.write(`${answer.status}\n${answer.headers.get("content-type")}\n`);
    process.stdout.write(Buffer.from(await answer.arrayBuffer()));
}

// ---- the gateway ----

function event(delta, finish) {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    return `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}

async function echo(inner) {
    const request = new BHttpDecoder().decodeRequest(new Uint8Array(inner));
    const { host, pathname } = new URL(request.url);
    // bhttp-js makes a URL of the message. `cloister` names no host, so that the URL has the path's first part there.
    if (request.method !== "POST" || `/${host}${pathname}` !== "/v1/chat/completions") return new Response("", { status: 404 });
    const chat = await request.json();
    const words = `echo: ${chat.messages.at(-1).content}`.split(/(?<= )/);
    const events = words.map((content) => event({ content }, null)).join("") + event({}, "stop") + "data: [DONE]\n\n";
    return new Response(events, { headers: { "content-type": "text/event-stream" } });
}

async function gateway(kem, ...rest) {
    const unchunked = rest.at(-1) === "unchunked";
    const names = rest.filter((name) => name in aeads);
    const pair = await makeSuite(kem, names[0]).GenerateKeyPair(false);
    const pk = await makeSuite(kem, names[0]).SerializePublicKey(pair.publicKey);
    const config = Buffer.concat([
        Buffer.from([KEY_ID]),
        u16(kems[kem]().id),
        pk,
        u16(4 * names.length),
        ...names.flatMap((name) => [u16(HKDF_SHA256), u16(aeads[name]().id)]),
    ]);

    async function answer(req, res) {
        const body = await readAll(req);
        const header = body.subarray(0, HEADER);
        const name = names.find((n) => aeads[n]().id === header.readUInt16BE(5));
        if (header[0] !== KEY_ID || header.readUInt16BE(1) !== kems[kem]().id || header.readUInt16BE(3) !== HKDF_SHA256 || !name)
            throw new Error("no such key");
        if (req.headers["content-type"] !== media(true, "req")) throw new Error("no chunked request");
        const suite = makeSuite(kem, name);
        const aead = aeads[name]();
        const enc = body.subarray(HEADER, HEADER + kems[kem]().Nenc);
        const ctx = await suite.SetupRecipient(pair, enc, { info: requestInfo(true, header) });
        const inner = Buffer.concat(await openChunks(body.subarray(HEADER + enc.length), (text, aad) => ctx.Open(text, aad)));
        const message = Buffer.from(await new BHttpEncoder().encodeResponse(await echo(inner)));
        const size = Math.max(aead.Nn, aead.Nk);
        const nonce = randomBytes(size);
        const next = responseKey(aead, enc, nonce, await ctx.Export(label(true, "response"), size));
        const seal = (text, aad) => aead.Seal(...next(), aad, text);
        res.writeHead(200, { "content-type": media(!unchunked, "res") });
        res.write(nonce);
        if (unchunked) res.write(await seal(message, NONE));
        else for await (const chunk of sealChunks(message, seal)) res.write(chunk);
        res.end();
    }

    const server = createServer((req, res) => {
        answer(req, res).catch((e) => {
            process.stderr.write(`${e}\n`);
            res.writeHead(400).end();
        });
    });
    server.listen(0, "127.0.0.1", () => {
        const list = Buffer.concat([u16(config.length), config]).toString("hex");
        process.stdout.write(JSON.stringify({ port: server.address().port, keys: list }) + "\n");
    });
}

const [role, ...rest] = process.argv.slice(1);
const run = { client, gateway }[role];
if (!run) throw new Error("usage: peer client URL KEYS plain|chunked KEM AEAD API-KEY | peer gateway KEM AEAD... [unchunked]");
await run(...rest);
