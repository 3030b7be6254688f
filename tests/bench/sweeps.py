"""Sweeps: how busy the farm keeps its groups, what a trial costs beyond its training, what early stopping of
collapsed trials saves, and what asha and tpe find for the cost of random search."""
import glob
import json
import os
import shutil
import statistics
import time

import measure

FASHION = "/usr/share/datasets/fashion-mnist/train"
EPOCHS = 9  # of a whole trial: three rungs of asha


def sweep(bench, name, job, ranks=1, **keys):
    """Runs it; the rows of results.jsonl and seconds of the whole command."""
    out = bench.path(f"sweep-{name}")
    shutil.rmtree(out, ignore_errors=True)
    for file, what in (("job", job), ("sweep", {"name": name, "job": bench.path("sweep-job.json"), **keys})):
        with open(bench.path(f"{'sweep-' if file == 'job' else ''}{file}.json"), "w", encoding="utf-8") as to:
            json.dump(what, to)
    words = [bench.pitprop, "sweep", bench.path("sweep.json"), "-o", out, "-q"]
    begun = time.monotonic()
    measure.run((["mpirun", "-n", str(ranks)] if ranks > 1 else []) + words,
                dict(measure.ENVIRONMENT, OMPI_MCA_rmaps_base_oversubscribe="1", OPENBLAS_NUM_THREADS="1",
                     OMPI_MCA_hwloc_base_binding_policy="none"))
    seconds = time.monotonic() - begun
    with open(os.path.join(out, "results.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file][1:], seconds


def moons(bench, rows):
    path = bench.path(f"moons-{rows}.h5")
    if not os.path.exists(path):
        measure.run([bench.pitprop, "synth", "moons", "--rows", str(rows), "-o", path])
    return {"name": "moons", "data": {"files": path, "validation": {"fraction": 0.3}},
            "model": {"layers": [{"type": "dense", "units": 16, "activation": "relu"},
                                 {"type": "dense", "units": "auto"}]},
            "optimizer": {"type": "adam", "lr": 0.003}, "training": {"epochs": 1, "batch": 64, "lanes": 1}}


def fashion(bench, rows=2000):
    path = bench.path(f"fashion-{rows}.h5")
    if not os.path.exists(path):
        import h5py
        whole = bench.path("fashion.h5")
        images = glob.glob(f"{FASHION}-images-idx3-ubyte*")
        if not images:
            return None
        labels = images[0].replace("images-idx3", "labels-idx1")
        measure.run([bench.pitprop, "import", "idx", images[0], "--labels", labels, "-o", whole])
        with h5py.File(whole) as file, h5py.File(path, "w") as to:
            to["x"], to["y"] = file["x"][:rows] / 255, file["y"][:rows]
    return {"name": "fashion", "data": {"files": path, "validation": {"fraction": 0.3}},
            "model": {"layers": [{"type": "dense", "units": 64, "activation": "relu"},
                                 {"type": "dense", "units": "auto"}]},
            "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9},
            "training": {"epochs": EPOCHS, "batch": 64, "lanes": 1}}


def use_of_farm(bench, rounds):
    """64 trials of 60 to 480 epochs by four groups of one rank."""
    shares = []
    for _ in range(rounds):
        rows, seconds = sweep(bench, "farm", moons(bench, 4000), 4, search="grid", ranks_per_trial=1,
                              space={"training.epochs": {"choice": list(range(60, 481, 60))},
                                     "seed": {"choice": list(range(8))}})
        shares.append(sum(r["seconds"] for r in rows) / 4 / seconds)
    return shares


def cost_of_trial(bench, rounds):
    """Milliseconds of a trial beyond its training, the start of the program included."""
    costs = []
    for _ in range(rounds):
        rows, seconds = sweep(bench, "cost", moons(bench, 4000), search="grid", ranks_per_trial=1,
                              space={"seed": {"choice": list(range(40))}})
        training = 0
        for path in glob.glob(bench.path("sweep-cost/trials/*/metrics.jsonl")):
            with open(path, encoding="utf-8") as file:
                training += sum(json.loads(line).get("timing", {}).get("seconds", 0) for line in file)
        costs.append((seconds - training) / len(rows) * 1e3)
    return costs


def steps_of(name):
    """Steps that each trial took."""
    steps = {}
    for path in glob.glob(name + "/trials/*/metrics.jsonl"):
        with open(path, encoding="utf-8") as file:
            steps[path.split("/")[-2]] = max(json.loads(line).get("step", 0) for line in file)
    return steps


def saved_by_stopping(bench):
    """A space in which a third of the points collapse: dead from the start, or rates that blow up."""
    job = moons(bench, 4000)
    job["training"]["epochs"] = 40
    space = {"model.layers[0].bias_scale": {"choice": [0, 0.1, -50]}, "optimizer.lr": {"choice": [0.001, 0.003, 0.01]},
             "seed": {"choice": [1, 2, 3, 4]}}
    job["model"]["layers"][0].update(bias_init="constant", bias_scale=0)
    result = {}
    for how in ("warn", "stop"):
        rows, _ = sweep(bench, how, job, search="grid", on_collapse=how, space=space)
        steps = steps_of(bench.path(f"sweep-{how}"))
        result[how] = {"collapsed": sum(r["collapse"] for r in rows), "trials": len(rows),
                       "steps": sum(v for k, v in steps.items() if k != "sanity"),
                       "seconds": sum(r["seconds"] for r in rows)}
        whole = max(steps.values())
        result[how]["healthy_stopped"] = sum(
            steps.get(r["id"], whole) < whole for r in rows if not r["collapse"])
    return result


def accuracy_of(row):
    """0 of a trial that failed, or whose predictions are no numbers."""
    value = row.get("accuracy")
    return value if isinstance(value, (int, float)) else 0


def searches(bench, seeds, points):
    """Best accuracy of each search for the epochs that asha takes on so many points, and the share of random's
    epochs at which it has reached random's best."""
    job = fashion(bench)
    if job is None:
        return None
    space = {"optimizer.lr": {"log": [1e-5, 3]}, "optimizer.momentum": {"choice": [0, 0.5, 0.9, 0.99]},
             "model.layers[0].units": {"choice": [4, 16, 64, 128]},
             "model.layers[0].activation": {"choice": ["relu", "tanh", "sigmoid"]},
             "optimizer.weight_decay": {"log": [1e-6, 1]}}
    found = []
    for seed in range(1, seeds + 1):
        keys = {"space": space, "seed": seed, "metric": "accuracy", "ranks_per_trial": 1, "on_collapse": "warn"}
        rows, _ = sweep(bench, "asha", job, 2, search="asha", trials=points, eta=3, rungs=3, **keys)
        cost = {0: 1, 1: 3, 2: EPOCHS}
        order = sorted(rows, key=lambda r: (r["rung"], r["index"]))
        curves = {"asha": [(cost[r["rung"]], accuracy_of(r)) for r in order]}
        trials = round(sum(c for c, _ in curves["asha"]) / EPOCHS)
        for search in ("random", "tpe"):
            rows, _ = sweep(bench, search, job, 2, search=search, trials=trials, **keys)
            curves[search] = [(EPOCHS, accuracy_of(r)) for r in sorted(rows, key=lambda r: r["index"])]
        found.append({name: summary(curve, max(a for _, a in curves["random"])) for name, curve in curves.items()})
    return found


def summary(curve, goal):
    spent, reached = 0, None
    for cost, accuracy in curve:
        spent += cost
        if reached is None and accuracy >= goal:
            reached = spent
    return {"best": max(a for _, a in curve), "epochs": spent, "reached": reached}


def measure_sweeps(bench, rounds, seeds, points, say):
    found = {"farm_use": use_of_farm(bench, rounds)}
    say(f"farm: {found['farm_use']}")
    found["cost_ms"] = cost_of_trial(bench, rounds)
    say(f"cost: {found['cost_ms']}")
    found["stopping"] = saved_by_stopping(bench)
    say(f"stopping: {found['stopping']}")
    found["searches"] = searches(bench, seeds, points)
    return found


def show(found):
    print(f"farm      64 uneven trials, 4 groups: {statistics.median(found['farm_use']):.1%} of rank-seconds in trials "
          "(wanted 95%)")
    print(f"trial     {statistics.median(found['cost_ms']):.0f} ms beyond its training (wanted at most 50)")
    warn, stop = found["stopping"]["warn"], found["stopping"]["stop"]
    print(f"stopping  {warn['collapsed']} of {warn['trials']} trials collapse: on_collapse stop takes "
          f"{stop['steps'] / warn['steps']:.0%} of the steps and {stop['seconds'] / warn['seconds']:.0%} of the "
          f"rank-seconds; healthy trials stopped: {stop['healthy_stopped']}")
    for name in ("random", "tpe", "asha") if found["searches"] else ():
        of = [f[name] for f in found["searches"]]
        reached = [f["reached"] for f in of if f["reached"] is not None]
        best = ", ".join(f"{f['best']:.3f}" for f in of)
        print(f"{name:9s} best accuracy {best}; epochs {of[0]['epochs']}; random's best reached in {len(reached)} of "
              f"{len(of)}" + (f", after {statistics.median(reached):.0f} epochs (median)" if reached else ""))
