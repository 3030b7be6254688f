"""Runs the cases of healthy.py, collapsed.py and losses.py through `pitprop train`, those of
predictions.py through `pitprop audit`, and counts how often the verdicts are wrong. See run.sh."""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np

import collapsed  # noqa: F401  (registers its kinds)
import healthy  # noqa: F401
import losses
import predictions  # noqa: F401
import truth
from cases import KINDS

PITPROP = os.path.abspath(os.environ.get("PITPROP", "build/pitprop"))
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
QUIET = {"healthy", "undetermined", "not-yet-learned"}  # names that may go without an alarm


# ---- one case ----


def pitprop(*words, limit=300):
    done = subprocess.run(
        [PITPROP, *map(str, words)],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
    )
    if done.returncode not in (0, 4):
        raise RuntimeError(f"{' '.join(words[:2])}: exit {done.returncode}: {done.stderr[-400:]}")


def write(path, rows):
    x, y = rows
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x.astype(np.float32), y
    return path


def predict(home, data):
    pitprop("predict", f"{home}/run", f"{home}/{data}.h5", "-o", f"{home}/p-{data}.h5", "--quiet")
    with h5py.File(f"{home}/p-{data}.h5", "r") as file, h5py.File(f"{home}/{data}.h5", "r") as d:
        return file["p"][()], file["raw"][()], d["y"][()]


class Run:
    """What Python knows of a finished training."""

    def __init__(self, case, home):
        task = case.job["data"]["task"]
        p, raw, y = predict(home, "fresh")
        self.fresh = truth.Facts(task, p, y)
        self.raw_deviation = float(np.std(raw, dtype=np.float64))
        if case.train is None or case.held is not None:
            p, _, y = predict(home, "train")
            self.train = truth.Facts(task, p, y)
        if case.held is not None:
            p, _, y = predict(home, "held")
            self.held_out = truth.Facts(task, p, y)
        shares = np.bincount(y) / len(y) if task != "regression" else None
        self.base_loss = (
            float(np.var(y)) if shares is None else -sum(s * math.log(s) for s in shares if s > 0)
        )
        self.trace = []
        with open(f"{home}/run/metrics.jsonl", encoding="utf-8") as file:
            for row in map(json.loads, file):
                if row["type"] == "step":
                    self.trace.append((row["step"] / case.job["training"]["steps"], number(row)))


def number(row):
    loss = row.get("loss")
    return float("nan") if loss is None or isinstance(loss, str) else float(loss)


def called(verdict, steps):
    """Name, and share of the budget, of the first call during training."""
    call = verdict.get("called")
    return (call["verdict"], call["step"] / steps) if call else (None, None)


