# SPDX-License-Identifier: Apache-2.0
"""Leak against cost: the attack by gradient boosting on shapes.py's model of what would be seen, a table and a picture."""
import attack
import shapes

# (name, kind, what it does)
POINTS = [
    ("unshaped", "none", shapes.unshaped),
    ("random padding to 256", "padding", lambda c: shapes.noisy(c, 256)),
    ("padding to 128", "padding", lambda c: shapes.padded(c, 128)),
    ("padding to 512", "padding", lambda c: shapes.padded(c, 512)),
    ("8 tokens at a time", "batching", lambda c: shapes.batched(c, 8)),
    ("8 tokens, padding to 1024", "batching", lambda c: shapes.padded_batches(c, 8, 1024)),
    ("50 ms, first 32", "clock", lambda c: shapes.clocked(c, first=32)),
    ("50 ms, first 512: full", "clock", lambda c: shapes.clocked(c)),
    ("50 ms, 256 bytes", "clock", lambda c: shapes.clocked(c, frame=256)),
    ("50 ms, 1024 bytes", "clock", lambda c: shapes.clocked(c, frame=1024)),
    ("20 ms, first 1280", "clock", lambda c: shapes.clocked(c, interval=20, first=1280)),
    ("100 ms, first 256", "clock", lambda c: shapes.clocked(c, interval=100, first=256)),
]
COLOURS = {"none": "#b00020", "padding": "#c77700", "batching": "#7a5195", "clock": "#00695c"}


def measured(conversations, say):
    rows = []
    for name, kind, shape in POINTS:
        view, cost = shape(conversations)
        auc = attack.judged(attack.attack("boosting", view), view.label, view.group)["auc"]
        rows.append({"name": name, "kind": kind, "auc": auc, "bytes": cost.sent, "first_ms": cost.first_ms, "last_ms": cost.last_ms,
                     "last_pct": cost.last_pct})
        say("  %-26s AUC %.3f [%.3f, %.3f]   %7.0f bytes, first token %4.0f ms later, last %4.0f ms (%.1f %%)" %
            (name, *auc, cost.sent, cost.first_ms, cost.last_ms, cost.last_pct))
    return rows


def drawn(rows):
    """As SVG: bytes of an answer across, AUC upwards with its interval, the last token's delay in words."""
    import math
    wide, high, left, top, right, bottom = 900, 520, 70, 20, 250, 60
    low, most = math.floor(math.log10(min(r["bytes"] for r in rows)) * 4) / 4, math.ceil(math.log10(max(r["bytes"] for r in rows)) * 4) / 4

    def x(b):
        return left + (math.log10(b) - low) / (most - low) * (wide - left - right)

    def y(a):
        return top + (1 - a) / .6 * (high - top - bottom)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12">',
           f'<rect width="{wide}" height="{high}" fill="#fff"/>']
    for a in (.4, .5, .6, .7, .8, .9, 1):
        out.append(f'<path d="M{left} {y(a):.1f}H{wide - right}" stroke="{"#888" if a == .5 else "#ddd"}"/>'
                   f'<text x="{left - 8}" y="{y(a) + 4:.1f}" text-anchor="end">{a:.1f}</text>')
    for b in (30000, 50000, 100000, 200000, 500000, 1000000):
        if low <= math.log10(b) <= most:
            out.append(f'<path d="M{x(b):.1f} {y(1):.1f}V{y(.4):.1f}" stroke="#ddd"/>'
                       f'<text x="{x(b):.1f}" y="{high - bottom + 18}" text-anchor="middle">{b // 1000} kB</text>')
    out.append(f'<text x="{(left + wide - right) / 2}" y="{high - 16}" text-anchor="middle">bytes sent for an answer (median)</text>'
               f'<text transform="translate(20 {(high - bottom) / 2}) rotate(-90)" text-anchor="middle">AUC of the attack</text>')
    for i, r in enumerate(rows):
        c, at, mid = COLOURS[r["kind"]], x(r["bytes"]), y(r["auc"][0])
        out.append(f'<path d="M{at:.1f} {y(r["auc"][1]):.1f}V{y(r["auc"][2]):.1f}" stroke="{c}" stroke-width="2" opacity=".5"/>'
                   f'<circle cx="{at:.1f}" cy="{mid:.1f}" r="8" fill="{c}"/>'
                   f'<text x="{at:.1f}" y="{mid + 4:.1f}" fill="#fff" text-anchor="middle" font-size="10">{i + 1}</text>'
                   f'<circle cx="{wide - right + 28}" cy="{top + 14 + 22 * i}" r="8" fill="{c}"/>'
                   f'<text x="{wide - right + 28}" y="{top + 18 + 22 * i}" fill="#fff" text-anchor="middle" font-size="10">{i + 1}</text>'
                   f'<text x="{wide - right + 44}" y="{top + 18 + 22 * i}">{r["name"]}, +{r["last_ms"]:.0f} ms</text>')
    return "\n".join(out) + "\n</svg>\n"
