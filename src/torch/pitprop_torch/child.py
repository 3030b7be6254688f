"""Runs a script under the hooks, once or many times, and leaves what was seen in files.

    python3 -m pitprop_torch.child RUNS [ARG]...

RUNS is a JSON file that rerun.py writes. The order of a run: rows, steps, store (a directory for rows, or null),
seed (null: the script's own), changes. A result is a pickle of plain Python and NumPy values, for a parent that has
no need of PyTorch."""

import json
import os
import pickle
import random
import runpy
import shutil
import sys
import time
import traceback

import numpy as np
import torch

from . import answers, errors, faults, graph, rerun
from .changes import Changes
from .recorder import Recorder, Training
from .rows import keys_of
from .tracer import Tracer


def shift_seeds(seed):
    """Another initialisation, order and, where PyTorch draws them, other data."""
    old = torch.manual_seed

    def shifted(value):
        return old(int(value) + seed)

    torch.manual_seed = shifted
    old(1000 + seed)
    random.seed(seed)
    np.random.seed(seed)


def end_of(error):
    """Why the script ended, and where in its own code."""
    from . import lines

    at = None
    for frame in traceback.extract_tb(error.__traceback__):
        if not lines.is_library(frame.filename):
            at = (frame.filename, frame.lineno)
    text = f"{type(error).__name__}: {error}"
    return {"text": text, "line": at, "known": errors.explain(text)}


def run(script, arguments, changes):
    """The script's error, or None."""
    sys.argv = [script] + arguments
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    names = {}
    changes.prepare(names)
    try:
        runpy.run_path(script, init_globals=names, run_name="__main__")
    except SystemExit as leave:
        return None if not leave.code else {"text": f"exit {leave.code}", "line": None, "known": None}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a script may do
        traceback.print_exc()
        return end_of(error)
    return None


def pick(recorder):
    """The training that the script is about: the last of those that are not much shorter than others."""
    mine = {id(p) for p in recorder.model.parameters()} if recorder.model is not None else set()
    trainings = [t for t in recorder.trainings.values() if not mine or mine & {id(p) for p in t.parameters}]
    if not trainings:
        return None
    longest = max(len(t.losses) for t in trainings)
    return [t for t in trainings if 5 * len(t.losses) >= longest][-1]


def plain(layers, optimised):
    """Layers as data: words of a job, initial values, the call and its line; optimised: ids of parameters."""
    found = []
    for layer in layers:
        item = {"words": {k: v for k, v in layer.items() if k != "layers"}}
        item["initial"] = {k: v.numpy() for k, v in getattr(layer, "initial", {}).items()}
        item["final"] = {k: v.detach().numpy() for k, v in layer.tensors.items() if v is not None}
        item["dim"] = layer.dim
        item["in_optimizer"] = all(id(t) in optimised for t in layer.leaves)
        if layer.op is not None:
            item["call"], item["line"] = (layer.op.name, layer.op.index), layer.op.line
        if layer["type"] == "residual":
            item["layers"] = plain(layer["layers"], optimised)
        found.append(item)
    return found


def loss_facts(loss):
    known = {
        k: v if not torch.is_tensor(v) else v.detach().tolist()
        for k, v in loss.known.items()
        if k not in ("input", "target") and isinstance(v, (int, float, str, bool, torch.Tensor))
    }
    return {
        "name": loss.name,
        "line": loss.line,
        "known": known,
        "by_hand": loss.by_hand,
        "others": loss.others,
        "scale": loss.scale,
        "broadcast": loss.is_broadcast,
        "pred_shape": tuple(loss.pred.shape) if loss.pred is not None else None,
        "target_shape": tuple(loss.target.shape) if loss.target is not None else None,
    }


def optimizer_facts(optimizer):
    group = optimizer.param_groups[0]
    return {
        "name": type(optimizer).__name__,
        "line": getattr(optimizer, "pitprop_line", None),
        "groups": len(optimizer.param_groups),
        "settings": {
            k: v for k, v in group.items() if isinstance(v, (int, float, bool, tuple)) and k != "params"
        },
    }


def deepest_recurrent(module):
    """Layers of the deepest recurrent net in a module."""
    nets = (torch.nn.RNNBase,)
    return max((m.num_layers for m in module.modules() if isinstance(m, nets)), default=0) if module else 0


