#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libcloister as others meet it: installed, with its headers, its pkg-config file, its manual and its ABI."""
import atexit
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import API_KEY, BUILD, ROOT, WAIT, Daemon, Engine, Relay, Tap

tap = Tap()
MAP = os.path.join(ROOT, "src", "lib", "libcloister.map")
INCLUDE = os.path.join(ROOT, "include")
MANUAL = os.path.join(ROOT, "man", "man3")
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


def run(*cmd, **kw):
    r = subprocess.run(cmd, capture_output=True, text=True, timeout=WAIT * 2, **kw)
    if r.returncode != 0:
        raise AssertionError(f"{' '.join(cmd)}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


# ---- the installed copy ----

def option(name):
    with open(os.path.join(BUILD, "meson-info", "intro-buildoptions.json")) as f:
        return next(o["value"] for o in json.load(f) if o["name"] == name)


TMP = tempfile.mkdtemp(prefix="cloister-library-")
atexit.register(shutil.rmtree, TMP, ignore_errors=True)
PREFIX = TMP + option("prefix")
LIBDIR = os.path.join(PREFIX, option("libdir"))
OPENSSL = option("openssl_rpath")  # not the system's; empty where that is new enough
SANITIZE = [] if option("b_sanitize") == "none" else ["-fsanitize=" + option("b_sanitize")]


def install():
    """Staged, with the pkg-config file told of the stage, so that it is as good as installed."""
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", TMP)
    pc = os.path.join(LIBDIR, "pkgconfig", "libcloister.pc")
    with open(pc) as f:
        text = f.read()
    with open(pc, "w") as f:
        f.write(re.sub(r"^prefix=.*$", "prefix=" + PREFIX, text, flags=re.M))


def flags(*args, where=LIBDIR):
    path = [os.path.join(where, "pkgconfig"), *option("pkg_config_path")]
    return run("pkg-config", *args, env=dict(os.environ, PKG_CONFIG_PATH=":".join(path))).split()


def compile_example(name, *linking):
    out = os.path.join(TMP, name + "-static" * bool(linking))
    if os.path.exists(out):
        return out
    link = linking or flags("--cflags", "--libs", "libcloister")
    run("cc", "-std=c99", "-O1", "-g", *STRICT, *SANITIZE, "-o", out, os.path.join(ROOT, "examples", name + ".c"),
        *link, *flags("--cflags", "--libs", "libcurl"))
    return out


def environment(**more):
    e = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    e["LD_LIBRARY_PATH"] = ":".join(filter(None, [LIBDIR, OPENSSL]))
    e["API_KEY"] = API_KEY
    return {**e, **more}


def question(text):
    return json.dumps({"messages": [{"role": "user", "content": text}]})


def answers(stdout):
    return [json.loads(line)["choices"][0]["message"]["content"] for line in stdout.splitlines()]


def ask(program, daemon, *questions, url=None, **more):
    with open(daemon.policy) as policy:
        return subprocess.run([program, url or daemon.url, *questions], stdin=policy, capture_output=True, text=True,
                              env=environment(**more), timeout=WAIT)


class Served:
    """cloisterd with a scripted engine."""

    def __enter__(self):
        self.engine = Engine(os.path.join(TMP, "engine"))
        self.daemon = Daemon(engine=self.engine)
        self.daemon.__enter__()
        self.daemon.wait_ready()
        return self.daemon, self.engine

    def __exit__(self, *exc):
        self.daemon.__exit__(*exc)
        self.engine.close()


@tap
def an_example_of_forty_lines_talks_through_the_installed_library():
    with open(os.path.join(ROOT, "examples", "chat.c")) as f:
        assert len(f.readlines()) <= 40
    with Served() as (d, _):
        r = ask(compile_example("chat"), d, question("hello"))
        assert (r.returncode, answers(r.stdout), r.stderr) == (0, ["echo: hello"], ""), r


@tap
def a_program_need_not_know_what_the_library_is_made_of():
    own = dict(os.environ, PKG_CONFIG_PATH=os.path.join(LIBDIR, "pkgconfig"))  # not where OpenSSL is, if it isn't the system's
    said = run("pkg-config", "--cflags", "--libs", "libcloister", env=own).split()
    assert "-lcloister" in said and not {"-lcrypto", "-ljansson"} & set(said), said


@tap
def linked_statically_it_talks_as_well():
    static = os.path.join(TMP, "static")
    os.makedirs(os.path.join(static, "pkgconfig"))
    shutil.copy(os.path.join(LIBDIR, "libcloister.a"), static)
    with open(os.path.join(LIBDIR, "pkgconfig", "libcloister.pc")) as f:
        text = re.sub(r"^libdir=.*$", "libdir=" + static, f.read(), flags=re.M)
    with open(os.path.join(static, "pkgconfig", "libcloister.pc"), "w") as f:
        f.write(text)
    program = compile_example("chat", *flags("--static", "--cflags", "--libs", "libcloister", where=static))
    assert "libcloister" not in run("readelf", "-d", program)
    with Served() as (d, _):
        r = ask(program, d, question("hello"))
        assert (r.returncode, answers(r.stdout), r.stderr) == (0, ["echo: hello"], ""), r


@tap
def an_event_loop_asks_several_questions_at_a_time():
    with Served() as (d, engine):
        together = []

        def wait_for_all(body, out):
            engine.wait_requests(4)
            together.append(body)
            out.json({"choices": [{"index": 0, "message": {"role": "assistant", "content": body["messages"][0]["content"]},
                                   "finish_reason": "stop"}]})
        engine.script = wait_for_all
        r = ask(compile_example("parallel"), d, *[question(f"question {i}") for i in range(4)])
        assert (r.returncode, answers(r.stdout)) == (0, [f"question {i}" for i in range(4)]), r
        assert len(together) == 4


@tap
def a_server_that_the_policy_does_not_admit_is_sent_nothing():
    with Served() as (d, engine):
        d.write_policy(measurements=["00" * 48])
        for name in "chat", "parallel":
            r = ask(compile_example(name), d, question("secret"))
            assert (r.returncode, r.stdout, r.stderr) == (1, "", "the evidence was refused\n"), r
        assert engine.requests == []


@tap
def a_key_that_is_not_accepted_is_an_error():
    with Served() as (d, engine):
        r = ask(compile_example("chat"), d, question("hello"), API_KEY="not-the-key-0123456789abcdef")
        assert (r.returncode, r.stdout, r.stderr) == (1, "", "the server said no\n"), r
        assert engine.requests == []


@tap
def a_cut_answer_is_an_error_in_both_uses():
    with Served() as (d, engine):
        def cut(direction, index, data):
            return None if direction == "down" and b"ohttp-chunked-res" in data else data
        relay = Relay(d.port, cut)
        for i, name in enumerate(("chat", "parallel"), 1):
            r = ask(compile_example(name), d, question("hello"), url=relay.url)
            assert r.returncode == 1 and r.stdout == "" and "went away" in r.stderr, r
            assert len(engine.requests) == i, "a lost request was sent again"


# ---- headers ----

def write(name, text):
    path = os.path.join(TMP, name)
    with open(path, "w") as f:
        f.write(text)
    return path


@tap
def each_header_stands_alone_in_strict_c_and_cxx():
    installed = sorted(os.listdir(os.path.join(PREFIX, "include", "cloister")))
    assert installed == sorted(os.listdir(os.path.join(INCLUDE, "cloister"))), installed
    ways = [(cc, "c", std) for cc in ("gcc", "clang") for std in ("c99", "c11", "c17")]
    ways += [(cc, "c++", std) for cc in ("g++", "clang++") for std in ("c++11", "c++17", "c++20")]
    for header in installed:
        for cc, language, std in ways:
            # `int x` because ISO C forbids an empty translation unit
            subprocess.run([cc, "-x", language, "-std=" + std, *STRICT, "-fsyntax-only", *flags("--cflags", "libcloister"), "-"],
                           input=f"#include <cloister/{header}>\n#include <cloister/{header}>\nextern int x;\n",
                           text=True, check=True, timeout=WAIT)


@tap
def a_cxx_program_links_and_runs():
    source = write("program.cc", """#include <cloister/cloister.h>
#include <cstring>
int main()
{
    cloister_verdict *v = new cloister_verdict();
    cloister_channel *c = nullptr;
    cloister_transport t = {};
    int err = cloister_connect(&t, nullptr, cloister_roots_builtin(), v, &c);
    bool ok = err == CLOISTER_E_ARGUMENT && c == nullptr && cloister_channel_open(v, 0, &c) == CLOISTER_E_REFUSED;
    delete v;
    return ok && std::strcmp(cloister_error_name(err), "argument") == 0 ? 0 : 1;
}
""")
    for std in "c++11", "c++20":
        program = os.path.join(TMP, "program")
        run("g++", "-std=" + std, *STRICT, *SANITIZE, "-o", program, source, *flags("--cflags", "--libs", "libcloister"))
        run(program, env=environment())


@tap
def an_error_that_is_not_looked_at_is_a_warning():
    r = subprocess.run(["cc", "-x", "c", "-std=c99", "-Werror", "-c", "-o", os.devnull, *flags("--cflags", "libcloister"), "-"], text=True,
                       input="#include <cloister/cloister.h>\nvoid f(struct cloister_exchange *x);\n"
                       "void f(struct cloister_exchange *x) { cloister_exchange_end(x, 0, 0); }\n", capture_output=True, timeout=WAIT)
    assert r.returncode != 0 and "cloister_exchange_end" in r.stderr, r.stderr


# ---- what it exports and needs ----

def prototypes(include=INCLUDE):
    """{name: prototype} of what the headers declare."""
    found = {}
    for header in sorted(glob.glob(os.path.join(include, "cloister", "*.h"))):
        with open(header) as f:
            text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
        text = re.sub(r"^\s*#define(.*\\\n)*.*$", "", text, flags=re.M)
        for m in re.finditer(r"CLOISTER_API\s+(?:CLOISTER_MUST_USE\s+)?([^;]*\b(cloister_\w+)\([^;]*);", text):
            found[m.group(2)] = " ".join(m.group(1).split())
    return found


def exported(library):
    return [line.split()[1:] for line in run("nm", "-D", "--defined-only", library).splitlines()]


@tap
def the_public_functions_and_nothing_else_are_exported():
    symbols = exported(os.path.join(LIBDIR, "libcloister.so"))
    functions = [name for kind, name in symbols if kind == "T"]
    assert sorted(functions) == sorted(f + "@@CLOISTER_0" for f in prototypes()), functions
    assert [s for s in symbols if s[0] != "T"] == [["A", "CLOISTER_0"]], symbols


@tap
def every_declaration_says_who_may_call_it():
    for header in glob.glob(os.path.join(INCLUDE, "cloister", "*.h")):
        with open(header) as f:
            text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
        for name in re.findall(r"\b(cloister_[a-z_0-9]+)\(", text):
            assert name in prototypes(), f"{header}: {name} lacks CLOISTER_API"


@tap
def it_needs_libc_libcrypto_and_jansson_only():
    needed = re.findall(r"NEEDED.*\[(\w+)\.so", run("readelf", "-d", os.path.join(LIBDIR, "libcloister.so")))
    allowed = {"libc", "libcrypto", "libjansson"} | ({"libasan", "libubsan"} if SANITIZE else set())
    assert set(needed) <= allowed and {"libc", "libcrypto", "libjansson"} <= set(needed), needed


# ---- the manual ----

def pages():
    """{page: (names, {name: prototype}, text)} of section 3."""
    found = {}
    for path in sorted(glob.glob(os.path.join(MANUAL, "*.3"))):
        with open(path) as f:
            text = f.read()
        names = [n.rstrip(" ,") for n in re.findall(r"^\.Nm (.*)$", text.split(".Sh DESCRIPTION")[0], re.M)]
        declared = {}
        for m in re.finditer(r"^\.Ft (.*)\n\.Fo (\w+)\n((?:\.Fa .*\n)+)\.Fc$", text, re.M):
            arguments = ", ".join(a.strip('"') for a in re.findall(r"^\.Fa (.*)$", m.group(3), re.M))
            space = "" if m.group(1).endswith("*") else " "
            declared[m.group(2)] = f"{m.group(1)}{space}{m.group(2)}({arguments})"
        found[os.path.basename(path)] = (names, declared, text)
    return found


@tap
def the_manual_has_every_function_as_the_headers_declare_it():
    shown, named = {}, []
    for page, (names, declared, _) in pages().items():
        assert names[0] + ".3" == page, page
        assert set(names) - {"libcloister"} == set(declared), (page, set(names) ^ set(declared))
        shown.update(declared)
        named += names
    assert len(named) == len(set(named)), "a function has two pages"
    assert shown == prototypes(), {k: (shown.get(k), prototypes().get(k)) for k in set(shown) | set(prototypes())
                                   if shown.get(k) != prototypes().get(k)}


@tap
def the_manual_shows_structs_and_errors_as_they_are():
    text = " ".join(" ".join(t for _, _, t in pages().values()).split())
    for header in glob.glob(os.path.join(INCLUDE, "cloister", "*.h")):
        with open(header) as f:
            code = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
        for name in re.findall(r"\b(CLOISTER_E_[A-Z_]+) =", code):
            assert f".It Dv {name} " in text, name
        for name, body in re.findall(r"^struct (cloister_\w+) \{(.*?)^\};", code, re.S | re.M):
            if name in ("cloister_request", "cloister_answer_handler", "cloister_transport", "cloister_field", "cloister_check"):
                shown = re.search(r"struct %s \{(.*?)\};" % name, re.sub(r"/\*.*?\*/", " ", text)).group(1)
                plain = [" ".join(re.sub(r"\s*\*\s*", " *", x).split()) for x in (shown, body)]
                assert plain[0] == plain[1], (name, plain)


@tap
def the_manual_is_clean_and_refers_to_pages_that_exist():
    known = {n for names, _, _ in pages().values() for n in names}
    for page, (_, _, text) in pages().items():
        path = os.path.join(MANUAL, page)
        said = subprocess.run(["mandoc", "-Tlint", path], capture_output=True, text=True, timeout=WAIT)
        # of what isn't installed it says so; whether it exists is seen below
        complaints = [x for x in (said.stdout + said.stderr).splitlines() if "referenced manual not found" not in x]
        assert not complaints, complaints
        for name, section in re.findall(r"\.Xr (\w+) (\d)", text):
            assert name in known if section == "3" else glob.glob(os.path.join(ROOT, "man", f"{name}.{section}")), (page, name)


@tap
def every_function_has_an_installed_page():
    folder = os.path.join(PREFIX, option("mandir"), "man3")
    for name in prototypes():
        with open(os.path.join(folder, name + ".3")) as f:
            assert f".Fo {name}\n" in f.read(), name
    assert len(os.listdir(folder)) == len(prototypes()) + 1, "a page of something that is no function"


# ---- the ABI ----

def abi(library, include=INCLUDE):
    r = subprocess.run([os.path.join(ROOT, "scripts", "abi"), "check", library, os.path.join(include, "cloister")],
                       capture_output=True, text=True, timeout=WAIT)
    return r.returncode, r.stdout + r.stderr


def copy_of_the_library(name, cc="cc", include=INCLUDE, without=()):
    """A library with the functions that the headers declare, and nothing in them."""
    source = write(name + ".c", "#include <cloister/cloister.h>\n" + "".join(
        p + " { __builtin_trap(); }\n" for f, p in prototypes(include).items() if f not in without))
    out = os.path.join(TMP, name + ".so")
    run(cc, "-g", "-shared", "-fPIC", "-w", "-I" + include, "-Wl,-soname,libcloister.so.0", "-Wl,--version-script," + MAP,
        "-o", out, source)
    return out


@tap
def the_abi_is_the_recorded_one():
    status, said = abi(os.path.realpath(os.path.join(BUILD, "src", "lib", "libcloister.so")))
    assert status == 0, said


@tap
def the_record_does_not_depend_on_the_compiler():
    for cc in "gcc", "clang":
        status, said = abi(copy_of_the_library("copy", cc))
        assert status == 0, said


# (header, what stands there, what is planted)
PLANTED = {
    "a member of another size": ("verify.h", "uint16_t aead[8]", "uint32_t aead[8]"),
    "an array of another length": ("verify.h", "char type[24];", "char type[23];"),
    "a member more": ("channel.h", "size_t body_n;", "size_t body_n; int more;"),
    "a member out of the reserve": ("channel.h", "void *reserved[3];", "void *reserved[2]; void *more;"),
    "a renamed member": ("verify.h", "char type[24];", "char kind[24];"),
    "another value": ("verify.h", "CLOISTER_REFUSED = 2", "CLOISTER_REFUSED = 5"),
    "a value more": ("verify.h", "CLOISTER_MALFORMED = 4,", "CLOISTER_MALFORMED = 4, CLOISTER_NEW = 5,"),
    "a check of another number": ("checks.h", "X(4, POLICY_MEASUREMENTS", "X(5, POLICY_MEASUREMENTS"),
    "a shorter argument": ("channel.h", "int64_t now,", "int32_t now,"),
    "an argument that is no longer const": ("verify.h", "const struct cloister_roots *roots,", "struct cloister_roots *roots,"),
    "another callback": ("client.h", "int64_t (*now)", "int32_t (*now)"),
    "a function more": ("error.h", "#ifdef __cplusplus\n}", "CLOISTER_API int cloister_more(int x);\n#ifdef __cplusplus\n}"),
}


@tap
def a_planted_change_is_refused():
    for what, (header, was, planted) in PLANTED.items():
        include = os.path.join(TMP, "planted")
        shutil.rmtree(include, ignore_errors=True)
        shutil.copytree(INCLUDE, include)
        path = os.path.join(include, "cloister", header)
        with open(path) as f:
            text = f.read()
        assert was in text, what
        with open(path, "w") as f:
            f.write(text.replace(was, planted, 1))
        for cc in "gcc", "clang":
            status, said = abi(copy_of_the_library("planted", cc, include), include)
            assert status == 1 and "has not the recorded ABI" in said, (what, cc, status, said)
    status, said = abi(copy_of_the_library("planted", without=["cloister_field_find"]))
    assert status == 1 and "cloister_field_find" in said, said


if __name__ == "__main__":
    install()
    tap.run()