def prepare(case, home):
    job = case.job
    steps, batch = job["training"]["steps"], job["training"]["batch"]
    write(f"{home}/train.h5", (case.train or case.sample)(case.rows))
    write(f"{home}/fresh.h5", case.sample(case.fresh_rows))
    job["data"]["files"] = f"{home}/train.h5"
    if case.held_rows:
        write(f"{home}/held.h5", (case.held or case.sample)(case.held_rows))
        job["data"]["validation"] = {"files": f"{home}/held.h5"}
    job["data"].setdefault("validation", {"fraction": 0})
    # five evaluations, and a step row every hundredth of the budget
    job.setdefault("monitor", {}).update(
        evaluate_epochs=max(steps * batch / case.rows / 5, 1e-3), log_steps=max(1, steps // 100)
    )
    with open(f"{home}/job.json", "w", encoding="utf-8") as file:
        json.dump(job, file)


def train(kind, case, home):
    """What the result of a training holds."""
    prepare(case, home)
    begun = time.monotonic()
    pitprop("train", f"{home}/job.json", "-o", f"{home}/run", "--quiet")
    seconds = time.monotonic() - begun
    with open(f"{home}/run/verdict.json", encoding="utf-8") as file:
        verdict = json.load(file)
    name, share = called(verdict, case.job["training"]["steps"])
    run = Run(case, home) if kind.check else None
    return verdict, run, {"rows": case.rows, "seconds": seconds, "called": name, "share": share}


class Audited:
    """What Python knows of predictions: of the held-out rows where there are any."""

    def __init__(self, case):
        p, y = np.asarray(case.p, np.float64), np.asarray(case.y)
        if case.held is not None:
            p, y = p[case.held == 1], y[case.held == 1]
        p = p.reshape(len(p), -1)
        classes = p.shape[1] > 1
        task = "multiclass" if classes else "binary" if y.dtype.kind == "i" else "regression"
        self.fresh = truth.Facts(task, p, y)


def audit(kind, case, home):
    words = []
    for option, values in (("p", case.p), ("y", case.y), ("rank", case.rank), ("held-out", case.held)):
        if values is not None:
            np.save(f"{home}/{option}.npy", values)
            words += [f"--{option}", f"{home}/{option}.npy"]
    pitprop("audit", *words, *case.options, "-o", f"{home}/verdict.json")
    with open(f"{home}/verdict.json", encoding="utf-8") as file:
        verdict = json.load(file)
    return verdict, Audited(case) if kind.check else None, {"rows": len(case.y), "called": None, "share": None}


def one(kind, i, options):
    result = {"kind": kind.name, "i": i, "healthy": kind.healthy, "audited": kind.audited}
    home = tempfile.mkdtemp(prefix=f"{kind.name}-{i}-", dir=options.scratch)
    try:
        case = kind.case(options.seed, i)
        result.update(note=case.note, expected=sorted(case.verdicts))
        verdict, run, more = (audit if kind.audited else train)(kind, case, home)
        result.update(
            more,
            verdict=verdict["verdict"],
            collapse=bool(verdict["collapse"]),
            sentence=verdict["sentence"],
            fault=kind.check(run) if run else None,
        )
        for name in ("association", "skill", "spread"):
            result[name] = getattr(run.fresh, name) if run else float("nan")
    except Exception as error:  # a case that does not run is reported, whatever the reason
        result["broken"] = f"{type(error).__name__}: {error}"
    finally:
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)
    return result


# ---- all of them ----


def alarm(result):
    return result["collapse"] or result["verdict"] not in QUIET


def judge(result):
    """What is wrong with a verdict: a list of words, empty where it is right."""
    wrong = []
    if result["healthy"] and alarm(result):
        wrong.append("false alarm")
    if result["healthy"] and result["called"]:
        wrong.append("early call")
    if result["healthy"] is False and not alarm(result):
        wrong.append("miss")
    if result["healthy"] is False and alarm(result) and not result["collapse"]:
        wrong.append("not flagged")
    if not wrong and result["verdict"] not in result["expected"]:
        wrong.append("wrong name")
    return wrong


def limits(k, n):
    low, high = truth.clopper_pearson(k, n)
    share = f"{100 * k / n:.1f}%, " if n else ""
    return f"{k}/{n} ({share}95% limits {100 * low:.1f} to {100 * high:.1f}%)"


def table(results, out):
    out(f"{'kind':30} {'cases':>5} {'left out':>8} {'wrong':>5} {'name':>5}  verdicts")
    for kind in [k for k in KINDS if any(r["kind"] == k.name for r in results)]:
        mine = [r for r in results if r["kind"] == kind.name]
        good = [r for r in mine if not r["excluded"]]
        names = sorted({r["verdict"] for r in good})
        counts = ", ".join(f"{n} {sum(r['verdict'] == n for r in good)}" for n in names)
        bad = sum(bool(set(r["wrong"]) - {"wrong name"}) for r in good)
        name = sum("wrong name" in r["wrong"] for r in good)
        out(f"{kind.name:30} {len(good):5} {len(mine) - len(good):8} {bad:5} {name:5}  {counts}")


def delays(results, out):
    results = [r for r in results if r["healthy"] is False]
    shares = [r["share"] for r in results if r["share"] is not None]
    n = len(results)
    out(f"called during training: {limits(len(shares), n)} of the collapsed")
    # those that were never called were found at the end: a delay of the whole budget
    every = [r["share"] if r["share"] is not None else 1.0 for r in results]
    for text, values in (("of those called", shares), ("of all, never called = 100%", every)):
        if values:
            q = 100 * np.quantile(values, (0.25, 0.5, 0.75))
            out(
                f"delay, share of the budget, {text}: median {q[1]:.0f}%, "
                f"quartiles {q[0]:.0f}% and {q[2]:.0f}%"
            )


