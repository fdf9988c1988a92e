# SPDX-License-Identifier: Apache-2.0
"""nv-local-gpu-verifier as a peer: a GPU's report against reference values, and RIMs. Its steps are called as verifier.cc_admin.attest does.

What it can't be asked through its options is put in its place: the time, which certificates alone are compared with (in stores of its own, and
in those that signxml gets out of a context; nothing else asks for the time, so that faketime would do no more); NVIDIA's servers, of which OCSP's
says "good"; NVML, which tells it the GPU's architecture and versions (here those of the report); and reference values, which come as values and not as the RIM that had them.
"""
import contextlib
import datetime
import io
import json
import logging
import os
import sys
import tempfile
import types
import warnings

warnings.simplefilter("ignore")
FOLDER = tempfile.TemporaryDirectory(prefix="cloister-nv-")
os.chdir(FOLDER.name)  # it writes a log file where it stands

from OpenSSL import SSL, crypto  # noqa: E402

THEN = [datetime.datetime(1970, 1, 1)]
context_store = SSL.Context.get_cert_store


class Store(crypto.X509Store):
    def __init__(self):
        super().__init__()
        self.set_time(THEN[0])


def store_of(context):
    store = context_store(context)
    store.set_time(THEN[0])
    return store


crypto.X509Store = Store
SSL.Context.get_cert_store = store_of

with contextlib.redirect_stdout(io.StringIO()):
    from verifier.attestation import AttestationReport
    from verifier.cc_admin_utils import CcAdminUtils
    from verifier.config import BaseSettings, BlackwellSettings, HopperSettings, event_log, info_log
    from verifier.rim import RIM
    from verifier.rim.golden_measurement import GoldenMeasurement
    from verifier.utils import format_vbios_version
    from verifier.verifier import Verifier
logging.disable(logging.CRITICAL)
for log in (event_log, info_log):
    log.handlers.clear()
CcAdminUtils.ocsp_certificate_chain_validation = staticmethod(lambda *_: (True, "", "good", None))
NVDEC = BaseSettings.NVDEC_STATUS
SETTINGS = {"hopper": HopperSettings, "blackwell": BlackwellSettings, "ls10": HopperSettings}  # it has none for switches
with open(BaseSettings.DEVICE_ROOT_CERT, "rb") as pem:
    DEVICE_ROOT = pem.read()


class References:
    """What a RIM gives once it is verified."""

    def __init__(self, ref):
        self.values = {m["index"]: GoldenMeasurement(component=ref["kind"], values=m["values"], name="", index=m["index"], size=len(m["values"][0]) // 2,
                                                     alternatives=len(m["values"]), active=True) for m in ref["measurements"]}

    def get_measurements(self):
        return self.values


def text(opaque, name):
    return opaque.get_data("OPAQUE_FIELD_ID_" + name).decode("ascii").strip().strip("\x00")


def reference(refs, kind, arch, version, **board):
    """The RIM of this id, which is what it would ask a service for."""
    for ref in refs:
        if (ref["kind"] == kind and ref["arch"] == arch and ref["version"].lower() == version.lower()
                and all(ref.get(name, value).lower() == value.lower() for name, value in board.items())):
            return ref
    raise ValueError("there is no RIM of the " + kind)


def gpu(job):
    # A measurement that it means to skip where the decoder is off it never skips: it compares a byte with a member of an enumeration.
    BaseSettings.NVDEC_STATUS = types.SimpleNamespace(DISABLED=bytes([NVDEC.DISABLED.value])) if job["as_meant"] else NVDEC
    settings = SETTINGS[job["arch"]]()
    parsed = AttestationReport(bytes.fromhex(job["report"]), settings)
    # the root that came along is dropped, as it does with NVML's chain
    certs = [crypto.load_certificate(crypto.FILETYPE_ASN1, bytes.fromhex(c)) for c in job["chain"]]
    if job["root"] is None:
        certs.append(crypto.load_certificate(crypto.FILETYPE_PEM, DEVICE_ROOT))
    else:
        certs.append(crypto.load_certificate(crypto.FILETYPE_ASN1, bytes.fromhex(job["root"])))
    opaque = parsed.get_response_message().get_opaque_data()
    if not CcAdminUtils.verify_gpu_certificate_chain(certs, settings, opaque.get_data("OPAQUE_FIELD_ID_FWID").hex())[0]:
        raise ValueError("certificate chain")
    versions = text(opaque, "DRIVER_VERSION"), format_vbios_version(opaque.get_data("OPAQUE_FIELD_ID_VBIOS_VERSION"))
    if not CcAdminUtils.verify_attestation_report(parsed, certs[0], bytes.fromhex(job["nonce"]), *versions, settings):
        raise ValueError("report")
    driver = reference(job["references"], "driver", job["arch"], versions[0])
    vbios = reference(job["references"], "vbios", job["arch"], versions[1], project=text(opaque, "PROJECT"), project_sku=text(opaque, "PROJECT_SKU"),
                      chip_sku=text(opaque, "CHIP_SKU"))
    if not Verifier(parsed, References(driver), References(vbios), settings=settings).verify(settings):
        raise ValueError("measurements")


def rim(job):
    settings = HopperSettings()
    one = RIM(rim_name=job["name"], settings=settings, content=bytes.fromhex(job["xml"]).decode())
    # the version that the caller says is its own: what differs there is marked, and doesn't end it
    if not one.verify(version=one.get_colloquial_version(), settings=settings)[0]:
        raise ValueError("RIM")


for line in sys.stdin:
    asked = json.loads(line)
    out = {"id": asked["id"]}
    THEN[0] = datetime.datetime.fromtimestamp(asked["now"], datetime.timezone.utc).replace(tzinfo=None)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            {"gpu": gpu, "rim": rim}[asked["kind"]](asked)
        out.update(accept=True, why="")
    except Exception as e:  # noqa: whatever it throws is its answer
        out.update(accept=False, why="%s: %.200s" % (type(e).__name__, e))
    print(json.dumps(out), flush=True)
