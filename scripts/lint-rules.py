"""House rules that no ready-made tool knows. Arguments: C files.

A line may say `/* lint: allow RULE, why */` where a rule has to be broken.

  layer      src/ is layers; a file includes only from its own and those above it (docs/ARCHITECTURE.md). Each process
             of the daemon keeps to its own folder and what src/daemon itself holds.
  pure       no sockets, files, clock, environment or randomness of their own in the pure layers
  banned     functions that overrun, lose errors, or run a shell
  verified   what verifies a signature or a chain says 1 for yes, 0 for no and less for trouble: compare with 1
  secret     what is named like a secret is compared by clo_ct_equal() and nothing else
  print      libraries print nothing
  log        no free text to syslog
  licence    each file says its licence on the first line
"""

import re
import sys

LAYERS = [["base"], ["crypto"], ["codec"], ["attest"], ["lib"], ["platform"], ["client", "daemon", "rim"]]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = ("base", "crypto", "codec", "attest")
SILENT = PURE + ("lib", "platform")

BANNED = ["strcpy", "stpcpy", "strcat", "strncat", "strncpy", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol",
          "atoll", "atof", "alloca", "strdupa", "rand", "srand", "random", "drand48", "system", "popen", "mktemp",
          "tmpnam", "tempnam", "sscanf", "scanf", "fscanf", "wordexp", "execlp", "execvp"]
# tests run on their own data, under AddressSanitizer
IN_TESTS_TOO = ["gets", "alloca", "strdupa", "mktemp", "tmpnam", "tempnam", "system", "popen", "wordexp"]
PURE_HEADERS = ["sys/socket.h", "sys/un.h", "netinet/", "arpa/", "netdb.h", "poll.h", "sys/epoll.h", "sys/select.h",
                "fcntl.h", "sys/stat.h", "dirent.h", "event2/", "curl/", "microhttpd.h", "syslog.h"]
PURE_CALLS = ["time", "clock_gettime", "gettimeofday", "clock", "ftime", "fopen", "open", "openat", "freopen", "creat",
              "socket", "connect", "getenv", "secure_getenv", "getrandom", "getentropy", "arc4random", "BIO_new_file",
              "RAND_bytes", "RAND_priv_bytes", "X509_STORE_set_default_paths", "BIO_new_connect"]
# the one place where randomness is made, to be handed in
RANDOM_FILE = "src/crypto/rng.c"
VERIFIERS = ["X509_verify", "X509_verify_cert", "X509_CRL_verify", "X509_REQ_verify", "X509_self_signed", "X509_check_host",
             "EVP_DigestVerify", "EVP_DigestVerifyFinal", "EVP_VerifyFinal", "EVP_VerifyFinal_ex", "EVP_PKEY_verify",
             "EVP_PKEY_verify_recover", "EVP_PKEY_public_check", "EVP_PKEY_pairwise_check", "ECDSA_verify",
             "ECDSA_do_verify", "RSA_verify", "OCSP_basic_verify", "CMS_verify", "PKCS7_verify",
             "EVP_DecryptFinal", "EVP_DecryptFinal_ex", "EVP_CipherFinal", "EVP_CipherFinal_ex", "EVP_PKEY_decapsulate"]
# what takes a cipher's nonce: the counter module's alone, so that none is used twice
NONCE_CALLS = ["EVP_CipherInit", "EVP_CipherInit_ex", "EVP_CipherInit_ex2", "EVP_EncryptInit", "EVP_EncryptInit_ex",
               "EVP_EncryptInit_ex2", "EVP_DecryptInit", "EVP_DecryptInit_ex", "EVP_DecryptInit_ex2", "EVP_AEAD_CTX_seal"]
NONCE_FILE = "src/crypto/aead.c"
COMPARERS = ["memcmp", "bcmp", "wmemcmp", "memmem", "strcmp", "strncmp", "strcasecmp", "strncasecmp", "strstr", "CRYPTO_memcmp"]
SECRET = re.compile(r"\b[a-z0-9_]*(?:token|secret|seed|passw|api_key|hash_key|exporter|prk|credential)[a-z0-9_]*\b")
PRINTERS = ["printf", "fprintf", "vprintf", "vfprintf", "dprintf", "vdprintf", "puts", "fputs", "putchar", "perror",
            "psignal", "err", "errx", "warn", "warnx", "error", "ERR_print_errors_fp"]


def calls(names):
    return re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(names))


