# SPDX-License-Identifier: Apache-2.0
"""An OHTTP client that shares no line with the program: RFC 9458, its chunked form, RFC 9180 and RFC 9292 from their texts, slow and plain.

DHKEM(X25519), HKDF-SHA256 and ChaCha20-Poly1305 only, which are short enough to be written down here.
"""
import base64
import hmac
import json
import os
import struct

X25519, HKDF_SHA256, CHACHA20_POLY1305 = 0x0020, 1, 3
P = 2 ** 255 - 19


def x25519(k, u):
    """RFC 7748 section 5."""
    k = int.from_bytes(k, "little") & ~7 & ~(1 << 255) | 1 << 254
    u = int.from_bytes(u, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % P, c * b % P, a * a % P, b * b % P
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, (aa - bb) * (aa + 121665 * (aa - bb)) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def chacha20_block(key, counter, nonce):
    """RFC 8439 section 2.3."""
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = start[:]

    def turn(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = s[x] + s[y] & 0xFFFFFFFF
            s[z] ^= s[x]
            s[z] = (s[z] << n | s[z] >> 32 - n) & 0xFFFFFFFF

    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                       (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            turn(*column)
    return struct.pack("<16I", *((x + y) & 0xFFFFFFFF for x, y in zip(s, start)))


def chacha20(key, nonce, text):
    out = bytearray()
    for i in range(0, len(text), 64):
        block = chacha20_block(key, i // 64 + 1, nonce)
        out += bytes(x ^ y for x, y in zip(text[i:i + 64], block))
    return bytes(out)


def poly1305(key, text):
    """RFC 8439 section 2.5."""
    r, s, acc = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF, int.from_bytes(key[16:], "little"), 0
    for i in range(0, len(text), 16):
        acc = (acc + int.from_bytes(text[i:i + 16] + b"\1", "little")) * r % (2 ** 130 - 5)
    return (acc + s & (1 << 128) - 1).to_bytes(16, "little")


def tag(key, nonce, aad, sealed):
    def pad(b):
        return b + bytes(-len(b) % 16)
    return poly1305(chacha20_block(key, 0, nonce)[:32], pad(aad) + pad(sealed) + struct.pack("<QQ", len(aad), len(sealed)))


def seal(key, nonce, aad, text):
    sealed = chacha20(key, nonce, text)
    return sealed + tag(key, nonce, aad, sealed)


def open_sealed(key, nonce, aad, sealed):
    assert len(sealed) >= 16 and sealed[-16:] == tag(key, nonce, aad, sealed[:-16]), "the answer does not authenticate"
    return chacha20(key, nonce, sealed[:-16])


def extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def expand(prk, info, n):
    out, t = b"", b""
    while len(out) < n:
        t = hmac.digest(prk, t + info + bytes([len(out) // 32 + 1]), "sha256")
        out += t
    return out[:n]


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, n):
    return expand(prk, struct.pack(">H", n) + b"HPKE-v1" + suite + label + info, n)


def hpke_setup(pk, info):
    """RFC 9180 SetupBaseS: enc, key, base nonce, and the exporter."""
    sk = os.urandom(32)
    enc = x25519(sk, (9).to_bytes(32, "little"))
    kem = b"KEM" + struct.pack(">H", X25519)
    shared = labeled_expand(kem, labeled_extract(kem, b"", b"eae_prk", x25519(sk, pk)), b"shared_secret", enc + pk, 32)
    suite = b"HPKE" + struct.pack(">HHH", X25519, HKDF_SHA256, CHACHA20_POLY1305)
    context = b"\0" + labeled_extract(suite, b"", b"psk_id_hash", b"") + labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    exporter = labeled_expand(suite, secret, b"exp", context, 32)
    return (enc, labeled_expand(suite, secret, b"key", context, 32), labeled_expand(suite, secret, b"base_nonce", context, 12),
            lambda label, n: labeled_expand(suite, exporter, b"sec", label, n))


def varint(n):
    for i, size in enumerate((1, 2, 4, 8)):
        if n < 1 << 8 * size - 2:
            return (n | i << 8 * size - 2).to_bytes(size, "big")
    raise ValueError(n)


class Reader:
    """Bytes from the front."""

    def __init__(self, b):
        self.b, self.at = b, 0

    def take(self, n):
        assert len(self.b) - self.at >= n, "cut off"
        self.at += n
        return self.b[self.at - n:self.at]

    def varint(self):
        first = self.take(1)
        rest = self.take((1 << (first[0] >> 6)) - 1)
        return int.from_bytes(bytes([first[0] & 0x3F]) + rest, "big")

    def sized(self):
        return self.take(self.varint())

    def left(self):
        return self.b[self.at:]


def bhttp_request(method, path, fields, content):
    """RFC 9292 section 3.1, known length."""
    def sized(b):
        return varint(len(b)) + b
    lines = b"".join(sized(k.encode()) + sized(v.encode()) for k, v in fields.items())
    return (b"\0" + b"".join(sized(x.encode()) for x in (method, "https", "", path)) + sized(lines) + sized(content) + sized(b""))


def bhttp_response(b):
    """Either form: status, fields, content; the message must be whole. Informational responses are read and dropped."""
    r = Reader(b)
    framing, status = r.varint(), r.varint()
    assert framing in (1, 3), framing
    while framing == 3 and 100 <= status < 200:
        while r.sized():
            r.sized()
        status = r.varint()
    fields = {}
    if framing == 1:
        lines = Reader(r.sized())
        while lines.left():
            name = lines.sized().decode()
            fields[name] = lines.sized().decode()
        content = r.sized()
        r.sized()
    else:
        content = b""
        while (name := r.sized()):
            fields[name.decode()] = r.sized().decode()
        while (piece := r.sized()):
            content += piece
        while r.sized():
            r.sized()
    assert not r.left().strip(b"\0"), "bytes after the end"
    return status, fields, content


def key_configs(keys):
    """{KEM id: (key id, public key)} of an application/ohttp-keys list (RFC 9458 section 3)."""
    r, found = Reader(keys), {}
    while r.left():
        c = Reader(r.take(int.from_bytes(r.take(2), "big")))
        key_id, kem = struct.unpack(">BH", c.take(3))
        found[kem] = (key_id, c.take({0x0020: 32, 0x647A: 1216}[kem]))
    return found


def iv(base, i):
    return (int.from_bytes(base, "big") ^ i).to_bytes(12, "big")


class Request:
    """One encapsulated request: `body` is what is posted, `open` reads the answer."""

    def __init__(self, key_id, pk, message, chunked=False):
        self.chunked = chunked
        self.media = "message/ohttp-chunked-req" if chunked else "message/ohttp-req"
        kind = b"message/bhttp chunked " if chunked else b"message/bhttp "
        header = struct.pack(">BHHH", key_id, X25519, HKDF_SHA256, CHACHA20_POLY1305)
        self.enc, key, nonce, export = hpke_setup(pk, kind + b"request\0" + header)
        self.secret = export(kind + b"response", 32)
        self.body = header + self.enc
        if not chunked:
            self.body += seal(key, nonce, b"", message)
            return
        half = seal(key, iv(nonce, 0), b"", message[:9])
        self.body += varint(len(half)) + half + b"\0" + seal(key, iv(nonce, 1), b"final", message[9:])

    def keys(self, nonce):
        prk = extract(self.enc + nonce, self.secret)
        return expand(prk, b"key", 32), expand(prk, b"nonce", 12)

    def open(self, answer):
        """The inner answer: status, fields, content."""
        r = Reader(answer)
        key, nonce = self.keys(r.take(32))
        if not self.chunked:
            return bhttp_response(open_sealed(key, nonce, b"", r.left()))
        text, i = b"", 0
        while (n := r.varint()):
            text += open_sealed(key, iv(nonce, i), b"", r.take(n))
            i += 1
        return bhttp_response(text + open_sealed(key, iv(nonce, i), b"final", r.left()))


# ---- asking a daemon ----

def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def keys_section(d):
    """The keys section that the daemon's evidence shows now. (Appraised by nobody: that is `cloister`'s part.)"""
    status, _, body = d.get("/.well-known/cloister/evidence?nonce=" + "A" * 43)
    assert status == 200, status
    return json.loads(unb64(json.loads(body)["sections"]["keys"]["bytes"]))


def inner(body, key, method="POST", path="/v1/chat/completions", **fields):
    f = {"authorization": "Bearer " + key, "content-type": "application/json", **fields}
    return bhttp_request(method, path, f, b"" if body is None else json.dumps(body).encode())


def chat(text, **members):
    return {"messages": [{"role": "user", "content": text}], **members}


def sealed(section, message, chunked=False):
    """Under the X25519 key of a keys section."""
    key_id, pk = key_configs(unb64(section["ohttp_keys"]))[X25519]
    return Request(key_id, pk, message, chunked)
