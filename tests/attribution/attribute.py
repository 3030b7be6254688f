"""Plants faults into sound jobs and asks `pitprop why`. See run.sh."""

import argparse
import glob
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np

import faults
from bases import VARIANTS, Base
from questions import QUESTIONS

PITPROP = os.path.abspath(os.environ.get("PITPROP", "build/pitprop"))
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
INSTANCES, PAIRS, CONTROLS = 5, 40, 40


class Instance:
    def __init__(self, kind, name, base, planted, accepted, valid=None):
        self.kind, self.name, self.base = kind, name, base
        self.planted = planted  # faults, by cause
        self.accepted = accepted  # a set of causes for each
        self.valid = valid  # of a question: see questions.py


# ---- what there is ----


def seed_of(*words):
    return zlib.crc32(" ".join(map(str, words)).encode())


def singles(round_):
    for fault in faults.FAULTS:
        made, seed = 0, 0
        order = list(range(len(VARIANTS)))
        random.Random(seed_of(fault.cause)).shuffle(order)
        for variant in itertools.cycle(order):
            if made == INSTANCES or seed > 200:
                break
            seed += 1
            base = Base(variant, 1000 * round_ + seed)
            if not fault.fits(base):
                continue
            planted = base.copy()
            also = fault.plant(planted, made)
            if also:
                also(base)
            yield Instance("single", f"{fault.cause}/{made}", (base, planted), [fault.cause], [fault.accepted])
            made += 1


# Two faults that do not hide each other: one of the training or the network, one of the data or the loss.
PARTNERS = [
    ("learning-rate-too-low", "class-weights-inverted"),
    ("learning-rate-too-high", "misaligned-rows"),
    ("learning-rate-too-high", "label-code"),
    ("weight-decay-too-strong", "misaligned-rows"),
    ("dropout-too-high", "rows-not-mixed"),
    ("dropout-too-high", "label-code"),
    ("frozen-layers", "misaligned-rows"),
    ("initialisation", "target-broadcast"),
    ("initialisation", "misaligned-rows"),
    ("clipping-too-tight", "misaligned-rows"),
    ("saturated-units", "rows-not-mixed"),
    ("weight-decay-too-strong", "dropout-too-high"),
    ("learning-rate-too-high", "target-broadcast"),
    ("clamped-predictions", "learning-rate-too-low"),
    ("clamped-predictions", "misaligned-rows"),
    ("activation-twice", "weight-decay-too-strong"),
    ("momentum-too-high", "misaligned-rows"),
    ("weight-decay-too-strong", "learning-rate-too-high"),
    ("initialisation", "label-code"),
    ("frozen-layers", "label-code"),
]


def pairs(round_):
    by_cause = {f.cause: f for f in faults.FAULTS}
    made = 0
    for i, (a, b) in enumerate(PARTNERS * 2):
        first, second = by_cause[a], by_cause[b]
        for seed in range(100):
            base = Base(seed_of(a, b, i, seed) % len(VARIANTS), 1000 * round_ + 500 + seed)
            if first.fits(base) and second.fits(base):
                planted = base.copy()
                for also in (first.plant(planted, i), second.plant(planted, i)):
                    if also:
                        also(base)
                yield Instance("pair", f"{a}+{b}/{made}", (base, planted), [a, b],
                               [first.accepted, second.accepted])
                made += 1
                break


def controls(round_):
    for i in range(CONTROLS):
        base = Base(i % len(VARIANTS), 1000 * round_ + 700 + i)
        kind = ("healthy", "no-signal", "noise", "weak", "series")[i % 5]
        rng, d = base.rng, base.data
        if kind == "no-signal":
            d.y, d.held_y = rng.permutation(d.y), rng.permutation(d.held_y)
        if kind == "noise":  # of the labels alone
            for name in ("y", "held_y"):
                y = getattr(d, name)
                odd = rng.random(len(y)) < 0.97
                y[odd] = rng.permutation(y[odd])
        if kind == "series":  # the next value of what nothing predicts
            rows, width = len(d.y), d.x.shape[1]
            values = rng.normal(size=rows + len(d.held_y) + width)
            windows = np.lib.stride_tricks.sliding_window_view(values, width + 1)
            following = windows[:, -1] if base.task == "regression" else (
                np.digitize(windows[:, -1], np.quantile(values, np.linspace(0, 1, d.y.max() + 2)[1:-1])))
            d.x, d.y = windows[:rows, :-1], following[:rows]
            d.held_x, d.held_y = windows[rows:, :-1], following[rows:]
        if kind == "weak":
            for name in ("y", "held_y"):
                y = getattr(d, name)
                odd = rng.random(len(y)) < 0.5
                y[odd] = rng.permutation(y[odd])
        yield Instance("control", f"{kind}/{i}", (base, base.copy()), [], [])


