# SPDX-License-Identifier: Apache-2.0
"""The attackers: who sees only sizes and times of segments says how likely each conversation is about the sensitive topic.

Two of them, as in the published attack (Whisper Leak, arXiv 2511.03675): gradient boosting, and a small network over the sequence. Both are trained
on four fifths of the prompts and judged on the rest, in turn. No prompt is on both sides, however often it was asked.
"""
import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=2")

import numpy as np  # noqa: E402

FOLDS = 5
WORDS = 32  # sizes that are told apart: the most frequent ones
THREADS = 2


class Seen:
    """What was seen of many conversations: sizes and times, one array each. label, group: what the experiment knows."""

    def __init__(self, sizes, times, label, group):
        self.sizes, self.times, self.label, self.group = sizes, times, np.asarray(label), np.asarray(group)
        self.n = len(self.label)


def folds(label, group, seed):
    """The fold of each conversation: all of a group in one, and as many groups of each label in each."""
    rng, fold = np.random.RandomState(seed), np.zeros(len(label), int)
    for value in np.unique(label):
        names = np.unique(group[label == value])
        rng.shuffle(names)
        at = {name: i % FOLDS for i, name in enumerate(names)}
        for i in np.flatnonzero(label == value):
            fold[i] = at[group[i]]
    return fold


# ---- gradient boosting ----

FIRST = 256  # segments that it sees one by one
PARTS = 16
BOOSTING = dict(objective="binary", learning_rate=0.05, num_leaves=15, min_data_in_leaf=10, feature_fraction=0.2, bagging_fraction=0.8, bagging_freq=1,
                lambda_l2=5, verbose=-1, num_threads=THREADS, deterministic=True, force_row_wise=True)
ROUNDS = 250


def padded(x, n):
    return np.pad(x[:n].astype(float), (0, max(0, n - len(x))), constant_values=np.nan)


def spread(x):
    return [x.sum(), x.mean(), x.std(), *np.quantile(x, (0, .05, .25, .5, .75, .95, 1))]


def words(seen):
    """Each size as a number below WORDS: the frequent ones each their own, the others by rank. No label is looked at."""
    values, counts = np.unique(np.concatenate(seen.sizes), return_counts=True)
    kept = np.sort(values[np.argsort(-counts, kind="stable")[:WORDS]])
    return [np.minimum(np.searchsorted(kept, s), len(kept) - 1) for s in seen.sizes]


def of_sizes(s, w):
    pairs = np.bincount(w[:-1] * WORDS + w[1:], minlength=WORDS * WORDS) / max(1, len(w) - 1)
    return [*padded(s, FIRST), *spread(s), *(s[:k].sum() for k in (4, 8, 16, 32, 64, 128)), *(np.bincount(w, minlength=WORDS) / len(w)), *pairs]


def of_times(t):
    """Gaps one by one, how they are spread, and how far each segment is from an even pace."""
    t = t / 1000
    late = np.cumsum(t) - t[0] - np.arange(len(t)) * np.median(t)
    parts = np.array_split(np.arange(len(t)), PARTS)
    logs = np.histogram(np.log10(t + .01), bins=24, range=(-2, 4))[0] / len(t)
    return [*padded(t, FIRST), *spread(t), *logs, *spread(late), *spread(np.abs(np.diff(late, prepend=0))),
            *(f(late[p]) if len(p) else np.nan for p in parts for f in (np.mean, np.std)), *(t[p].max() if len(p) else np.nan for p in parts)]


def table(seen, sizes=True, times=True):
    rows = [([len(s)] + (of_sizes(s, w) if sizes else []) + (of_times(t) if times else []))
            for s, w, t in zip(seen.sizes, words(seen), seen.times)]
    x = np.array(rows, np.float32)
    return x[:, [len(np.unique(c[~np.isnan(c)])) > 1 for c in x.T]]


def boosting(seen, label, fold, seed, **only):
    import lightgbm
    x, score = table(seen, **only), np.zeros(seen.n)
    if x.shape[1] == 0:
        return score
    for k in range(FOLDS):
        train = fold != k
        model = lightgbm.train(dict(BOOSTING, seed=seed), lightgbm.Dataset(x[train], label[train]), ROUNDS)
        score[~train] = model.predict(x[~train], raw_score=True)
    return score


# ---- a network over the sequence ----

LONGEST = 512
WIDE, DEEP, LOOK = 16, 32, 3  # of a segment's embedding, of the convolution, and how many segments it looks at
EPOCHS, BATCH, RATE, DROP, DECAY = 15, 32, 3e-3, .3, .3


def sequences(seen, sizes=True, times=True):
    """[n, length] words (0: nothing there), [n, length, 3] numbers of mean 0: size, logarithm of the gap, distance from an even pace."""
    length = min(LONGEST, int(np.quantile([len(s) for s in seen.sizes], .95)) + 8)
    word, number = np.zeros((seen.n, length), np.int32), np.zeros((seen.n, length, 3), np.float32)
    for i, (s, w, t) in enumerate(zip(seen.sizes, words(seen), seen.times)):
        k = min(length, len(s))
        word[i, :k] = 1 + w[:k] if sizes else 1
        if sizes:
            number[i, :k, 0] = s[:k]
        if times:
            number[i, :k, 1] = np.log10(t[:k] + 10)
            number[i, :k, 2] = np.clip((np.cumsum(t) - t[0] - np.arange(len(t)) * np.median(t))[:k], -1e6, 1e6)
    there = word > 0
    for c in range(3):
        v = number[..., c][there]
        number[..., c] = np.where(there, (number[..., c] - v.mean()) / (v.std() + 1e-6), 0)
    return word, number