def strip(text):
    """Blanks comments, strings and character constants, keeping every line and column where it was."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def call_end(text, start):
    """Where the parenthesis ends that is opened at or after `start`."""
    depth, i = 0, text.index("(", start)
    while i < len(text):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        i += 1
        if depth == 0:
            break
    return i


def after_call(text, start):
    """What follows that parenthesis."""
    i = call_end(text, start)
    return text[i:i + 60]


class Checker:
    def __init__(self):
        self.found = 0

    def say(self, path, lines, number, rule, why):
        m = re.search(r"/\* lint: allow (\w+), \S.*", lines[number - 1])
        if m and m.group(1) == rule:
            return
        self.found += 1
        print("%s:%d: %s: %s" % (path, number, rule, why))

    def file(self, path):
        with open(path, encoding="utf-8") as f:
            raw = f.read()
        lines = raw.split("\n")
        code = strip(raw)
        parts = path.split("/")
        layer = parts[1] if parts[0] == "src" and len(parts) > 2 else None
        product = parts[0] in ("src", "include", "fuzz")

        def number(offset):
            return code.count("\n", 0, offset) + 1

        def each(names, rule, why, unless=()):
            for m in calls(names).finditer(code):
                if m.group(1) not in unless and not is_declaration(code, m):
                    self.say(path, lines, number(m.start()), rule, why % m.group(1))

        if "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
            self.say(path, lines, 1, "licence", "the first line is not /* SPDX-License-Identifier: Apache-2.0 */")

        for n, line in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if m:
                self.include(path, lines, n, parts, layer, m.group(1) == '"', m.group(2))

        each(BANNED, "banned", "%s()", () if product else [b for b in BANNED if b not in IN_TESTS_TOO])
        if product:
            for m in calls(VERIFIERS).finditer(code):
                before = code[max(0, m.start() - 12):m.start()]
                if is_declaration(code, m) or re.search(r"1\s*[!=]=\s*$", before):
                    continue
                if not re.match(r"\s*[!=]=\s*1\b", after_call(code, m.start())):
                    self.say(path, lines, number(m.start()), "verified",
                             "%s() is not compared with == 1 or != 1" % m.group(1))
            for m in calls(COMPARERS).finditer(code):
                named = SECRET.search(code[m.end():call_end(code, m.start())])
                if named:
                    self.say(path, lines, number(m.start()), "secret", "%s() of %s: secrets are compared by clo_ct_equal()" %
                             (m.group(1), named.group()))
            if path != NONCE_FILE:
                each(NONCE_CALLS, "nonce", "%s(): nonces are set in " + NONCE_FILE + " only")
            each(["syslog", "vsyslog", "sd_journal_print", "sd_journal_send"], "log", "%s(): free text in the log")
        if layer in PURE:
            each(PURE_CALLS, "pure", "%s(): bytes, time and randomness come in as arguments here",
                 ("RAND_bytes", "RAND_priv_bytes") if path == RANDOM_FILE else ())
        if layer in SILENT:
            each(PRINTERS, "print", "%s(): a library prints nothing")

    def include(self, path, lines, n, parts, layer, quoted, name):
        if layer in PURE and any(name == h or (h.endswith("/") and name.startswith(h)) for h in PURE_HEADERS):
            self.say(path, lines, n, "pure", "<%s> in a pure layer" % name)
        if layer not in RANK or not quoted:
            return
        other = name.split("/")
        if other[0] not in RANK or len(other) < 2:
            return                                     # a file beside it
        if other[0] != layer and RANK[other[0]] >= RANK[layer]:
            self.say(path, lines, n, "layer", "src/%s must not use src/%s" % (layer, other[0]))
        if layer == other[0] == "daemon" and len(other) > 2 and other[1] != parts[2]:
            self.say(path, lines, n, "layer", "src/daemon/%s must not use src/daemon/%s" % (parts[2], other[1]))


def is_declaration(code, match):
    """Whether a name is being declared or defined here: a type stands before it."""
    line = code[code.rfind("\n", 0, match.start()) + 1:match.start()]
    return bool(re.search(r"(?:^|\s)(?!return\b|else\b|case\b|do\b)[A-Za-z_]\w*[\s*]+$", line))


def main():
    checker = Checker()
    for path in sys.argv[1:]:
        checker.file(path)
    sys.exit(1 if checker.found else 0)


if __name__ == "__main__":
    main()
