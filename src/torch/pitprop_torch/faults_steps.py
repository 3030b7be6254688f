"""Faults of the loop: what the optimiser has, when gradients are zeroed, when it steps."""

from . import graph
from .fault import fault, line_of_module, line_of_optimizer, names_of, short


def has_one(layer, parameters):
    return layer.op is not None and any(leaf is p for leaf in layer.leaves for p in parameters)


def not_registered(recorder, training, known):
    """Layers that the graph has and module.parameters() has not: they stand in a list or a dict."""
    if training.module is None:
        return None
    named = set().union(*recorder.registered.values())
    missing = [p for p in training.parameters if id(p) not in known and id(p) not in named]
    if not missing or not any(id(p) in named for p in training.parameters):
        return None
    shapes = ", ".join(str(tuple(p.shape)) for p in missing[:4])
    return fault(
        "not-in-optimizer",
        next((layer.op.line for layer in graph.flat(training.layers) if has_one(layer, missing)), line_of_module(training)),
        f"{len(missing)} parameters ({shapes}) take part in the loss, and model.parameters() does not have them: "
        "their layers stand in a Python list or dict, so no step changes them",
        "nn.ModuleList or nn.ModuleDict in place of the list or dict",
        [{"do": "everything"}],
    )


def not_optimised(recorder, training):
    known = {id(p) for o in recorder.all_optimizers for g in o.param_groups for p in g["params"]}
    if not recorder.all_optimizers or not training.parameters:
        return []
    if nameless := not_registered(recorder, training, known):
        return [nameless]
    missing = names_of(training, lambda name, p: p.requires_grad and id(p) not in known)
    everything = names_of(training, lambda name, p: p.requires_grad)
    if not missing:
        return []
    whole = len(missing) == len(everything)
    return [
        fault(
            "not-in-optimizer",
            line_of_optimizer(recorder),
            ("no parameter" if whole else f"{short(missing)}: these parameters")
            + (" of the model that is trained is" if whole else " of the model are not")
            + (" in any optimiser: no step changes it" if whole else " in any optimiser: no step changes them"),
            "build the optimiser over the parameters of this model",
            [{"do": "everything"}],
        )
    ]


def no_steps(recorder, training):
    if training.steps or not recorder.all_optimizers or len(training.losses) < 2:
        return []
    if not_optimised(recorder, training):
        return []
    return [
        fault(
            "no-steps",
            line_of_optimizer(recorder),
            f"the optimiser never steps, although there were {len(training.losses)} backward passes: "
            "optimizer.step() is not called",
            "call optimizer.step() after every loss.backward()",
            [{"do": "steps"}],
        )
    ]


def zeroed_too_early(recorder, training):
    if recorder.early_steps >= max(1, training.steps - 1):
        return []
    if not training.alive or training.empty < min(training.steps, 50) or not training.steps:
        return []
    if not_optimised(recorder, training):
        return []
    return [
        fault(
            "zeroed-before-step",
            line_of_optimizer(recorder),
            "gradients are zero at every step: zero_grad() stands between backward() and step()",
            "call zero_grad() before backward()",
            [{"do": "unzeroed"}],
        )
    ]


def never_zeroed(recorder, training):
    if training.checked < 3 or training.rescued < training.checked - 1 or not training.steps:
        return []
    if not_optimised(recorder, training):
        return []
    return [
        fault(
            "gradients-never-zeroed",
            line_of_optimizer(recorder),
            "gradients are never zeroed: every step follows the sum of all gradients since the "
            "beginning",
            "call optimizer.zero_grad() in every step",
            [{"do": "zeroed"}],
        )
    ]


def early_steps(recorder, training):
    if recorder.early_steps < 2 or recorder.early_steps < training.steps - 1:
        return []
    return [
        fault(
            "step-before-backward",
            line_of_optimizer(recorder),
            "the optimiser steps after the forward pass and before backward(): each step has the gradients of the "
            "batch before, or none",
            "loss.backward() before optimizer.step()",
            [{"do": "steps_after"}],
        )
    ]


STATEFUL = ("Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "Adadelta")


def optimizer_made_anew(recorder, training):
    """An optimiser for every step or two has forgotten its moments each time."""
    built = max((recorder.optimizers_over[id(p)] for p in training.parameters), default=0)
    if built < 5 or 2 * built < training.steps:
        return []
    used = next(iter(training.optimizers.values()), None) or recorder.all_optimizers[-1]
    if type(used).__name__ not in STATEFUL and not used.param_groups[0].get("momentum"):
        return []
    return [
        fault(
            "optimizer-made-anew",
            line_of_optimizer(recorder),
            f"{built} optimisers were built over the same parameters for {training.steps} steps: each begins without "
            "the momentum and the scales of the one before",
            "build the optimiser once, before the loops",
            [{"do": "one_optimizer"}],
        )
    ]


def model_made_anew(recorder, training):
    """Several equal models one after the other, none of which saw its rows more than once."""
    shapes = [tuple(p.shape) for p in training.parameters]
    equal = [t for t in recorder.trainings.values() if [tuple(p.shape) for p in t.parameters] == shapes]
    short_lived = all(sum(size * n for size, n in t.batch_sizes.items()) <= 1.01 * t.rows.count for t in equal)
    if len(equal) < 3 or not short_lived:
        return []
    return [
        fault(
            "model-made-anew",
            line_of_module(training),
            f"{len(equal)} models of the same shape are trained one after the other, each for one pass over the rows "
            "at most: every one begins anew, and the last is used",
            "build the model and its optimiser once, before the loop over epochs",
            [{"do": "kept"}],
        )
    ]


def no_backward(recorder, training):
    """Losses are computed with a graph, and backward() is never called."""
    if training is not None or recorder.losses_seen < 2 or recorder.cut_losses:
        return []
    return [
        fault(
            "no-backward",
            recorder.loss_line,
            f"{recorder.losses_seen} losses were computed and backward() was never called: there are no gradients",
            "loss.backward() before optimizer.step()",
            [{"do": "backward"}],
        )
    ]
