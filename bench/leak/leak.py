# SPDX-License-Identifier: Apache-2.0
"""The driver behind scripts/leak, which says what it does; README.md says how and why."""
import concurrent.futures
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "build", "leak")

import numpy as np  # noqa: E402

import attack  # noqa: E402
import curve  # noqa: E402
import record  # noqa: E402
import stored  # noqa: E402
import wire  # noqa: E402

# The wire recordings of each shape. Under `full` all is recorded twice: what is found there by chance is something else each time.
SHAPES = {"off": ["wire-off"], "size": ["wire-size"], "full": ["wire-full", "wire-full-2"]}
VIEWS = ("none", "size", "pad512", "full")  # what the summary calls them
FRAME_US = 50_000
REPEATS = 3         # other folds and seeds each time: less chance in the mean
PROVES = 0.87       # what an attacker must reach without a shape
GOAL_AUC, GOAL_LAST_PCT, GOAL_FIRST_MS = 0.53, 10, 50
# of every conversation, in parallel; a shaped one takes 26 s: the mean between two beginnings
PARALLEL, GAP_MS = 400, {"off": 60, "size": 60, "full": 70}
# Of the sample, all shapes at a time; those that the first class holds, as the next one takes 102 s.
SAMPLE, SAMPLE_GAP_MS, SAMPLE_US, RECORDED = 100, 400, 25_000_000, 48


def say(text):
    print(text, flush=True)


def step(what):
    say(f"[{time.monotonic() - BEGAN:4.0f} s] {what}")


BEGAN = time.monotonic()


# ---- recordings ----

def packed(folder, name):
    return os.path.join(folder, name + ".xz")


def record_all(folder):
    """Everything anew, as far as the folder hasn't got it: this can be ended and goes on."""
    os.makedirs(folder, exist_ok=True)
    lines, whole = os.path.join(folder, "conversations.jsonl"), packed(folder, "conversations")
    if not os.path.exists(whole):
        step(f"recording conversations, {record.STREAMS} at a time: about an hour on two cores, more beside other work")
        missing = record.record(lines)
        if missing:
            sys.exit(f"{missing} conversations are missing: run it again")
        stored.of_recording(record.lines(lines)).write(whole)
    conversations = stored.Stored.read(whole)
    for shape, names in SHAPES.items():
        for i, name in enumerate(names):
            if not os.path.exists(packed(folder, name)):
                step(f"replaying all under `{shape}`, up to {PARALLEL} at a time")
                w = wire.replay(conversations, shape, PARALLEL, GAP_MS[shape], seed=1 + i)
                w.each = {"conversation": w.each["conversation"]}
                w.write(packed(folder, name))