def by_verdict(results, out):
    out("misses by the names that were due:")
    ill = [r for r in results if r["healthy"] is False]
    for name in sorted({"|".join(r["expected"]) for r in ill}):
        mine = [r for r in ill if "|".join(r["expected"]) == name]
        out(f"  {limits(sum('miss' in r['wrong'] for r in mine), len(mine)):50} {name}")
    out("false alarms by the name that was given:")
    well = [r for r in results if r["healthy"]]
    for name in sorted({r["verdict"] for r in well if "false alarm" in r["wrong"]}):
        k = sum(r["verdict"] == name and "false alarm" in r["wrong"] for r in well)
        out(f"  {limits(k, len(well)):50} {name}")


def describe(r):
    call = f", called {r['called']}" if r["called"] else ""
    return (
        f"  {r['kind']}-{r['i']} [{r['note']}]: {', '.join(r['wrong'])}: {r['verdict']}{call}, due "
        f"{'|'.join(r['expected'])}; fresh rows: association z {r['association']:.1f}, "
        f"skill {r['skill']:.4g}, spread {r['spread']:.4g}\n      {r['sentence']}"
    )


def report(results, out, audited):
    results = [r for r in results if r["audited"] is audited]
    if not results:
        return False
    out(f"\n== {'predictions, through audit' if audited else 'trainings'}: {len(results)}\n")
    for r in results:
        r["excluded"] = r.get("broken") or r.get("fault")
        r["wrong"] = [] if r["excluded"] else judge(r)
    good = [r for r in results if not r["excluded"]]
    well, ill, either = ([r for r in good if r["healthy"] is h] for h in (True, False, None))
    table(results, out)
    out("")
    out(
        f"healthy {len(well)}, collapsed {len(ill)}, either {len(either)}, "
        f"left out {len(results) - len(good)}"
    )
    for text, of, word in (
        ("false alarms at the end", well, "false alarm"),
        ("false calls during training", well, "early call"),
        ("misses", ill, "miss"),
        ("named but not flagged as a collapse", ill, "not flagged"),
    ):
        out(f"{text}: {limits(sum(word in r['wrong'] for r in of), len(of))}")
    named = sum(r["verdict"] in r["expected"] for r in ill)
    out(f"right name, collapsed: {limits(named, len(ill))}")
    named = sum(r["verdict"] in r["expected"] for r in well)
    out(f"right name, healthy: {limits(named, len(well))}")
    if either:
        named = sum(r["verdict"] in r["expected"] for r in either)
        out(f"right name, where either will do: {limits(named, len(either))}")
    if not audited:
        delays(good, out)
    by_verdict(good, out)
    out("\nevery case whose verdict is wrong:")
    for r in good:
        if r["wrong"]:
            out(describe(r))
    out("\nevery case that was left out, because it is not what it was built to be:")
    for r in results:
        if r["excluded"]:
            out(f"  {r['kind']}-{r['i']} [{r.get('note', '')}]: {r.get('broken') or r['fault']}")
    return any(r["wrong"] for r in good)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two runs of a few kinds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws another suite")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--keep", action="store_true", help="keep the run directories")
    parser.add_argument("--results", help="write every result to this JSON file")
    options = parser.parse_args()
    losses.check_schema(PITPROP)
    options.scratch = tempfile.mkdtemp(prefix="pitprop-calibration-")
    work = [
        (kind, i)
        for kind in KINDS
        if options.only in kind.name and (kind.quick or not options.quick)
        for i in range(min(kind.count, 2) if options.quick else kind.count)
    ]
    begun = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda item: one(*item, options), work))
    wrong = [report(results, print, audited) for audited in (False, True)]
    print(f"\n{len(work)} cases in {time.monotonic() - begun:.0f} s, seed {options.seed}")
    if options.results:
        with open(options.results, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1, default=float)
    if options.keep:
        print(f"runs: {options.scratch}")
    else:
        shutil.rmtree(options.scratch, ignore_errors=True)
    sys.exit(1 if any(wrong) else 0)


if __name__ == "__main__":
    main()