def questions(round_):
    for kind in QUESTIONS:
        for i in range(kind.count):
            rng = np.random.default_rng([round_, seed_of(kind.name), i])
            sound, planted, *right = kind.build(rng, i)
            yield Instance("question", f"{kind.name}/{i}", (sound, planted), [],
                           [right[0] if right else kind.right], kind.valid)


# ---- running ----


def write(home, name, base, held=None):
    """held: rows to evaluate on other than those of the base."""
    d = base.data
    held_x, held_y = held or (d.held_x, d.held_y)
    for file, x, y in ((f"{name}.h5", d.x, d.y), (f"{name}-held.h5", held_x, held_y)):
        with h5py.File(f"{home}/{file}", "w") as f:
            f["x"], f["y"] = np.asarray(x, np.float32), np.asarray(y)
    job = dict(base.job)
    validation = None if held else getattr(base, "validation", None)
    job["data"] = dict(job["data"], files=f"{home}/{name}.h5",
                       validation=validation or {"files": f"{home}/{name}-held.h5"})
    job["output"] = f"{home}/run-{name}"
    with open(f"{home}/{name}.json", "w") as f:
        json.dump(job, f)
    return f"{home}/{name}.json"


def pitprop(*words, limit=600):
    done = subprocess.run([PITPROP, *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=limit)
    if done.returncode not in (0, 4):
        raise RuntimeError(done.stderr.strip()[-300:])
    return json.loads(done.stdout)


def skill_of(result):
    s = result["validation"]
    known = [s.get("skill", 0)]
    if "balanced_accuracy" in s and result["verdict"] == "healthy":
        k = 2 if "classes_present" not in s else s["classes_present"]
        known.append((s["balanced_accuracy"] - 1 / k) / (1 - 1 / k))
    return max([v for v in known if isinstance(v, (int, float))] + [0])


def exam_rows(base):
    return getattr(base, "exam", None) or (base.data.held_x, base.data.held_y)


class Exam:
    """Scores of trainings on fresh rows, of which `why` knows nothing."""

    def __init__(self, home):
        self.home, self.count = home, 0

    def __call__(self, base):
        self.count += 1
        result = pitprop("train", write(self.home, f"exam-{self.count}", base, exam_rows(base)), "--json", "--quiet")
        return skill_of(result)


def run(instance, options):
    home = tempfile.mkdtemp(prefix="pitprop-attribution-")
    try:
        sound, planted = instance.base
        out = {"kind": instance.kind, "name": instance.name, "planted": instance.planted,
               "accepted": [sorted(a) for a in instance.accepted], "home": home, "fault": None}
        if instance.valid:
            out["fault"] = instance.valid(Exam(home), sound, planted)
        known = sound or planted
        held = exam_rows(known) if instance.valid else None  # a question may hold out none
        result = pitprop("train", write(home, "sound", known, held), "--json", "--quiet")
        out["sound"], out["sound_verdict"] = skill_of(result), result["verdict"]
        begun = time.monotonic()
        try:
            out["why"] = pitprop("why", write(home, "planted", planted), "--json", "--quiet")
        except RuntimeError as failure:
            out["why"] = {"answer": "failed", "causes": [], "sentence": str(failure), "probes": [], "controls": [],
                          "cost": {"spent": 0}, "skill": {}, "verdict": {}}
        out["seconds"] = time.monotonic() - begun
        if options.torch and out["why"].get("remedy"):
            out["torch"] = in_torch(home, planted)
        return out
    finally:
        if not options.keep:
            shutil.rmtree(home)


def in_torch(home, planted):
    """Whether the remedy repairs the job in PyTorch: what torch_twin.py prints."""
    fixed = glob.glob(f"{home}/run-planted/**/fixed.json", recursive=True)
    if not fixed:
        return {"unread": "no fixed.json"}
    words = ["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "torch_twin.py"), "--json", home,
             f"{home}/planted.json", fixed[0]]
    if hasattr(planted, "exam") or hasattr(planted, "validation"):  # more rows to judge by than the job has
        write(home, "exam", planted, exam_rows(planted))
        words += ["--held-out", f"{home}/exam-held.h5"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return {"unread": "no end within 300 s"}
    return json.loads(done.stdout) if done.returncode == 0 else {"unread": done.stderr.strip()[-200:]}


# ---- judging ----


def wilson(k, n, z=1.96):
    if n == 0:
        return "-"
    p, d = k / n, 1 + z * z / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d
    middle = (p + z * z / (2 * n)) / d
    return f"{k}/{n} ({100 * max(0, middle - half):.0f}-{100 * min(1, middle + half):.0f}%)"


def number(value):
    return value if isinstance(value, (int, float)) else 0.0


def judge(out):
    why, planted = out["why"], out["planted"]
    causes = why["causes"]
    job = why["controls"][0] if why["controls"] else {}
    out["faulty"] = number(job.get("score"))
    # A fault that does not show is no fault: the instance is an error of the suite.
    shows = job.get("verdict") not in ("healthy", "undetermined") or out["faulty"] < 0.5 * out["sound"]
    out["valid"] = out["kind"] == "control" or (out["sound"] > 0.15 and shows)
    out["detected"] = why["answer"] not in ("healthy", "unfinished", "failed")
    if out["kind"] == "question":
        right, answer = out["accepted"][0], why["answer"]
        named = causes if answer not in ("healthy", "no-signal", "needs-more-rows", "unknown", "data", "depends-on-seed") else []
        out["top1"] = out["exact"] = answer in right or named[:1] != [] and named[0] in right
        out["top2"] = out["top1"] or any(c in right for c in named[:2])
        out["valid"] = out["fault"] is None
    elif out["kind"] == "single":
        accepted = out["accepted"][0]
        out["top1"] = causes[:1] != [] and causes[0] in accepted
        out["top2"] = any(c in accepted for c in causes[:2])
        out["exact"] = causes[:1] == planted
    elif out["kind"] == "pair":
        found = [any(c in a for c in causes[:2]) for a in out["accepted"]]
        out["top1"] = out["top2"] = all(found)
        out["exact"] = set(causes[:2]) == set(planted)
        # One of the two that suffices to repair the job: then the other was no fault of it.
        remedy = why.get("remedy")
        if why["answer"] == "cause" and any(found) and remedy and number(remedy["score"]) >= 0.8 * out["sound"]:
            out["valid"] = False
    else:
        out["top1"] = why["answer"] in ("healthy", "no-signal", "needs-more-rows")
        out["top2"] = out["exact"] = out["top1"]
    remedy = why.get("remedy")
    out["score_after"] = number(remedy["score"]) if remedy else None
    out["verified"] = bool(remedy and remedy["verified"] and out["score_after"] >= 0.8 * out["sound"])
    return out


def random_search(outs, rounds=20):
    """Patches in random order at the budget that why spent: how often one repairs, and in how many."""
    hits = total = 0
    for out in outs:
        probes = [p for p in out["why"]["probes"] if "with" not in p and "on_reference" not in p and p.get("share", 0) >= 1]
        budget = out["why"]["cost"]["spent"] / 2
        for r in range(rounds):
            order = random.Random(seed_of(out["name"], r)).sample(probes, len(probes))
            spent, best = 0, None
            for p in order:
                if spent + p["work"] > budget:
                    break
                spent += p["work"]
                if p.get("repaired") and (best is None or p["score"] > best["score"]):
                    best = p
            total += 1
            hits += best is not None and best["cause"] in out["accepted"][0]
    return hits / total if total else float("nan")


NO_REPAIR = {"constant-targets", "constant-features", "non-finite-data", "too-few-rows"}


def report(outs):
    rows = {}
    for out in outs:
        key = out["planted"][0] if out["kind"] == "single" else "(pairs)" if out["kind"] == "pair" else out["name"].split("/")[0]
        rows.setdefault(key, []).append(out)
    print(f"{'cause':32s} {'valid':>7s} {'detected':>9s} {'top-1':>8s} {'top-2':>8s} {'exact':>8s} {'remedy':>8s} {'cost':>7s} {'s':>6s}")
    for key, of in rows.items():
        ok = [o for o in of if o["valid"]]
        count = lambda what: sum(bool(o[what]) for o in ok)
        cost = sorted(o["why"]["cost"]["spent"] for o in ok) or [0]
        print(f"{key:32s} {len(ok):3d}/{len(of):3d} {count('detected'):9d} {count('top1'):8d} {count('top2'):8d} {count('exact'):8d} "
              f"{count('verified'):8d} {cost[len(cost) // 2]:7.1f} {sum(o['seconds'] for o in of) / len(of):6.1f}")
    ok = [o for o in outs if o["valid"]]
    one = [o for o in ok if o["kind"] == "single"]
    two = [o for o in ok if o["kind"] == "pair"]
    free = [o for o in ok if o["kind"] == "control"]
    repairable = [o for o in one if o["planted"][0] not in NO_REPAIR]
    print("\nsingle causes: detected", wilson(sum(o["detected"] for o in one), len(one)),
          " top-1", wilson(sum(o["top1"] for o in one), len(one)),
          " top-2", wilson(sum(o["top2"] for o in one), len(one)),
          "\n  exactly the planted name", wilson(sum(o["exact"] for o in one), len(one)),
          "\n  remedy verified at 80% of the sound job's skill",
          wilson(sum(o["verified"] for o in repairable), len(repairable)),
          f"\n  random search over the same patches at half the cost finds an accepted one in {100 * random_search(repairable):.0f}%")
    print("pairs: both causes", wilson(sum(o["top1"] for o in two), len(two)),
          " remedy verified", wilson(sum(o["verified"] for o in two), len(two)))
    print("controls not accused:", wilson(sum(o["top1"] for o in free), len(free)))
    asked = [o for o in ok if o["kind"] == "question"]
    print("further kinds: right", wilson(sum(o["top1"] for o in asked), len(asked)), " 'unknown'",
          sum(o["why"]["answer"] == "unknown" for o in asked))
    twins = [o["torch"] for o in outs if o.get("torch")]
    if twins:
        read = [t for t in twins if "unread" not in t]
        print("remedies that repair the job in PyTorch:", wilson(sum(t["repaired"] for t in read), len(read)),
              f" not readable there: {len(twins) - len(read)}")
        for o in outs:
            t = o.get("torch")
            if t and not t.get("repaired"):
                print(f"  {o['name']}: {t.get('unread') or '{before:.2f} before, {after:.2f} after'.format(**t)}")
    print("errors of the suite (the fault does not show):", len(outs) - len(ok))
    wrong = [o for o in ok if not o["top1"] or (o in repairable or o in two) and not o["verified"]]
    for o in wrong:
        w = o["why"]
        print(f"  {o['name']}: sound {o['sound']:.2f}, faulty {o['faulty']:.2f} ({w['verdict'].get('before')}), "
              f"after {o['score_after'] if o['score_after'] is None else round(o['score_after'], 2)}: {w['answer']} {w['causes'][:3]}"
              + (f" {w['sentence'][:150]}" if not w["causes"] else ""))
    for o in outs:
        if not o["valid"]:
            print(f"  not valid: {o['name']}: sound {o['sound']:.2f} ({o['sound_verdict']}), faulty {o['faulty']:.2f} ({o['why']['verdict'].get('before')}) {o['fault'] or ''}")
    return wrong, ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="every ninth instance; passes where 9 of 10 answers are right and no control is accused")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--only", default="")
    parser.add_argument("--results")
    parser.add_argument("--torch", action="store_true", help="train each job and its remedy in PyTorch as well, three seeds")
    parser.add_argument("--keep", action="store_true")
    a = parser.parse_args()
    instances = []
    for round_ in range(a.first, a.first + a.seeds):
        instances += [*singles(round_), *pairs(round_), *controls(round_)]
        instances += [] if a.quick else questions(round_)
    instances = [i for i in instances if a.only in i.name]
    if a.quick:
        instances = instances[::9]
    begun = time.monotonic()
    with ThreadPoolExecutor(a.jobs) as pool:
        outs = [judge(o) for o in pool.map(lambda i: run(i, a), instances)]
    if a.results:
        with open(a.results, "w") as f:
            json.dump(outs, f, indent=1)
    wrong, ok = report(outs)
    accused = [o for o in wrong if o["kind"] == "control"]
    good = not wrong or a.quick and not accused and len(wrong) <= 0.1 * len(ok)
    print(f"{len(outs)} instances in {time.monotonic() - begun:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