def seen(conversations, w, unit=None):
    """What an observer has of a wire recording. unit: every segment padded to a multiple of so many bytes, which nothing here does but arithmetic."""
    at = w.each["conversation"]
    sizes = w.columns["bytes"] if unit is None else [-(-b // unit) * unit for b in w.columns["bytes"]]
    return attack.Seen(sizes, w.columns["us"], conversations.each["label"][at], (conversations.each["place"] + 1000000 * conversations.each["label"])[at])


# ---- the attack ----

def attacked(name, view, results):
    """Both attackers; the better one stands in the summary."""
    found = {}
    for attacker in attack.ATTACKERS:
        runs = attack.attack(attacker, view, repeats=REPEATS)
        found[attacker] = attack.judged(runs, view.label, view.group)
        say("  %-8s %-9s AUC %.3f [%.3f, %.3f]   AUPRC %.3f [%.3f, %.3f]" % (name, attacker, *found[attacker]["auc"], *found[attacker]["auprc"]))
    results[name] = max(found.values(), key=lambda f: f["auc"][0])
    return found


def parts(views):
    """Which part of what is seen gives how much away: gradient boosting on each alone, and on labels that mean nothing."""
    rows = {}
    for name in ("none", "size"):
        for part, only in (("sizes", {"times": False}), ("times", {"sizes": False}), ("number of segments", {"sizes": False, "times": False})):
            v = views[name]
            rows[f"{name}, {part} alone"] = attack.judged(attack.attack("boosting", v, **only), v.label, v.group)["auc"]
    v = views["none"]
    span = np.array([t.sum() for t in v.times])
    rows["none, duration alone"] = attack.judged([(span, np.zeros(v.n))], v.label, v.group)["auc"]
    shuffled = np.random.RandomState(7).permutation(v.label)
    rows["none, labels shuffled"] = attack.judged(attack.attack("boosting", v, label=shuffled), shuffled, np.arange(v.n))["auc"]
    for name, row in rows.items():
        say("  %-26s AUC %.3f [%.3f, %.3f]" % (name, *row))
    return rows


def pace(conversations, w):
    """
    How much later frames come while the answer is being written than afterwards, in us: the mean over answers of the difference of medians; and the same with
    other answers' lengths, which is what there is without any connection.
    """
    lasts = np.array([conversations.columns["us"][i].sum() for i in w.each["conversation"]])

    def shift(lasts):
        found = []
        for gaps, last in zip(w.columns["us"], lasts):
            at = np.cumsum(gaps)[1:]
            late = at - np.median(at - np.arange(len(at)) * FRAME_US)
            late -= np.round(late / FRAME_US) * FRAME_US
            writing = at < last
            if min(writing.sum(), (~writing).sum()) >= 20:
                found.append(np.median(late[writing]) - np.median(late[~writing]))
        return float(np.mean(found))

    return {"writing_us": shift(lasts), "by_chance_us": shift(np.random.RandomState(1).permutation(lasts))}


# ---- the sample ----

def again(conversations):
    """The plan's first conversations with the real model once more: how many have the same events, and how the times differ."""
    path = os.path.join(OUT, "sample.jsonl")
    if os.path.exists(path):
        os.unlink(path)
    missing = record.record(path, RECORDED)
    if missing:
        sys.exit(f"{missing} of the sample's conversations could not be recorded")
    now = stored.of_recording(record.lines(path))
    key = {k: i for i, k in enumerate(zip(*(conversations.each[x] for x in ("label", "place", "seed"))))}
    at = [key[k] for k in zip(*(now.each[x] for x in ("label", "place", "seed")))]
    then = conversations.take(at)
    same = sum(np.array_equal(a, b) for a, b in zip(now.columns["own"], then.columns["own"]))
    alike = [np.mean(a[:min(len(a), len(b))] == b[:min(len(a), len(b))]) for a, b in zip(now.columns["own"], then.columns["own"])]
    return {"conversations": now.n, "same_sizes": int(same), "median_share_of_same_events": float(np.median(alike)),
            "rest_is_the_same": bool(set(np.concatenate(now.columns["rest"])) == set(np.concatenate(then.columns["rest"]))),
            "median_gap_ms": [float(np.median(np.concatenate([x[1:] for x in s.columns["us"]])) / 1000) for s in (now, then)]}


def replayed(conversations, folder):
    """A sample of conversations on the wire under each shape, beside the recording, and what the user has to wait for."""
    fits = [i for i, us in enumerate(conversations.columns["us"]) if us.sum() < SAMPLE_US]
    which = np.sort(np.random.RandomState(5).permutation(fits)[:SAMPLE])
    part, rows, marks = conversations.take(which), {}, {}
    with concurrent.futures.ThreadPoolExecutor(len(SHAPES)) as pool:
        done = {s: pool.submit(wire.replay, part, s, SAMPLE, SAMPLE_GAP_MS) for s in SHAPES}
    for shape in SHAPES:
        now = done[shape].result()
        then = stored.Stored.read(packed(folder, SHAPES[shape][0])).take(which)
        bytes_now, bytes_then = ([int(x.sum()) for x in s.columns["bytes"]] for s in (now, then))
        gaps = [np.concatenate([x[1:] for x in s.columns["us"]]) / 1000 for s in (now, then)]
        rows[shape] = {"conversations": now.n, "same_bytes": sum(a == b for a, b in zip(bytes_now, bytes_then)), "bytes": float(np.median(bytes_now)),
                       "gap_ms": [[round(float(np.quantile(g, q)), 3) for q in (.05, .5, .95)] for g in gaps]}
        marks[shape] = now.each
        say("  %-5s %d of %d have exactly the recording's bytes; gaps between segments (5 %%, 50 %%, 95 %%): %s ms, recorded %s ms" %
            (shape, rows[shape]["same_bytes"], now.n, *rows[shape]["gap_ms"]))
    first = (marks["full"]["seen_first"] - marks["full"]["exists_first"]) / 1000
    plain = (marks["off"]["seen_first"] - marks["off"]["exists_first"]) / 1000
    last = 100 * (marks["full"]["seen_last"] / marks["off"]["seen_last"] - 1)
    cost = {"added_last_token_pct": float(np.median(last)), "added_first_token_ms": float(np.median(first - plain)),
            "first_token_ms": {str(q): float(np.quantile(first, q / 100)) for q in (50, 95, 99, 100)},
            "first_token_within_interval": float(np.mean(first <= GOAL_FIRST_MS)),
            "last_token_ms": {str(q): float(np.quantile(marks["full"]["seen_last"] - marks["full"]["exists_last"], q / 100) / 1000) for q in (50, 95, 99, 100)}}
    return rows, cost


# ---- together ----

def main():
    whole = bool(os.environ.get("FULL"))
    os.makedirs(OUT, exist_ok=True)
    folder = os.path.join(OUT, "full") if whole else os.path.join(HERE, "data")
    if whole:
        record_all(folder)
    conversations = stored.Stored.read(packed(folder, "conversations"))
    wires = {s: stored.joined([stored.Stored.read(packed(folder, n)) for n in names]) for s, names in SHAPES.items()}
    views = {"none": seen(conversations, wires["off"]), "size": seen(conversations, wires["size"]), "full": seen(conversations, wires["full"]),
             "pad512": seen(conversations, wires["off"], 512)}
    summary, results = {"v": 1, "conversations": conversations.n, "positive": int(conversations.each["label"].sum())}, {}

    step("on the wire: a sample of conversations through cloisterd under each shape")
    summary["replayed"], cost = replayed(conversations, folder)
    summary.update(cost)
    if os.path.exists(record.prompts_path()):
        step("recording a sample anew, with the real model")
        summary["recorded"] = again(conversations)
        say("  " + json.dumps(summary["recorded"]))
    else:
        say(f"  no prompts at {record.prompts_path()}: no sample is recorded")
    step(f"the attack: {conversations.n} conversations, {summary['positive']} of them about the sensitive topic")
    summary["attackers"] = {name: attacked(name, views[name], results) for name in VIEWS}
    step("what of it gives it away")
    summary["parts"] = parts(views)
    summary["pace"] = pace(conversations, wires["full"])
    say("  full: frames are %.1f us later while the answer is being written than afterwards; by chance %.1f us" % tuple(summary["pace"].values()))
    step("leak against cost, of these shapes and others")
    summary["curve"] = curve.measured(conversations, say)
    with open(os.path.join(OUT, "curve.svg"), "w") as f:
        f.write(curve.drawn(summary["curve"]))

    for name in VIEWS:
        for what in ("auc", "auprc"):
            for at, value in zip(("", "_lo", "_hi"), results[name][what]):
                summary[f"{what}_{name}{at}"] = round(value, 4)
    with open(os.path.join(OUT, "summary.json"), "w") as f:
        json.dump(summary, f, indent=1)
        f.write("\n")
    sys.exit(verdict(summary))


def verdict(s):
    say("")
    say("%-8s %-24s %-24s" % ("shape", "AUC", "AUPRC"))
    for name in VIEWS:
        say("%-8s %-24s %-24s" % (name, *("%.3f [%.3f, %.3f]" % tuple(s[f"{w}_{name}{x}"] for x in ("", "_lo", "_hi")) for w in ("auc", "auprc"))))
    say("full: the last token is seen %.1f %% later (median); the first %.0f ms after it exists (median; 99 %%: %.0f ms; within an interval: %.0f %%)" %
        (s["added_last_token_pct"], s["first_token_ms"]["50"], s["first_token_ms"]["99"], 100 * s["first_token_within_interval"]))
    bad = []
    if s["auc_none"] < PROVES:
        bad.append(f"The experiment proves nothing: without a shape the better attacker must reach an AUC of {PROVES}.")
    if s["auc_full"] > GOAL_AUC or not s["auc_full_lo"] <= .5 <= s["auc_full_hi"]:
        bad.append(f"The goal is missed: AUC under `full` at most {GOAL_AUC}, with an interval that includes 0.5.")
    if s["added_last_token_pct"] > GOAL_LAST_PCT:
        bad.append(f"The goal is missed: the last token at most {GOAL_LAST_PCT} % later.")
    if s["first_token_ms"]["95"] > GOAL_FIRST_MS:
        bad.append("The goal is missed: the first token is seen later than an interval after it exists.")
    if abs(s["pace"]["writing_us"] - s["pace"]["by_chance_us"]) > 50:
        bad.append("Frames show how long the answer was being written.")
    for shape, row in s["replayed"].items():
        if row["same_bytes"] < .95 * row["conversations"]:
            bad.append(f"The wire isn't what was recorded under `{shape}`.")
    for line in bad:
        say(line)
    say("Written: build/leak/summary.json, build/leak/curve.svg")
    return 1 if bad else 0


if __name__ == "__main__":
    main()
