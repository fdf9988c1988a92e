# SPDX-License-Identifier: Apache-2.0
"""Recorded evidence as cases of the laboratory (docs/LAB.md): the rows of tests/vectors/evidence_table.json, with the files that they name
by digest out of $CLOISTER_VECTORS.
"""
import base64
import copy
import hashlib
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(os.path.dirname(HERE), "vectors", "evidence_table.json")
TYPES = ("sev-snp", "tdx", "sgx", "azure", "nvidia", "tpm")
PRODUCTS = ("Milan", "Genoa", "Turin")


def files():
    """What every recorded file holds, by SHA-256; None where they aren't."""
    top = os.path.join(os.environ.get("CLOISTER_VECTORS", ""), "attestation")
    if not os.path.isdir(top):
        return None
    found = {}
    for at, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                data = f.read()
            found[hashlib.sha256(data).hexdigest()] = data
    return found


def unpem(data, label="CERTIFICATE"):
    blocks = re.findall(rb"-----BEGIN %s-----(.*?)-----END %s-----" % ((label.encode(),) * 2), data, re.S)
    return [base64.b64decode(b) for b in blocks]


def at(doc, pointer):
    for name in pointer.split("/")[1:]:
        doc = doc[int(name)] if isinstance(doc, list) else doc[name]
    return doc


def decoded(v, kind):
    if isinstance(v, list):
        return b"".join(decoded(x, kind) for x in v)
    if isinstance(v, int):
        return bytes([v])
    if kind == "hex":
        return bytes.fromhex(v)
    if kind == "base64":
        return base64.b64decode(v + "=" * (-len(v) % 4), altchars=b"-_" if "-" in v or "_" in v else None)
    return v.encode()


def piece(p, shelf):
    """The piece of a file, and its PEM blocks where it names some."""
    data = shelf[p["file"]]
    if "wrap" in p:
        member, text, signature = p["wrap"]
        doc = json.loads(data)
        data = ('{"%s":%s,"signature":"%s"}' % (member, at(doc, text), at(doc, signature))).encode()
    elif "json" in p:
        data = decoded(at(json.loads(data), p["json"]), p.get("as", "text"))
    if "bytes" in p:
        data = data[p["bytes"][0]:][:p["bytes"][1]]
    if p.get("der"):
        data = data[:4 + int.from_bytes(data[2:4], "big")]
    return [unpem(data)[i] for i in p["pem"]] if "pem" in p else [data]


def merged(to, patch):
    """RFC 7396."""
    for name, v in patch.items():
        if v is None:
            to.pop(name, None)
        elif isinstance(v, dict) and isinstance(to.get(name), dict):
            merged(to[name], v)
        else:
            to[name] = v
    return to


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def roots_of(row, shelf):
    out = []
    for vendor, pieces in row.get("roots", {}).items():
        for p in pieces:
            for der in piece(p, shelf):
                name = vendor.split("-")
                out.append({"vendor": name[0], "certificate": b64(der), **({"product": name[1]} if name[1:] else {})})
    return out


def cases():
    """None where there are no recorded files."""
    shelf = files()
    if shelf is None:
        return None
    with open(TABLE, encoding="utf-8") as f:
        table = json.load(f)
    out = []
    for row in table["rows"]:
        if row["kind"] not in TYPES:
            continue
        items = [{"item": i["item"], "bytes": b64(data)} for i in row["items"] for data in piece(i, shelf)]
        raw = {"type": row["kind"], "items": items}
        if row.get("any"):
            raw["expect_any"] = True
        elif "expect" in row:
            raw["expect"] = b64(bytes.fromhex(row["expect"]))
        case = {"v": 1, "id": row["name"], "format": "recorded", "title": row["what"], "now": row["time"], "raw": raw, "roots": roots_of(row, shelf)}
        if "policy" in row:
            policy = merged(copy.deepcopy(table["policies"][row["policy"]]), row.get("but", {}))
            case["policy"] = b64(json.dumps(policy).encode())
        out.append(case)
    return out
