# SPDX-License-Identifier: Apache-2.0
"""How long nv-local-gpu-verifier takes for one H100 with its two RIMs: bench/README.md says what is measured."""

import contextlib
import datetime
import io
import json
import logging
import os
import re
import statistics
import sys
import time
import warnings

folder, at, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.chdir(sys.argv[4])  # it writes a log file where it stands
warnings.simplefilter("ignore")

from OpenSSL import SSL, crypto  # noqa: E402

# What was recorded is judged as of then: in stores of its own, and in those that signxml gets out of a context.
THEN = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).replace(tzinfo=None)
context_store = SSL.Context.get_cert_store


class Store(crypto.X509Store):
    def __init__(self):
        super().__init__()
        self.set_time(THEN)


def store_of(context):
    store = context_store(context)
    store.set_time(THEN)
    return store


crypto.X509Store = Store
SSL.Context.get_cert_store = store_of

with contextlib.redirect_stdout(io.StringIO()):
    from verifier.attestation import AttestationReport
    from verifier.cc_admin_utils import CcAdminUtils
    from verifier.config import BaseSettings, HopperSettings, event_log, info_log
    from verifier.rim import RIM
    from verifier.verifier import Verifier
logging.disable(logging.CRITICAL)
for log in (event_log, info_log):
    log.handlers.clear()
# The only thing left out: asking NVIDIA's servers.
CcAdminUtils.ocsp_certificate_chain_validation = staticmethod(lambda *_: (True, "", "good", None))


def read(name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


report, chain = read("gpu.report"), read("gpu.certs.pem")
rims = {name: read(name + ".xml").decode() for name in ("driver", "vbios")}
nonce = report[4:36]
version = {name: re.search(r'colloquialVersion="([^"]+)"', text).group(1) for name, text in rims.items()}


def once():
    """The steps of verifier.cc_admin.attest, in its order."""
    settings = HopperSettings()
    parsed = AttestationReport(report, settings)
    certs = [crypto.load_certificate(crypto.FILETYPE_PEM, pem) for pem in re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----", chain, re.S)]
    fwid = parsed.get_response_message().get_opaque_data().get_data("OPAQUE_FIELD_ID_FWID").hex()
    assert CcAdminUtils.verify_gpu_certificate_chain(certs, settings, fwid)[0]
    assert CcAdminUtils.verify_attestation_report(parsed, certs[0], nonce, version["driver"], version["vbios"].lower(), settings)
    rim = {}
    for name in rims:
        rim[name] = RIM(rim_name=name, settings=settings, content=rims[name])
        assert rim[name].verify(version=version[name].lower(), settings=settings)[0]
    Verifier(parsed, rim["driver"], rim["vbios"], settings=settings).verify(settings)
    assert settings.measurement_comparison


took = []
for _ in range(rounds + 1):
    before = time.process_time_ns()
    once()
    took.append((time.process_time_ns() - before) / 1e3)
print(json.dumps({"us": statistics.median(took[1:])}))
