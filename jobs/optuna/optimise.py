#!/usr/bin/env python3
"""Searches the keys of a job with Optuna: each trial is a run of `pitprop train`, told by --set what to try, watched
by its metrics.jsonl, stopped where Optuna prunes it, and continued by nobody.

    python3 -m venv venv && venv/bin/pip install optuna
    venv/bin/python jobs/optuna/optimise.py moons.json --trials 30
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import optuna


def suggest(trial):
    """The space: paths of the job, as in `pitprop train --set PATH=VALUE`. Edit this."""
    return {
        "optimizer.lr": trial.suggest_float("optimizer.lr", 1e-5, 10, log=True),
        "model.layers[0].units": trial.suggest_int("model.layers[0].units", 4, 64, log=True),
        "model.layers[0].activation": trial.suggest_categorical("activation", ["relu", "tanh", "sigmoid"]),
    }


def epochs(run, seen):
    """Rows of metrics.jsonl that are new and whole: evaluations on the way."""
    try:
        with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as file:
            *lines, _ = file.read().split("\n")  # what follows the last one may grow yet
    except FileNotFoundError:
        return []
    return [row for row in map(json.loads, lines) if row["type"] == "epoch"][seen:]


def value_of(summary, metric):
    """NaN of a run that blew up is null in JSON."""
    value = summary[metric]
    return float("-inf") if value is None else value


def stop(process):
    """As Slurm would: the run saves its checkpoint and ends with code 5."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait()


def objective(trial, options):
    run = os.path.join(options.output, f"trial-{trial.number:04d}")
    words = [options.pitprop, "train", options.job, "-o", run, "--overwrite", "--quiet", "--json"]
    if options.ranks > 1:
        words = ["mpirun", "-n", str(options.ranks), *words]
    for path, value in suggest(trial).items():
        words += ["--set", f"{path}={json.dumps(value)}"]
    # A model that has collapsed need not be trained to the end.
    words += ["--set", "monitor.on_collapse=stop"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    seen = 0
    try:
        while process.poll() is None:
            for row in epochs(run, seen):
                seen += 1
                part = row.get("validation") or row["evaluation"]
                trial.report(value_of(part, options.metric), row["step"])
                if trial.should_prune():
                    raise optuna.TrialPruned(f"at step {row['step']}")
            time.sleep(0.02)
        text = process.stdout.read()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit code {process.returncode}")
    finally:
        stop(process)
        process.stdout.close()
    result = json.loads(text)
    trial.set_user_attr("verdict", result["verdict"])
    return value_of(result.get("validation") or result["train"], options.metric)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job")
    parser.add_argument("-o", "--output", default="runs/optuna", help="where the runs go")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=1, help="of each trial")
    parser.add_argument("--metric", default="skill", help="of the held-out rows, to be maximised")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pitprop", default=os.environ.get("PITPROP", "pitprop"))
    options = parser.parse_args()
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=options.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    study.optimize(lambda trial: objective(trial, options), options.trials, catch=RuntimeError)
    states = [trial.state.name.lower() for trial in study.trials]
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if not done:
        sys.exit("no trial was completed")
    print(json.dumps({
        "complete": states.count("complete"), "pruned": states.count("pruned"), "failed": states.count("fail"),
        "collapsed": sum(t.user_attrs["verdict"] != "healthy" for t in done),
        "best": study.best_value, "run": f"{options.output}/trial-{study.best_trial.number:04d}",
        "point": study.best_params,
    }))


if __name__ == "__main__":
    main()