def summarise(recorder, training, brief):
    x, y = training.rows.arrays()
    held_out = answers.held_out_rows(training)
    last = list(training.last)
    optimised = {id(p) for o in recorder.all_optimizers for g in o.param_groups for p in g["params"]}
    result = {
        "readable": training.why_not is None,
        "why_not": training.why_not,
        "layers": plain(training.layers or [], optimised),
        "loss": loss_facts(training.loss),
        "optimizers": [optimizer_facts(o) for o in training.optimizers.values()],
        "built": [optimizer_facts(o) for o in recorder.all_optimizers],
        "x": x,
        "y": y,
        "held_out": held_out,
        "count": training.rows.count,
        "full": training.rows.full,
        "first": training.first,
        "first_plain": training.first_plain,
        "losses": np.array(training.losses),
        "rates": np.array(training.rates),
        "steps": training.steps,
        "batch": training.batch_sizes.most_common(1)[0][0],
        "accumulated": recorder.accumulated.most_common(1)[0][0] if recorder.accumulated else 1,
        "passes": training.rows.passes,
        "epochs": round(training.steps / max(1, -(-training.rows.count // training.batch_sizes.most_common(1)[0][0]))),
        "loaders": list(recorder.loaders.values()),
        "clip": training.clip,
        "weights_by_label": training.weights_by_label,
        "at_prediction": recorder.only_at_prediction(training),
        "model": type(training.module).__name__ if training.module is not None else None,
        "input_shape": training.module_input,
        "whole": training.module_input is None or int(np.prod(training.module_input)) == x.shape[1],
        "pooled": recorder.pooled,
        "recurrent": deepest_recurrent(training.module),
        "others": len(recorder.trainings) - 1,
        "notes": recorder.notes,
        "last": tuple(np.concatenate([b[i] for b in last]) for i in (0, 1)),
        "backwards": recorder.backwards,
        "training_mode_at_end": training.module.training if training.module is not None else None,
    }
    final_x, final_y = held_out if held_out is not None else (x, y)
    readable = training.why_not is None
    p = answers.of_graph(training, final_x, False) if readable else answers.of_module(training, final_x)
    if p is None:  # what the last batches got
        final_y, p = result["last"]
        p = p.reshape(len(final_y), -1)
    result["final"] = (final_y, p)
    result["measure"] = answers.judge(training, recorder, final_y, p)
    usual = result["measure"]["value"]
    training.asked = answers.as_asked(recorder, training, final_x, final_y, usual) if len(final_x) == len(final_y) else None
    if training.asked is not None:
        result["measure"]["value"] = training.asked["value"]
    result["measure"]["held_out"] = held_out is not None and len(final_y) == len(final_x)
    if brief:
        for name in ("layers", "first", "losses", "rates", "last", "final", "x", "y", "held_out"):
            result.pop(name)
    return result


def revive(items):
    """Layers of a capture, as they were at the end of the script."""
    layers = []
    for item in items:
        layer = graph.Layer(None, {k: torch.from_numpy(v) for k, v in item["final"].items()}, **item["words"])
        for name in ("weight", "bias", "mean", "var"):
            layer.tensors.setdefault(name, None)
        layer.dim = item["dim"]
        if "layers" in item:
            layer["layers"] = revive(item["layers"])
        layers.append(layer)
    return layers


def draw(order, script, arguments):
    """Rows of other runs of the script with other seeds, until there are enough, and what the captured
    model answers to them; None: they are the same rows."""
    with open(order["capture"], "rb") as file:
        capture = pickle.load(file)
    rows, known = order["draws"], set(keys_of(capture["x"], capture["y"]))
    found, seed, begun = [], 1, time.time()
    old = torch.manual_seed
    while sum(len(y) for _, y in found) < rows and time.time() - begun < 30:
        torch.manual_seed = old
        shift_seeds(seed)
        recorder = Recorder(rows)
        tracer = Tracer(recorder)
        tracer.start()
        error = run(script, arguments, Changes([]))
        tracer.stop()
        training = pick(recorder)
        if error is not None or training is None or not training.rows.count:
            return None
        x, y = training.rows.arrays()
        keys = set(keys_of(x, y))
        if keys & known:
            return None
        known |= keys
        found.append((x, y))
        seed += 1
    x, y = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    training = Training(0)
    training.layers = revive(capture["layers"])
    return x, y, answers.of_graph(training, x, False)


def observe(order, script, arguments):
    """One run of the script: what was seen."""
    recorder = Recorder(order["rows"], order["steps"], order["store"])
    tracer = Tracer(recorder, changes := Changes(order["changes"]))
    if order["seed"] is not None:
        shift_seeds(order["seed"])
    begun = time.process_time()  # the budget of reruns must not depend on what else the machine does
    tracer.start()
    error = run(script, arguments, changes)
    tracer.stop()
    sys.stdout.flush()
    if changes.at:  # which act on calls of the script alone
        recorder.asked.clear()
    result = collect(recorder, error, time.process_time() - begun, order["brief"])
    result["watching"] = tracer.seconds
    result["permuted"] = changes.lottery is not None and changes.lottery.is_held
    return result


def collect(recorder, error, seconds, brief):
    """All that was seen, as plain Python and NumPy values."""
    result = {"error": error, "seconds": seconds, "torch": torch.__version__}
    training = pick(recorder)
    result["trained"] = training is not None and training.rows.count > 0
    if result["trained"]:
        result.update(summarise(recorder, training, brief))
    result["faults"] = faults.find(recorder, training)
    if result["trained"]:
        result["stored"] = training.rows.close()
    for other in recorder.trainings.values():
        other.held_out.drop()
        if other is not training:
            other.rows.drop()
    return result


def make(run, arguments):
    """One run, and its result in a file."""
    order, script = run["order"], run["script"]
    if order.get("draws"):
        result = {"drawn": draw(order, script, arguments)}
    else:
        result = observe(order, script, arguments)
    with open(run["result"], "wb") as file:
        pickle.dump(result, file)


def fork(run, arguments, home):
    """(process, copy) of a run in a copy of its directory; in that process itself: None, when the run is over."""
    copy = rerun.copy_of(run["directory"], home)
    process = os.fork()
    if process:
        return process, copy
    log = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(copy)
    make(dict(run, script=rerun.place(run["script"], run["directory"], copy)), arguments)
    return None


def make_all(runs, arguments, at_once, home):
    """So many at once: PyTorch is imported once for all of them."""
    copies = {}
    for run in runs + [None] * at_once:
        if len(copies) == at_once or (run is None and copies):
            process, _ = os.wait()
            shutil.rmtree(copies.pop(process), ignore_errors=True)
        if run is not None:
            started = fork(run, arguments, home)
            if started is None:
                return
            copies.update([started])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    torch.set_num_threads(1)
    sys.stdout.flush()
    if "directory" in wanted["runs"][0]:
        make_all(wanted["runs"], sys.argv[2:], wanted["at_once"], wanted["home"])
    else:
        make(wanted["runs"][0], sys.argv[2:])


if __name__ == "__main__":
    main()
