#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister-rim`: which RIM files it believes, what it reads out of them, and what becomes of the policy.

Recorded RIMs are NVIDIA's own and those that its test data have broken ($CLOISTER_VECTORS); all others are made here, under a root of the
test's own, most of them with a signature that is genuine for what it covers.
"""
import base64
import contextlib
import ctypes
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from terminal import Terminal  # noqa: E402

test = harness.Tap()
RIM = os.path.join(harness.BUILD, "src", "rim", "cloister-rim")
MAKER = os.path.join(harness.BUILD, "tests", "support", "rim_maker")
FAULTS = os.path.join(harness.BUILD, "tests", "support", "libclo_faults.so")
VECTORS = os.path.join(os.environ.get("CLOISTER_VECTORS", "/nonexistent"), "attestation", "nvidia-rim")
NOW = "2024-06-01T00:00:00Z"  # within the test's own certificates, which begin in November 2023
DSIG = "http://www.w3.org/2000/09/xmldsig#"
C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
V1, V2, V3 = "11" * 48, "22" * 48, "33" * 48


def same(got, want):
    assert got == want, f"{got!r} instead of {want!r}"


def has(text, *parts):
    for p in parts:
        assert p in text, f"{p!r} is not in {text!r}"


def run(*args, data=None, **kw):
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **kw.pop("env", {})}
    return subprocess.run([RIM, *args], input=data, capture_output=True, env=env, timeout=harness.WAIT, check=False, **kw)


def status(r, want):
    assert r.returncode == want, f"exit status {r.returncode} instead of {want}; stdout {r.stdout!r}, stderr {r.stderr!r}"
    return r.stdout.decode(), r.stderr.decode()


# ---- RIMs of the test's own ----

class Lab:
    """root -> ca -> l3 -> leaf, and others when asked for."""

    def __init__(self):
        self.tmp = tempfile.mkdtemp(prefix="cloister-rim-")
        self.cert("root", "root", "ca=1")
        self.cert("ca", "root", "ca=1")
        self.cert("l3", "ca", "ca=1", "pathlen=0")
        self.cert("leaf", "l3", "cn=Test RIM Signer")

    def path(self, name):
        return os.path.join(self.tmp, name)

    def cert(self, name, issuer, *options):
        usual = [] if any(o.startswith("cn=") for o in options) else [f"cn={name}"]
        subprocess.run([MAKER, "cert", self.path(name), self.path(issuer), *usual, *options], check=True, timeout=harness.WAIT)

    def key_info(self, names=("leaf", "l3", "ca", "root")):
        def text(name):
            with open(self.path(name + ".der"), "rb") as f:
                return base64.encodebytes(f.read()).decode()
        certs = "".join(f"<ds:X509Certificate>{text(n)}</ds:X509Certificate>" for n in names)
        return f"<ds:KeyInfo><ds:X509Data>{certs}</ds:X509Data></ds:KeyInfo>"

    def sign(self, template, key="leaf", chain=("leaf", "l3", "ca", "root"), key_info=None):
        """What is in KeyInfo is not covered by the signature, so it may come afterwards."""
        r = subprocess.run([MAKER, "sign", self.path(key + ".key")], input=template.encode(), capture_output=True, timeout=harness.WAIT, check=False)
        assert r.returncode == 0, r.stderr
        out, n = re.subn(r"(</ds:SignatureValue>)", lambda m: m.group(1) + (self.key_info(chain) if key_info is None else key_info),
                         r.stdout.decode(), count=1)
        same(n, 1)
        return out

    def rim(self, **kw):
        how = {k: kw.pop(k) for k in ("key", "chain", "key_info") if k in kw}
        return self.sign(document(**kw), **how)


_lab = []


def lab():
    """One a run: keys take their time."""
    if not os.path.exists(RIM):
        raise harness.Skip("cloister-rim is not built: libxml2 or libxmlsec is missing")
    if not _lab:
        _lab.append(Lab())
    return _lab[0]


def resource_xml(index, values, active="True", prefix="h:", **other):
    hashes = "".join(f' {prefix}Hash{i}="{v}"' for i, v in enumerate(values))
    attrs = {"type": "Measurement", "index": index, "active": active, "alternatives": len(values), "name": f"Measurement_{index}", "size": 48, **other}
    return "<s:Resource%s%s/>" % ("".join(f' {k}="{v}"' for k, v in attrs.items() if v is not None), hashes)


USUAL = [resource_xml(0, [V1]), resource_xml(7, [V1, V2]), resource_xml(9, ["00" * 48], "False")]


def reference(uri="", transforms=(DSIG + "enveloped-signature", C14N11), digest=SHA384):
    steps = "".join(t if t.startswith("<") else f'<ds:Transform Algorithm="{t}"/>' for t in transforms)
    return (f'<ds:Reference URI="{uri}"><ds:Transforms>{steps}</ds:Transforms><ds:DigestMethod Algorithm="{digest}"/>'
            "<ds:DigestValue></ds:DigestValue></ds:Reference>")


def signature(c14n=C14N11, method=ECDSA, references=None, after=""):
    return (f'<ds:Signature xmlns:ds="{DSIG}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{c14n}"/>'
            f'<ds:SignatureMethod Algorithm="{method}"/>{references or reference()}</ds:SignedInfo>'
            f"<ds:SignatureValue></ds:SignatureValue>{after}</ds:Signature>")


def document(version="550.1.2", product="GH100", edition="GPU", resources=None, meta=None, head=None, extra="", before="", sig=None, payload=None,
             hashes="http://www.w3.org/2001/04/xmlenc#sha384"):
    head = head if head is not None else f'name="{product}" corpus="false" patch="false" supplemental="false" tagId="{"ab" * 48}" version="1.0"'
    meta = meta if meta is not None else (f'colloquialVersion="{version}" edition="{edition}" product="{product}" revision="r1" PayloadType="direct" '
                                          'xmlns:r="urn:rim" r:BindingSpec="RIMIM"')
    body = payload if payload is not None else f"<s:Payload>\n{chr(10).join(USUAL if resources is None else resources)}\n</s:Payload>"
    return (f'<SoftwareIdentity xmlns="{SWID}" xmlns:s="{SWID}" xmlns:h="{hashes}" {head}>\n{before}'
            f'<s:Entity name="Test" role="softwareCreator tagCreator"/>\n<s:Meta {meta}/>\n{body}\n{extra}'
            f"{signature() if sig is None else sig}</SoftwareIdentity>")


def show(text, *args, root=None, at=NOW):
    lab()
    with tempfile.NamedTemporaryFile(suffix=".xml") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
        f.flush()
        return run("show", f.name, "--root", root or lab().path("root.pem"), "--at", at, *args)


def refused(text, code, *parts, **kw):
    out, err = status(show(text, **kw), code)
    same(out, "")
    has(err, *parts)


def says(text, **kw):
    return json.loads(status(show(text, "--json", **kw), 0)[0])


# ---- policies ----

def policy_doc(**members):
    return {"v": 1, "name": "test", "tee": ["sev-snp"], "measurements": ["ab" * 48],
            "sev_snp": {"products": {"genoa": {"min_tcb": {"bl": 1, "tee": 0, "snp": 1, "ucode": 1}, "min_firmware": "1.55.1"}}},
            "devices": {"min": 1, "architectures": ["hopper"], "min_driver": "550.0"}, "releases": ["1"], **members}


class Policy:
    def __init__(self, folder, **members):
        self.folder, self.path = folder, os.path.join(folder, "policy.json")
        with open(self.path, "w", encoding="utf-8") as f:
            json.dump(policy_doc(**members), f)

    def read(self):
        with open(self.path, "rb") as f:
            return f.read()

    def values(self):
        return json.loads(self.read())["devices"].get("reference_values")

    def save(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def take(self, *args, own=True, at=NOW, **kw):
        root = ["--root", lab().path("root.pem")] if own else []
        return run("import", *args, "--policy", self.path, "--at", at, *root, **kw)


@contextlib.contextmanager
def policy(**members):
    with tempfile.TemporaryDirectory(prefix="cloister-rim-") as tmp:
        yield Policy(tmp, **members)


def is_policy(p):
    r = subprocess.run([harness.CLOISTER, "policy", "show", p.path], capture_output=True, timeout=harness.WAIT, check=False,
                       env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    assert r.returncode == 0, r.stderr


# ---- recorded RIMs ----

BROKEN = {  # file: (judged as of, what it says)
    "rim_NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml": ("2026-01-01T00:00:00Z", "signature does not match"),
    "rim_NV_GPU_DRIVER_GH100_570.124.03_expired.xml": ("2025-01-01T12:00:00Z", "signature does not match"),
    "rim_NV_SWITCH_BIOS_5612_0002_890_9610550001_invalid_signature.xml": ("2025-12-01T00:00:00Z", "signature does not match"),
    "rim_NV_SWITCH_BIOS_5612_0002_890_9610550001_measurement_mismatch.xml": ("2025-11-01T00:00:00Z", "signature does not match"),
    "rim_incorrect_signature_driver_rim.xml": ("2026-01-01T00:00:00Z", "signature does not match"),
    "rim_incorrect_cert_chain_driver_rim.xml": ("2026-11-01T00:00:00Z", "wrong chain"),
}
LATE = {"rim_switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml": "2026-11-01T00:00:00Z"}
EARLY = "2025-06-01T00:00:00Z"
STILL_GOOD = {"rim_NV_GPU_DRIVER_GH100_550.144.03.xml", *LATE}


def recorded():
    lab()
    files = sorted(glob.glob(os.path.join(VECTORS, "*.xml")))
    if not files:
        raise harness.Skip("$CLOISTER_VECTORS names no recorded RIMs")
    assert len(files) >= 36, files
    return files


def genuine():
    return [f for f in recorded() if os.path.basename(f) not in BROKEN]


def recorded_at(path):
    return LATE.get(os.path.basename(path), EARLY)


@test
def each_genuine_rim_is_verified_under_nvidias_root():
    same(len(genuine()), len(recorded()) - len(BROKEN))
    for path in genuine():
        o = json.loads(status(run("show", path, "--at", recorded_at(path), "--json"), 0)[0])
        tree = xml.etree.ElementTree.parse(path).getroot()
        meta, payload = tree.find("{%s}Meta" % SWID), tree.find("{%s}Payload" % SWID)
        want = []
        for r in payload:
            values = [v for k, v in r.attrib.items() if "}Hash" in k]
            if r.get("active") == "True":
                want.append({"index": int(r.get("index")), "values": list(dict.fromkeys(values))})
        same(o["measurements"], want)
        version = meta.get("colloquialVersion")
        same((o["id"], o["version"]), (tree.get("tagId"), version))
        same(o["kind"], "vbios" if version.count(".") == 4 else "driver")
        same(o["arch"], {"GH100": "hopper", "LS10": "ls10"}[meta.get("product")])
        with open(path, "rb") as f:
            same(o["rim_sha256"], hashlib.sha256(f.read()).hexdigest())


@test
def each_broken_rim_is_refused_for_what_is_wrong_with_it():
    for path in recorded():
        if os.path.basename(path) in BROKEN:
            at, what = BROKEN[os.path.basename(path)]
            has(status(run("show", path, "--at", at), 10)[1], what)


@test
def each_rim_is_refused_when_its_signers_certificate_has_ended_or_not_begun():
    for path in genuine():
        if os.path.basename(path) not in STILL_GOOD:
            has(status(run("show", path, "--at", "2026-06-01T00:00:00Z"), 10)[1], "too old", "ended on 2025-")
        has(status(run("show", path, "--at", "2023-04-01T00:00:00Z"), 10)[1], "begins on")
    has(status(run("show", recorded()[-1], "--time", "1685000000"), 10)[1], "begins on")


@test
def each_rim_is_refused_under_another_root():
    for path in genuine():
        has(status(run("show", path, "--at", recorded_at(path), "--root", os.path.join(VECTORS, "incorrect_rim_root.crt")), 10)[1], "wrong chain")
        has(status(run("show", path, "--at", recorded_at(path), "--root", lab().path("root.der")), 10)[1], "wrong chain")


@test
def genuine_rims_fill_a_policy_once_and_two_that_differ_need_a_decision():
    def named(part):
        return [f for f in genuine() if part in f][0]
    first, other = named("1010_0200_882_96005E0001_PROD"), named("1010_0200_882_96005E0001_test_no_gpu")
    with policy() as p:
        took = {}
        for path in genuine():
            version = json.loads(status(run("show", path, "--at", recorded_at(path), "--json"), 0)[0])["version"]
            took.setdefault(version, path)
        same(len(took), len(genuine()) - 3)  # 96.00.5E.00.01 is there three times, 96.00.74.00.1C twice
        for path in took.values():
            has(status(p.take(path, own=False, at=recorded_at(path)), 0)[0], "added: ")
        is_policy(p)
        same(len(p.values()), len(took))
        before = p.read()
        for path in took.values():
            has(status(p.take(path, own=False, at=recorded_at(path)), 0)[0], "already there with the same values")
        same(p.read(), before)
        if took["96.00.5E.00.01"] != first:
            raise AssertionError("the files come in another order")
        has(status(p.take(other, own=False, at=EARLY), 1)[1], hashlib.sha256(open(other, "rb").read()).hexdigest(),
            hashlib.sha256(open(first, "rb").read()).hexdigest(), "--replace")
        same(p.read(), before)
        has(status(p.take(other, "--replace", own=False, at=EARLY), 0)[0], "replaced: ")
        is_policy(p)
        same(len(p.values()), len(took))


# ---- what is read ----

@test
def a_rim_that_all_is_right_with_is_read():
    o = says(lab().rim())
    same(o["kind"], "driver")
    same((o["arch"], o["version"], o["id"], o["signer"]), ("hopper", "550.1.2", "ab" * 48, "Test RIM Signer"))
    same(o["measurements"], [{"index": 0, "values": [V1]}, {"index": 7, "values": [V1, V2]}])
    same(o["valid_until"], 2000000000)
    out, err = status(show(lab().rim()), 0)
    has(out, "verified: signed by \"Test RIM Signer\" under the root given by --root", "driver 550.1.2 of hopper", V2)
    has(err, "revoked")


@test
def its_signature_may_come_with_an_xml_declaration_and_without_the_root():
    says('<?xml version="1.0" encoding="UTF-8"?>\n' + lab().rim())
    says('<?xml version="1.0"?>' + lab().rim() + "\n\n")
    says(lab().rim(chain=("leaf", "l3", "ca")))


@test
def what_it_is_for_comes_from_what_is_signed_and_not_from_its_name():
    same(says(lab().rim(version="96.00.5e.00.01"))["version"], "96.00.5E.00.01")
    same(says(lab().rim(version="96.00.5E.00.01"))["kind"], "vbios")
    same(says(lab().rim(version="97.00.1", product="GB100"))["arch"], "blackwell")
    same(says(lab().rim(version="97.00.1", product="GB202"))["arch"], "blackwell")
    same(says(lab().rim(version="96.10.55.00.01", product="LS10", edition="SWITCH"))["arch"], "ls10")
    with policy() as p:
        path = p.save("NV_GPU_VBIOS_1010_0200_882_96005E0001.xml", lab().rim())
        status(p.take(path), 0)
        same([(v["kind"], v["version"], v.get("project")) for v in p.values()], [("driver", "550.1.2", None)])


@test
def what_says_nothing_usable_of_its_purpose_is_refused():
    usual = 'edition="GPU" product="GH100" PayloadType="direct" colloquialVersion="550.1.2"'
    for part in usual.split(" "):
        refused(lab().rim(meta=usual.replace(part, "")), 30, "has no " + part.split("=")[0])
        refused(lab().rim(meta=usual.replace(part, part.split("=")[0] + '=""')), 30, "has no")
        # of another namespace is not the same attribute
        refused(lab().rim(meta=usual.replace(part, "x:" + part) + ' xmlns:x="urn:x"'), 30, "has no")
    for version in ("550", "550.", ".550.1", "1.2.3.4.5", "96.00.5G.00.01", "96.00.5E.00.01.", "550.1 ", "550.1234567", "5" * 300):
        refused(lab().rim(version=version), 20, "version")
    refused(lab().rim(version="1.2.3", product="LS10", edition="SWITCH"), 20, "version")
    for product in ("GH200", "gh100", "GB1000", "GB300", "GBXXX", "LS100", "A" * 200):
        refused(lab().rim(product=product), 20, "product")
    refused(lab().rim(edition="SWITCH"), 20, "SWITCH")
    refused(lab().rim(head='name="GB100" tagId="x"'), 30, "two products")
    refused(lab().rim(head='name="GH100"'), 30, "tagId")
    refused(lab().rim(head='tagId="x"'), 30, "name")
    refused(lab().rim(head=f'name="GH100" tagId="{"x" * 128}"'), 30, "tagId")
    refused(lab().rim(head='name="GH100" tagId="x" patch="true"'), 20, "patch")
    refused(lab().rim(head='name="GH100" tagId="x" supplemental="true"'), 20, "supplemental")
    refused(lab().rim(meta=usual.replace("direct", "indirect")), 20, "direct")


@test
def values_that_are_not_right_are_refused():
    def wrong(code, what, *resources, **kw):
        refused(lab().rim(resources=list(resources), **kw), code, what)
    wrong(30, "no active value")
    wrong(30, "no active value", resource_xml(0, [V1], "False"))
    wrong(30, "index 5 twice", resource_xml(5, [V1]), resource_xml(5, [V2]))
    wrong(30, "index 5 twice", resource_xml(5, [V1]), resource_xml(5, [V2], "False"))
    for index in ("64", "-1", "+1", "01", "", "1 ", "0x1", "4294967297", None):
        wrong(30, "index from 0 to 63", resource_xml(index, [V1]))
    for value in (V1[:-2], V1 + "11", V1[:-1] + "g", "", " " + V1[1:], V1[:-1] + "\n"):
        wrong(30, "96 hexadecimal digits", resource_xml(0, [value]))
    wrong(30, "more than 8", resource_xml(0, [f"{i:02x}" * 48 for i in range(9)]))
    wrong(30, "another number of values", resource_xml(0, [V1, V2], alternatives=1))
    wrong(30, "another number of values", resource_xml(0, [V1], alternatives=2))
    wrong(30, "another number of values", resource_xml(0, [], alternatives=0))
    wrong(30, "another number of values", resource_xml(0, [V1]).replace("Hash0", "Hash1"))
    wrong(30, "active (True or False)", resource_xml(0, [V1], active="true"))
    wrong(30, "active (True or False)", resource_xml(0, [V1], active=None))
    wrong(20, "measurement of 48 bytes", resource_xml(0, [V1], size=32))
    wrong(20, "measurement of 48 bytes", resource_xml(0, [V1], type="Hint"))
    wrong(20, "measurement of 48 bytes", resource_xml(0, [V1], type=None))
    wrong(20, "another hash than SHA-384", resource_xml(0, [V1]), hashes="http://www.w3.org/2001/04/xmlenc#sha256")
    wrong(30, "unknown here: Hash0", resource_xml(0, [V1], prefix=""))
    wrong(30, "unknown here: hint", resource_xml(0, [V1], hint="x"))
    wrong(30, "Resource in its Payload", resource_xml(0, [V1]).replace("/>", "><s:Resource/></s:Resource>"))
    wrong(30, "text in Payload", resource_xml(0, [V1]), "stray")
    same(says(lab().rim(resources=[resource_xml(3, [V1.upper(), "AB" * 48])]))["measurements"], [{"index": 3, "values": [V1, "ab" * 48]}])
    same(says(lab().rim(resources=[resource_xml(3, [V1, V2, V1])]))["measurements"], [{"index": 3, "values": [V1, V2]}])
    every = [resource_xml(i, [f"{i:02x}" * 48] * 8) for i in range(64)]
    same(len(says(lab().rim(resources=every))["measurements"]), 64)


# ---- signatures that cover something else than what is read ----

@test
def a_changed_byte_anywhere_is_refused():
    good = lab().rim().encode()
    end = good.index(b"<ds:KeyInfo>")
    for at in range(0, end, 37):
        bad = bytearray(good)
        bad[at] ^= 0x01
        r = show(bytes(bad))
        assert r.returncode in (10, 20, 30) and not r.stdout, (at, good[at:at + 20], r)
    for old, new in ((V1, V3), ("550.1.2", "550.1.3"), ("GH100", "GB100"), ('index="7"', 'index="8"'), ("False", "True"), ("\n<s:Payload>", "<s:Payload>")):
        refused(good.replace(old.encode(), new.encode()), 10, "signature does not match")


@test
def a_signature_that_was_moved_covers_nothing():
    good = lab().rim()
    m = re.search(r"<ds:Signature .*</ds:Signature>", good, re.S)
    sig, rest = m.group(), good[:m.start()] + good[m.end():]
    refused(rest, 10, "not signed")
    refused(rest.replace("</s:Payload>", sig + "</s:Payload>"), 10, "not signed")
    refused(rest.replace('tagCreator"/>', 'tagCreator">' + sig + "</s:Entity>"), 30, "Entity")
    refused(good.replace(sig, sig + sig), 30, "two signatures")
    refused(good.replace(sig, f"<s:Wrap>{sig}</s:Wrap>"), 30, "Wrap")
    refused(f'<SoftwareIdentity xmlns="{SWID}">{rest}{sig}</SoftwareIdentity>', 30, "SoftwareIdentity")
    refused(f"<x>{good}</x>", 30, "document element is x")
    refused(good.replace(f'xmlns="{SWID}"', 'xmlns="urn:x"'), 30, "document element")
    refused(good.replace(f'xmlns:ds="{DSIG}"', 'xmlns:ds="urn:x"'), 30, "Signature")


@test
def signed_content_wrapped_into_an_object_is_not_what_is_read():
    """The classic: the original lies in an Object under an id, the signature refers to that, and something else stands in its place."""
    inner = document(head='name="GH100" tagId="x" Id="orig"', sig="<!-- -->").replace("<!-- -->", "")
    sig = signature(references=reference("#orig", (C14N11,)), after=f"<ds:Object>{inner}</ds:Object>")
    for text in (document(resources=[resource_xml(0, [V3])], sig=sig), ):
        # libxmlsec finds ids only where a DTD or a program declares them, so a genuine signature is put in by hand
        refused(text.replace("</ds:SignatureValue>", "QUJD</ds:SignatureValue>" + lab().key_info()).replace("<ds:DigestValue>", "<ds:DigestValue>QUJD"),
                20, "another form of signature")
    good = lab().rim()
    original = re.sub(r"<ds:Signature .*</ds:Signature>", "", good, flags=re.S)
    for place in ("</ds:KeyInfo>", "</ds:SignatureValue>"):
        refused(good.replace(place, place + f"<ds:Object>{original}</ds:Object>").replace(V1, V3, 1), 20, "another form of signature")


@test
def another_form_of_signature_is_refused_however_genuine_it_is():
    def form(**kw):
        return lab().rim(sig=signature(**kw))
    says(form())
    refused(form(references=reference() + reference()), 20, "elements in SignedInfo")
    for transforms in ([C14N11], [DSIG + "enveloped-signature"],
                       [DSIG + "enveloped-signature", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"],
                       [DSIG + "enveloped-signature", "http://www.w3.org/2001/10/xml-exc-c14n#"],
                       [DSIG + "enveloped-signature", C14N11 + "#WithComments"],
                       [DSIG + "enveloped-signature", C14N11, C14N11]):
        refused(form(references=reference(transforms=transforms)), 20, "another form of signature")
    both = [f'<ds:Transform Algorithm="{a}"/>' for a in (DSIG + "enveloped-signature", C14N11)]
    refused(form().replace("".join(both), both[1] + both[0]), 20, "another form of signature")
    xpath = ('<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath xmlns:s="' + SWID +
             '">not(ancestor-or-self::s:Payload)</ds:XPath></ds:Transform>')
    hidden = form(references=reference(transforms=[DSIG + "enveloped-signature", xpath, C14N11]))
    refused(hidden, 20, "another form of signature")
    refused(hidden.replace(V1, V3), 20, "another form of signature")  # which that signature would not have noticed
    xslt = ('<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><x:stylesheet version="1.0" '
            'xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:template match="/"><o/></x:template></x:stylesheet></ds:Transform>')
    refused(lab().rim().replace(f'<ds:Transform Algorithm="{C14N11}"/>', xslt + f'<ds:Transform Algorithm="{C14N11}"/>'), 20, "another form of signature")
    for digest in (DSIG + "sha1", "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmlenc#sha512"):
        refused(form(references=reference(digest=digest)), 20, "DigestMethod")
    for hash_ in ("sha256", "sha512"):
        refused(form(method=f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-{hash_}"), 20, "SignatureMethod")
    for c14n in ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#", C14N11 + "#WithComments"):
        refused(form(c14n=c14n), 20, "CanonicalizationMethod")


@test
def words_in_place_of_the_right_ones_are_refused():
    good = lab().rim()
    for method in (DSIG + "hmac-sha1", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha384", DSIG + "rsa-sha1", "none", "", DSIG + "dsa-sha1"):
        refused(good.replace(f'"{ECDSA}"', f'"{method}"'), 20, "SignatureMethod")
    for uri in ("#x", "#xpointer(/)", "http://127.0.0.1:1/x", "file:///etc/passwd", "other.xml"):
        refused(good.replace('URI=""', f'URI="{uri}"'), 20, "Reference")
    refused(good.replace(' URI=""', ""), 20, "attributes of Reference")
    refused(good.replace(' URI=""', ' URI="" Id="a"'), 20, "attributes of Reference")
    refused(good.replace(' URI=""', ' URI="" Type="http://www.w3.org/2000/09/xmldsig#Manifest"'), 20, "attributes of Reference")
    refused(good.replace("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>x</ds:KeyName>"), 20, "elements in KeyInfo")
    refused(good.replace("<ds:X509Data>", '<ds:X509Data><ds:X509SubjectName>x</ds:X509SubjectName>'), 20, "X509SubjectName")
    refused(good.replace("<ds:KeyInfo>", '<ds:KeyInfo Id="a">'), 20, "attributes of KeyInfo")
    refused(good.replace("<ds:SignatureValue>", "<ds:SignatureValue><ds:X/>"), 30, "SignatureValue")
    refused(re.sub(r"<ds:DigestValue>.*</ds:DigestValue>", "<ds:DigestValue></ds:DigestValue>", good), 30, "DigestValue")
    refused(re.sub(r"<ds:SignatureValue>[^<]*", "<ds:SignatureValue>" + "A" * 128, good), 10, "signature does not match")
    for value in ("====", "!!!!", "A" * 12, "A" * 100000):
        refused(re.sub(r"<ds:SignatureValue>[^<]*", "<ds:SignatureValue>" + value, good), 10, "signature does not match")
    params = f'<ds:SignatureMethod Algorithm="{ECDSA}"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>'
    refused(good.replace(f'<ds:SignatureMethod Algorithm="{ECDSA}"/>', params), 20, "parameters")


@test
def content_beside_the_payload_is_refused_although_it_is_signed():
    more = resource_xml(20, [V3])
    refused(lab().rim(extra=more), 30, "Resource")
    refused(lab().rim(before=more), 30, "Resource")
    refused(lab().rim(extra=f"<s:Payload>{more}</s:Payload>"), 30, "Payload twice")
    refused(lab().rim(extra=f'<e:Payload xmlns:e="urn:e">{more}</e:Payload>'), 30, "unknown here")
    refused(lab().rim(extra='<s:Meta colloquialVersion="1.2.3"/>'), 30, "Meta twice")
    refused(lab().rim(extra="<s:Link rel='x' href='y'/>"), 30, "Link")
    refused(lab().rim(extra="text"), 30, "text in SoftwareIdentity")
    refused(lab().rim(payload=f'<e:Payload xmlns:e="urn:e">{more}</e:Payload>'), 30, "unknown here")
    refused(lab().rim(payload=f"<s:Payload><s:Directory>{more}</s:Directory></s:Payload>"), 30, "Directory")
    refused(lab().rim(payload=f'<s:Payload><e:Resource xmlns:e="urn:e" index="1"/>{more}</s:Payload>'), 30, "Resource")
    refused(lab().rim(payload=f'<s:Payload hint="x">{more}</s:Payload>'), 30, "Payload")
    refused(lab().rim(payload=""), 30, "no Payload")
    same(says(lab().rim(before='<s:Entity name="Second" role="distributor"/>'))["kind"], "driver")


# ---- keys and chains ----

@test
def the_key_is_the_chains_leafs_and_nobody_elses():
    l = lab()
    l.cert("other", "l3", "cn=Other Signer")
    l.cert("evil-root", "evil-root", "ca=1", "cn=root")
    l.cert("evil", "evil-root", "cn=Evil")
    own = ("leaf", "l3", "ca", "root")
    # signed by one key, with the certificate of another one that the chain verifies
    refused(l.rim(key="evil", chain=own), 10, "signature does not match")
    refused(l.rim(key="other", chain=own), 10, "signature does not match")
    says(l.rim(key="other", chain=("other", "l3", "ca", "root")))
    # the signer's certificate beside a genuine chain, before and behind it
    refused(l.rim(key="evil", chain=("evil",) + own), 10, "wrong chain")
    refused(l.rim(key="evil", chain=own + ("evil",)), 10, "wrong chain")
    refused(l.rim(key="evil", chain=("leaf", "evil", "l3", "ca", "root")), 10, "wrong chain")
    refused(l.rim(key="evil", chain=("evil", "evil-root")), 10, "wrong chain")
    refused(l.rim(key="evil", chain=("evil",)), 10, "wrong chain")
    refused(l.rim(key="evil-root", chain=("evil-root",)), 10, "wrong chain")
    key_value = '<ds:KeyInfo><ds:KeyValue><ds:ECKeyValue xmlns="http://www.w3.org/2009/xmldsig11#"/></ds:KeyValue></ds:KeyInfo>'
    refused(l.rim(key="evil", key_info=key_value), 20, "another form of signature")
    refused(l.rim(key="evil", key_info=""), 20, "another form of signature")
    refused(l.rim(key_info="<ds:KeyInfo><ds:X509Data></ds:X509Data></ds:KeyInfo>"), 10, "without the certificate")
    two = l.key_info(("evil",))[len("<ds:KeyInfo>"):-len("</ds:KeyInfo>")] + l.key_info()[len("<ds:KeyInfo>"):-len("</ds:KeyInfo>")]
    refused(l.rim(key="evil", key_info=f"<ds:KeyInfo>{two}</ds:KeyInfo>"), 20, "another form of signature")


@test
def a_chain_in_another_order_or_with_gaps_is_refused():
    for chain in (("root", "ca", "l3", "leaf"), ("leaf", "ca", "l3", "root"), ("l3", "leaf", "ca", "root"), ("leaf", "ca", "root"), ("leaf", "l3"),
                  ("leaf", "leaf", "l3", "ca"), ("leaf", "l3", "ca", "root", "root"), ("root",)):
        refused(lab().rim(chain=chain), 10, "wrong chain")
    refused(lab().rim(chain=("leaf",) * 9), 30, "too many")


@test
def certificates_that_may_not_do_what_they_do_are_refused():
    l = lab()
    l.cert("no-ca", "l3", "ca=0")
    l.cert("below", "no-ca")
    refused(l.rim(key="below", chain=("below", "no-ca", "l3", "ca")), 10, "may not sign certificates")
    l.cert("v-none", "ca", "ca=none", "usage=none")
    l.cert("below2", "v-none")
    refused(l.rim(key="below2", chain=("below2", "v-none", "ca")), 10, "may not sign certificates")
    l.cert("no-sign", "ca", "ca=1", "usage=critical,cRLSign")
    l.cert("below3", "no-sign")
    refused(l.rim(key="below3", chain=("below3", "no-sign", "ca")), 10, "may not sign certificates")
    l.cert("too-deep", "l3", "ca=1")
    l.cert("below4", "too-deep")
    refused(l.rim(key="below4", chain=("below4", "too-deep", "l3", "ca")), 10, "may not stand that far above")
    refused(l.rim(key="l3", chain=("l3", "ca")), 10, "not one for signing documents")
    l.cert("no-usage", "l3", "usage=none")
    refused(l.rim(key="no-usage", chain=("no-usage", "l3", "ca")), 10, "not one for signing documents")
    l.cert("other-usage", "l3", "usage=critical,keyAgreement")
    refused(l.rim(key="other-usage", chain=("other-usage", "l3", "ca")), 10, "not one for signing documents")
    l.cert("small", "l3", "curve=P-256")
    refused(l.rim(key="small", chain=("small", "l3", "ca")), 10, "not one for signing documents")
    l.cert("small-ca", "ca", "ca=1", "curve=P-256")
    l.cert("below5", "small-ca")
    refused(l.rim(key="below5", chain=("below5", "small-ca", "ca")), 20, "not signed with ECDSA P-384")
    l.cert("sha256", "l3", "hash=SHA256")
    refused(l.rim(key="sha256", chain=("sha256", "l3", "ca")), 20, "not signed with ECDSA P-384 and SHA-384")


@test
def every_certificates_dates_count():
    l = lab()
    l.cert("old-ca", "root", "ca=1", "to=1710000000")
    l.cert("new", "old-ca")
    refused(l.rim(key="new", chain=("new", "old-ca")), 10, "certificate 2 of its chain ended on 2024-03-09", "--time")
    same(says(l.rim(key="new", chain=("new", "old-ca")), at="1705000000")["valid_until"], 1710000000)
    l.cert("short-root", "short-root", "ca=1", "to=1710000000")
    l.cert("under", "short-root")
    refused(l.rim(key="under", chain=("under",)), 10, "the root certificate ended", root=l.path("short-root.pem"))
    refused(l.rim(), 10, "begins on 2023-11-14", at="1600000000")
    says(l.rim(), at="2000000000")
    refused(l.rim(), 10, "too old", at="2000000001")


@test
def certificates_that_are_none_are_refused():
    good = lab().rim()
    m = re.search(r"<ds:X509Certificate>([^<]*)</ds:X509Certificate>", good)
    der = base64.b64decode(m.group(1))

    def with_cert(text):
        return good[:m.start(1)] + text + good[m.end(1):]
    says(with_cert(base64.b64encode(der).decode()))
    for text in ("!", "AAAA", "A", m.group(1).rstrip("=\n") + "=====", base64.b64encode(der + b"\0").decode(), base64.b64encode(der[:-1]).decode(),
                 base64.urlsafe_b64encode(b"\xff\xef" + der).decode(), base64.b64encode(bytes(9000)).decode(), " \n "):
        r = show(with_cert(text))
        assert r.returncode == 30, (text, r)
    refused(with_cert("<x/>"), 30, "something else than text")


# ---- bytes that are no RIM ----

@test
def document_types_entities_comments_and_instructions_are_refused_unparsed():
    good = lab().rim()
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)) + "]>"
    for head in (bomb, '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "<!DOCTYPE a>",
                 '<?xml-stylesheet href="x"?>', "<!-- c -->", '<?xml version="1.0"?><!DOCTYPE a>',
                 '<!DOCTYPE SoftwareIdentity [<!ATTLIST SoftwareIdentity Id ID #IMPLIED>]>'):
        refused(head + good, 30, "DOCTYPE, a comment, CDATA")
    for inside in ("<!-- c -->", "<![CDATA[x]]>", "<?pi?>"):
        refused(good.replace("<s:Payload>", "<s:Payload>" + inside), 30, "DOCTYPE, a comment, CDATA")
    refused(good.replace("Test RIM", "&a;").replace('name="Test"', 'name="&a;"'), 30, "XML")
    # a reference to a character is no entity, and means what it says
    refused(good.replace('active="True"', 'active="&#84;rue"', 1).replace(V1, V3, 1), 10, "signature does not match")
    says(good.replace('active="True"', 'active="&#84;rue"', 1))


@test
def an_xinclude_is_an_unknown_element_like_any_other():
    inc = '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'
    refused(lab().rim(extra=inc), 30, "include, which is unknown here")


@test
def what_is_no_well_formed_xml_is_refused():
    good = lab().rim()
    for text in ("", " ", "x", "<", "<a", "<a>", "</a>", "<a></b>", good[:-1], good[:-20], good + "x", good + "<a/>", good + "</a>", "x" + good, "\0" + good,
                 good + "\0", good.replace("\n", "\0", 1), good.replace("<s:Meta ", '<s:Meta edition="GPU" '), good.replace("<s:Meta ", "<q:Meta "),
                 good.replace('edition="GPU"', 'edition="<GPU"'), good.replace('edition="GPU"', "edition=GPU")):
        r = show(text)
        assert r.returncode == 30 and not r.stdout, (text[:60], r)
    for raw in (good.encode("utf-16"), good.encode("utf-16-le"), good.encode("utf-32"), b"\xef\xbb\xbf" + good.encode(), good.encode() + b"\xff",
                good.replace("Test", "T\u00e9st", 1).encode("latin-1"), b'<?xml version="1.0" encoding="UTF-16"?>' + good.encode(),
                b'<?xml version="1.0" encoding="ISO-8859-1"?>' + good.encode(), b"+ADw-" + good.encode("utf-7"), bytes(range(256)), b"\x4c\x6f\xa7\x94"):
        r = show(raw)
        assert r.returncode == 30 and not r.stdout, (raw[:60], r)


@test
def one_attribute_twice_by_two_prefixes_is_refused():
    ns = 'xmlns:h2="http://www.w3.org/2001/04/xmlenc#sha384"'
    bad = lab().rim().replace(f'h:Hash0="{V1}"', f'h:Hash0="{V1}" {ns} h2:Hash0="{V3}"', 1)
    refused(bad, 30, "well-formed")


@test
def what_is_large_or_deep_or_many_is_refused_before_it_costs_anything():
    good = lab().rim()

    def cheap():
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    with tempfile.TemporaryDirectory() as tmp:
        for n, (text, what) in enumerate((
                (good + " " * (1 << 20), "larger"), ("<a>" * 9, "nests too deeply"), ("<a>" * 300000, "nests too deeply"), ("<a>" + "<a/>" * 600, "too many elements"),
                ("<a " + " ".join(f'a{i}="b"' for i in range(41)) + "/>", "too many attributes"), ("<a " + "b" * 5000 + "/>", "too long"),
                ("<a b='" + "b" * 900000 + "'/>", "too long"), ('<?xml version="1.0" ' + " " * 200 + "?><a/>", "too long"),
                ("<a>" + "b" * 1000000 + "</a>", "document element"), ("<a>" + "&lt;" * 200000 + "</a>", "document element"))):
            path = os.path.join(tmp, f"{n}.xml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            has(status(run("show", path, preexec_fn=cheap), 30)[1], what)


# ---- the policy ----

@test
def an_import_adds_its_values_and_leaves_all_else_in_its_place():
    with policy() as p:
        os.chmod(p.path, 0o640)
        before, order = json.loads(p.read()), list(json.loads(p.read()))
        one = p.save("a.xml", lab().rim())
        two = p.save("b.xml", lab().rim(version="96.00.5E.00.01"))
        out, err = status(p.take(one, two), 0)
        has(out, "added: driver 550.1.2 of hopper, 2 measurements", "added: VBIOS 96.00.5E.00.01 of hopper", "a.xml", "b.xml")
        has(err, "written", "revoked")
        after = json.loads(p.read())
        same(list(after), order)
        same({k: v for k, v in after.items() if k != "devices"}, {k: v for k, v in before.items() if k != "devices"})
        values = after["devices"].pop("reference_values")
        same(after["devices"], before["devices"])
        with open(one, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        same(values[0], {"kind": "driver", "arch": "hopper", "id": "ab" * 48, "version": "550.1.2", "rim_sha256": digest,
                         "measurements": [{"index": 0, "values": [V1]}, {"index": 7, "values": [V1, V2]}]})
        same(values[1]["kind"], "vbios")
        same(stat.S_IMODE(os.stat(p.path).st_mode), 0o640)
        same(sorted(os.listdir(p.folder)), ["a.xml", "b.xml", "policy.json"])
        is_policy(p)


@test
def the_same_values_again_are_nothing_to_do():
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        status(p.take(path, path), 0)
        before, inode = p.read(), os.stat(p.path).st_ino
        has(" ".join(status(p.take(path), 0)), "already there with the same values", "nothing to do")
        # signed anew, in another order, with what says nothing more
        again = p.save("b.xml", lab().rim(resources=[resource_xml(7, [V2, V1, V2]), resource_xml(0, [V1])]))
        has(status(p.take(again), 0)[0], "already there with the same values")
        same((p.read(), os.stat(p.path).st_ino), (before, inode))


@test
def other_values_for_the_same_version_need_a_decision():
    for resources in ([resource_xml(0, [V3]), resource_xml(7, [V1, V2])], [resource_xml(0, [V1]), resource_xml(7, [V1])],
                      [resource_xml(0, [V1]), resource_xml(7, [V1, V2]), resource_xml(8, [V1])], [resource_xml(0, [V1])]):
        with policy() as p:
            one, two = p.save("a.xml", lab().rim()), p.save("b.xml", lab().rim(resources=resources))
            third = p.save("c.xml", lab().rim(version="1.2.3"))
            status(p.take(one, third), 0)
            before = p.read()
            digests = [hashlib.sha256(open(x, "rb").read()).hexdigest() for x in (one, two)]
            for args in ((two,), (p.save("d.xml", lab().rim(version="1.2.4")), two)):
                _, err = status(p.take(*args), 1)
                has(err, *digests, "--replace", "b.xml", "driver 550.1.2")
                same(p.read(), before)
            has(status(p.take(two, "--replace"), 0)[0], "replaced: driver 550.1.2")
            same([(v["version"], v["rim_sha256"]) for v in p.values()], [("550.1.2", digests[1]), ("1.2.3", p.values()[1]["rim_sha256"])])
            is_policy(p)
    with policy() as p:  # two in one run
        one, two = p.save("a.xml", lab().rim()), p.save("b.xml", lab().rim(resources=[resource_xml(0, [V3])]))
        before = p.read()
        status(p.take(one, two), 1)
        same(p.read(), before)


@test
def a_board_that_a_person_wrote_makes_it_another_reference():
    with policy() as p:
        path = p.save("a.xml", lab().rim(version="96.00.5E.00.01"))
        status(p.take(path), 0)
        doc = json.loads(p.read())
        doc["devices"]["reference_values"][0].update(project="1010", project_sku="0200", chip_sku="882")
        p.save("policy.json", json.dumps(doc))
        has(status(p.take(path), 0)[0], "added")
        same([v.get("project") for v in p.values()], ["1010", None])
        is_policy(p)


@test
def one_bad_file_among_good_ones_leaves_the_policy_as_it_was():
    with policy() as p:
        good, bad = p.save("a.xml", lab().rim()), p.save("b.xml", lab().rim().replace(V1, V3))
        before = p.read()
        for args in ((good, bad), (bad, good), (good, os.path.join(p.folder, "none.xml"))):
            _, err = status(p.take(*args), 1 if "none" in args[-1] else 10)
            has(err, os.path.basename(bad) if "none" not in args[-1] else "none.xml can't be read: there is no such file")
            same(p.read(), before)


@test
def only_a_policy_is_written_to_and_only_one_that_asks_for_devices():
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        doc = policy_doc()
        for text, code, what in (("{}", 30, "not a policy"), ("", 30, "not a policy"), (json.dumps({**doc, "extra": 1}), 30, "extra"),
                                 (json.dumps(policy_doc(devices={"min": 0, "reference_values": [{}]})), 30, "not a policy"), (" " * (1 << 20) + "{}", 1, "larger")):
            p.save("policy.json", text)
            has(status(p.take(path), code)[1], what)
            same(p.read().decode(), text)
        simulated = {"v": 1, "name": "s", "tee": ["simulated"], "measurements": [], "simulated": {"roots": ["ab" * 32]}}
        p.save("policy.json", json.dumps(simulated))
        has(status(p.take(path), 1)[1], 'no "devices"')
        p.save("policy.json", json.dumps({**simulated, "devices": {"min": 0}}))
        status(p.take(path), 0)
        is_policy(p)
        os.unlink(p.path)
        has(status(p.take(path), 1)[1], "there is no such file")
        assert not os.path.exists(p.path)


@test
def a_full_policy_takes_no_more():
    with policy() as p:
        path = p.save("a.xml", lab().rim(resources=[resource_xml(0, [V1])]))
        status(p.take(path), 0)
        doc = json.loads(p.read())
        one = doc["devices"]["reference_values"][0]
        doc["devices"]["reference_values"] = [{**one, "version": f"1.{i}"} for i in range(64)]
        p.save("policy.json", json.dumps(doc))
        before = p.read()
        has(status(p.take(path), 1)[1], "64 sets of reference values")
        same(p.read(), before)


@test
def a_link_stays_one_and_a_pipe_is_no_policy():
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        real = os.path.join(p.folder, "real.json")
        os.rename(p.path, real)
        os.symlink("real.json", p.path)
        status(p.take(path), 0)
        assert os.path.islink(p.path) and not os.path.islink(real)
        same(len(p.values()), 1)


@test
def a_full_disk_leaves_the_policy_as_it_was():
    def small_files(sigxfsz):
        def prepare():
            signal.signal(signal.SIGXFSZ, sigxfsz)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        return prepare
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        before = p.read()
        out, err = status(p.take(path, preexec_fn=small_files(signal.SIG_IGN)), 1)
        has(err, "can't be written", "nothing was written")
        same((out, p.read()), ("", before))
        same(sorted(os.listdir(p.folder)), ["a.xml", "policy.json"])
        status(p.take(path, preexec_fn=small_files(signal.SIG_DFL)), -signal.SIGXFSZ)  # killed in the middle of writing
        same(p.read(), before)
        status(p.take(path), 0)


@test
def a_folder_that_takes_no_file_leaves_the_policy_as_it_was():
    def obey_modes():
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: root obeys as well
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        before = p.read()
        os.chmod(p.folder, 0o500)
        try:
            has(status(p.take(path, preexec_fn=obey_modes), 1)[1], "can't be written")
            same(p.read(), before)
        finally:
            os.chmod(p.folder, 0o700)
        same(sorted(os.listdir(p.folder)), ["a.xml", "policy.json"])


@test
def input_and_output_that_falter_change_nothing_about_the_result():
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        before = p.read()
        status(p.take(path), 0)
        after = p.read()
        for seed in range(20):
            p.save("policy.json", before)
            status(p.take(path, env={"LD_PRELOAD": FAULTS, "CLOISTER_FAULT_KINDS": "4", "CLOISTER_FAULT_SEED": str(seed + 1), "CLOISTER_FAULT_EVERY": "2",
                                     "ASAN_OPTIONS": "verify_asan_link_order=0"}), 0)
            same(p.read(), after)


@test
def an_interrupt_leaves_the_old_policy_or_the_new_one_and_nothing_beside_it():
    with policy() as p:
        files = [p.save(f"{i}.xml", lab().rim(version=f"550.{i}")) for i in range(12)]
        before = p.read()
        status(p.take(*files), 0)
        after, names = p.read(), sorted(os.listdir(p.folder))
        seen = set()
        for i in range(24):
            p.save("policy.json", before)
            sig = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[i % 3]
            with subprocess.Popen([RIM, "import", *files, "--policy", p.path, "--root", lab().path("root.pem"), "--at", NOW], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as child:
                try:
                    child.wait(timeout=0.002 * i)
                except subprocess.TimeoutExpired:
                    child.send_signal(sig)
                code = child.wait(timeout=harness.WAIT)
            assert code in (0, -sig), code
            assert p.read() in (before, after), "neither the old policy nor the new one"
            seen.add(code)
            same(sorted(os.listdir(p.folder)), names)
        assert seen & {-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP}, seen


# ---- the program ----

@test
def json_tells_what_was_done():
    with policy() as p:
        one, two = p.save("a.xml", lab().rim()), p.save("b.xml", lab().rim(resources=[resource_xml(0, [V3])]))
        o = json.loads(status(p.take(one, "--json"), 0)[0])
        same((o["v"], o["written"], [r["result"] for r in o["rims"]]), (1, True, ["added"]))
        same(o["rims"][0]["file"], one)
        o = json.loads(status(p.take(one, "--json"), 0)[0])
        same((o["written"], o["rims"][0]["result"]), (False, "same"))
        o = json.loads(status(p.take(two, "--json", "--replace"), 0)[0])
        same((o["written"], o["rims"][0]["result"], o["rims"][0]["measurements"]), (True, "replaced", [{"index": 0, "values": [V3]}]))
        out, _ = status(p.take(one, "--json"), 1)
        same(out, "")


@test
def a_wrong_command_line_says_so_and_does_nothing():
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        before = p.read()
        for args, what in (([], ""), (["import"], "takes the RIM files"), (["import", path], "--policy"), (["import", path, "--policy", "-"], "--policy"),
                           (["import", "--policy", p.path], "takes the RIM files"), (["show"], "takes one RIM file"), (["show", path, path], "takes one RIM file"),
                           (["show", path, "--policy", p.path], "goes with `import`"), (["show", path, "--replace"], "goes with `import`"),
                           (["import", path, "--policy"], "needs a value"), (["show", path, "--what"], "unknown option --what"),
                           (["show", path, "--at", "yesterday"], "takes a time"), (["show", path, "--time", "0"], "takes a time"),
                           (["show", path, "--at", "-5"], "takes a time"), (["show", path, "--at", "99999999999999999999"], "takes a time"),
                           (["eat", path], 'no command "eat"'), (["show", path, "--root", path], "not one certificate"),
                           (["show", path, "--root", "/nonexistent"], "no such file"), (["show", "/nonexistent"], "no such file"), (["show", "/"], "can't be read")):
            has(status(run(*args), 1)[1], what)
        with open(lab().path("both.pem"), "wb") as f:
            for name in ("root.pem", "ca.pem"):
                with open(lab().path(name), "rb") as g:
                    f.write(g.read())
        has(status(run("show", path, "--root", lab().path("both.pem")), 1)[1], "not one certificate")
        same(p.read(), before)
        has(status(run("--help"), 0)[0], "import FILE", "exit status")
        has(status(run("import", "--help"), 0)[0], "--replace")
        has(status(run("--version"), 0)[0], "cloister-rim ")
        status(run("show", "-", "--root", lab().path("root.der"), "--at", NOW, data=lab().rim().encode()), 0)


@test
def what_a_file_says_reaches_no_terminal_unchanged():
    evil = "\x1b]0;x\x07"
    with policy() as p:
        for path in (p.save("a\x1b[31m.xml", lab().rim()), ):
            r = p.take(path)
            out, err = status(r, 0)
            assert "\x1b" not in out + err, (out, err)
        r = show(lab().rim(product="\u202eGH\u0085"))
        assert r.returncode == 20 and "\u202e".encode() not in r.stderr and "\u0085".encode() not in r.stderr, r
        r = show(lab().rim().replace("Test", evil))
        assert r.returncode == 30 and b"\x1b" not in r.stderr, r


@test
def colours_are_for_terminals_only():
    with policy() as p:
        path = p.save("a.xml", lab().rim())
        args = ["show", path, "--root", lab().path("root.pem"), "--at", NOW]
        assert b"\x1b" not in run(*args).stdout
        for more, env, colours in (((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False), ((), {"TERM": "dumb"}, False)):
            with Terminal(*args, *more, env=env, program=RIM) as t:
                t.expect("verified")
                same("\x1b[32mverified" in t.raw, colours)
                t.expect("revoked")


@test
def no_other_program_of_ours_has_an_xml_parser():
    lab()
    for name in ("src/client/cloister", "src/daemon/cloisterd", "src/lib/libcloister.so.0"):
        path = os.path.join(harness.BUILD, name)
        with open(path, "rb") as f:
            whole = f.read()
        for library in (b"libxml2.so", b"libxmlsec", b"libxslt"):
            assert library not in whole, (name, library)


if __name__ == "__main__":
    try:
        test.run()
    finally:
        for one in _lab:
            shutil.rmtree(one.tmp, ignore_errors=True)