def network(seen, label, fold, seed, **only):
    """
    Each segment's size, the pair that it makes with the next one, and its place are embedded; a convolution looks at LOOK of them and their
    times; maximum and mean over all; Adam.
    """
    import jax
    import jax.numpy as jnp
    word, number = sequences(seen, **only)
    kinds = WORDS + 1
    pair = np.zeros_like(word)
    pair[:, :-1] = word[:, :-1] * kinds + word[:, 1:]

    def start(key):
        k = jax.random.split(key, 4)
        return {"word": jax.random.normal(k[0], (kinds, WIDE)) * .3, "pair": jax.random.normal(k[1], (kinds * kinds, WIDE)) * .1,
                "place": jnp.zeros((word.shape[1], WIDE)), "look": jax.random.normal(k[2], (LOOK * (WIDE + 3), DEEP)) / (LOOK * (WIDE + 3)) ** .5,
                "look0": jnp.zeros(DEEP), "out": jax.random.normal(k[3], (2 * DEEP + WIDE, 1)) / (2 * DEEP + WIDE) ** .5, "out0": jnp.zeros(1)}

    def logits(p, w, q, v, key):
        there = (w > 0)[..., None]
        x = (p["word"][w] + p["pair"][q] + p["place"]) * there
        if key is not None:
            key, sub = jax.random.split(key)
            x = x * jax.random.bernoulli(sub, 1 - DROP / 2, x.shape[:2] + (1,)) / (1 - DROP / 2)
        bag = 4 * x.sum(1) / there.sum(1)
        x = jnp.concatenate([x, .3 * v * there], -1)
        n = x.shape[1] - LOOK + 1
        x = jax.nn.relu(jnp.concatenate([x[:, i:i + n] for i in range(LOOK)], -1) @ p["look"] + p["look0"])
        x = jnp.where(there[:, :n], x, 0)
        x = jnp.concatenate([x.max(1), x.sum(1) / there.sum(1), bag], -1)
        if key is not None:
            x = x * jax.random.bernoulli(key, 1 - DROP, x.shape) / (1 - DROP)
        return (x @ p["out"] + p["out0"])[:, 0]

    def loss(p, w, q, v, y, key):
        z = logits(p, w, q, v, key)
        return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))

    @jax.jit
    def step(p, m, s, i, w, q, v, y, rate):
        g = jax.grad(loss)(p, w, q, v, y, jax.random.fold_in(jax.random.PRNGKey(seed), i))
        m = jax.tree.map(lambda a, b: .9 * a + .1 * b, m, g)
        s = jax.tree.map(lambda a, b: .999 * a + .001 * b * b, s, g)
        p = jax.tree.map(lambda a, b, c: a * (1 - rate * DECAY) - rate * (b / (1 - .9 ** (i + 1))) / (jnp.sqrt(c / (1 - .999 ** (i + 1))) + 1e-8), p, m, s)
        return p, m, s

    judge, score = jax.jit(lambda p, w, q, v: logits(p, w, q, v, None)), np.zeros(seen.n)
    for k in range(FOLDS):
        rng, train, test = np.random.RandomState(seed * FOLDS + k), np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        p = start(jax.random.PRNGKey(seed * FOLDS + k))
        m = s = jax.tree.map(jnp.zeros_like, p)
        steps = len(train) // BATCH
        for i in range(EPOCHS * steps):
            if i % steps == 0:
                rng.shuffle(train)
            at = train[i % steps * BATCH:(i % steps + 1) * BATCH]
            rate = RATE / 2 * (1 + np.cos(np.pi * i / (EPOCHS * steps)))
            p, m, s = step(p, m, s, i, word[at], pair[at], number[at], label[at].astype(np.float32), rate)
        score[test] = np.asarray(judge(p, word[test], pair[test], number[test]))
    return score


ATTACKERS = {"boosting": boosting, "network": network}


def attack(attacker, seen, label=None, repeats=1, **only):
    """[(scores, folds)] of each repeat, with other folds: what models that never saw a conversation's prompt say of it, and which of them said it."""
    label, runs = seen.label if label is None else label, []
    for seed in range(repeats):
        fold = folds(seen.label, seen.group, seed)
        runs.append((ATTACKERS[attacker](seen, label, fold, seed, **only), fold))
    return runs


# ---- how well it did ----

def measures(score, label, weight):
    """(AUC, AUPRC) with weights, of each row of weight. Ties count half in the first, and come at once in the second."""
    values, at = np.unique(-score, return_inverse=True)
    positive, negative = (np.zeros((weight.shape[0], len(values))) for _ in range(2))
    for i in range(len(score)):
        (positive if label[i] else negative)[:, at[i]] += weight[:, i]
    tp, fp = positive.cumsum(1), negative.cumsum(1)
    auc = (negative * (tp - positive / 2)).sum(1) / (tp[:, -1] * fp[:, -1])
    return auc, (positive * tp / np.maximum(tp + fp, 1e-9)).sum(1) / tp[:, -1]


def judged(runs, label, group, draws=2000):
    """
    {auc, auprc: (value, low, high)}: the mean over repeats and folds, as scores of different models can't be compared; 95 % by a bootstrap that
    draws whole prompts, of each label as many as there are.
    """
    rng, weight, found = np.random.RandomState(0), np.ones((1 + draws, len(label))), []
    for value in (0, 1):
        here = label == value
        names, at = np.unique(group[here], return_inverse=True)
        weight[1:, here] = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)[:, at]
    for score, fold in runs:
        found += [measures(score[fold == k], label[fold == k], weight[:, fold == k]) for k in np.unique(fold)]
    return {name: (float(x[0]), *map(float, np.quantile(x[1:], (.025, .975)))) for name, x in zip(("auc", "auprc"), np.mean(found, 0))}
