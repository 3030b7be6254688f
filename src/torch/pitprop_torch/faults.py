"""Faults of a training that its capture shows by itself, without an experiment."""

import numpy as np

from . import graph


def fault(name, line, says, remedy, changes, certain=True):
    """certain: it spoils training whatever else is true, so no experiment is needed to name it."""
    return {
        "id": name,
        "line": line,
        "says": says,
        "remedy": remedy,
        "changes": changes,
        "certain": certain,
    }


def names_of(training, wanted):
    if training.module is None:
        return []
    return [name for name, p in training.module.named_parameters() if wanted(name, p)]


def short(names):
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def broadcast(recorder, training):
    loss = training.loss
    if not loss.is_broadcast:
        return []
    p, t = tuple(loss.pred.shape), tuple(loss.target.shape)
    return [
        fault(
            "target-broadcast",
            loss.line,
            f"the outputs are {p} and the targets {t}: the loss compares {p[0]} x {t[0]} pairs, "
            "every output with every target, and its best answer is the mean of the batch",
            "give both the same shape",
            [{"do": "shapes"}],
        )
    ]


def line_of_optimizer(recorder):
    lines = [getattr(o, "pitprop_line", None) for o in recorder.all_optimizers]
    return lines[-1] if lines else None


def not_optimised(recorder, training):
    known = {id(p) for o in recorder.all_optimizers for g in o.param_groups for p in g["params"]}
    if not recorder.all_optimizers or not training.parameters:
        return []
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


def cut_graph(recorder, training):
    """Parameters that want a gradient and get none, although the model was called."""
    missing = sorted(training.without_gradient)
    lines = [line for line, _ in recorder.detached]
    parameters = dict(training.module.named_parameters()) if training.module else {}
    used = [n for n in missing if id(parameters[n]) in recorder.used]
    if not used:
        return []
    return [
        fault(
            "graph-cut",
            lines[0] if lines else training.loss.line,
            f"{short(used)}: no gradient reaches them; the graph is cut "
            + ("by detach() or .data here" if lines else "between them and the loss"),
            "take the detach(), .data, .item() or no_grad() out of the forward pass",
            [{"do": "undetached", "lines": sorted({line[1] for line in lines})}] if lines else [],
        )
    ]


def frozen(recorder, training):
    off = names_of(training, lambda name, p: not p.requires_grad)
    if not off:
        return []
    return [
        fault(
            "requires-grad-off",
            None,
            f"{short(off)}: requires_grad is off, they stay at their initial values",
            "leave requires_grad on, or load trained weights for them",
            [{"do": "everything"}],
            certain=False,
        )
    ]


def wrong_mode(recorder, training):
    """eval() while training, where something would behave otherwise."""
    modes = training.training_mode
    if training.module is None or not modes or modes[True] > 0:
        return []
    kinds = {type(m).__name__ for m in training.module.modules()}
    odd = sorted(k for k in kinds if "BatchNorm" in k or "Dropout" in k)
    if not odd:
        return []
    return [
        fault(
            "eval-while-training",
            None,
            f"the model is in eval mode in every training step: {', '.join(odd)} do not train",
            "call model.train() before the loop over the batches",
            [{"do": "training_mode"}],
            certain=False,
        )
    ]


def over_the_batch(recorder, training):
    found = []
    for layer in graph.flat(training.layers or []):
        op = layer.op
        if op is None or op.name not in ("softmax", "log_softmax") or op.input.dim() != 2:
            continue
        dim = op.known.get("dim")
        if dim is None:
            continue
        if dim % 2 == 0 and op.input.shape[0] > 1:
            found.append(
                fault(
                    "softmax-over-batch",
                    op.line,
                    f"{op.name} over dim 0, the rows of the batch, and not over the "
                    f"{op.input.shape[1]} classes: what a row gets depends on the rows beside it",
                    "dim=1",
                    [{"do": "columns", "name": op.name}],
                )
            )
        elif op.input.shape[1] == 1:
            found.append(
                fault(
                    "softmax-of-one-column",
                    op.line,
                    f"{op.name} over a single column answers 1 (log: 0) to everything",
                    "a sigmoid for one output, or one output a class",
                    [{"do": "activation", "name": op.name, "index": op.index, "to": "sigmoid"}],
                )
            )
    return found


def largest_of_one(recorder, training):
    if recorder.largest_of_one is None:
        return []
    return [
        fault(
            "argmax-of-one-column",
            recorder.largest_of_one,
            "the largest of a single column is always column 0: this is the accuracy of one "
            "class, whatever the model answers",
            "compare the output with a threshold (logits: > 0)",
            [{"do": "compared"}],
        )
    ]


def squashed_twice(recorder, training):
    """A softmax or sigmoid in front of a loss that applies its own."""
    loss, end = training.loss, training.loss.end
    if end is None or (loss.name, end.name) not in (
        ("cross_entropy", "softmax"),
        ("cross_entropy", "sigmoid"),
        ("binary_cross_entropy_with_logits", "sigmoid"),
    ):
        return []
    return [
        fault(
            "activation-twice",
            end.line,
            f"{end.name} stands before {loss.name}, which applies its own: gradients are many times smaller, "
            "and the loss cannot reach 0",
            f"give the loss what goes into the {end.name}",
            [{"do": "skip", "name": end.name, "index": end.index}],
            certain=False,
        )
    ]


def rectified_output(recorder, training):
    """A ReLU as the last function of a classifier."""
    loss, end = training.loss, training.loss.end
    logits = loss.name in ("binary_cross_entropy_with_logits", "cross_entropy")
    op = end if logits else training.loss.before_end
    squashed = end is not None and end.name in ("sigmoid", "softmax", "log_softmax")
    if op is None or op.name != "relu" or not (logits or squashed):
        return []
    return [
        fault(
            "output-range",
            op.line,
            "relu on the output: no logit can be negative, and where it is 0 there is no gradient",
            "no activation on the output of the last layer",
            [{"do": "skip", "name": "relu", "index": op.index}],
            certain=False,
        )
    ]


def linear_after_linear(recorder, training):
    kinds = list(graph.flat(training.layers or []))
    for one, two in zip(kinds, kinds[1:]):
        if one["type"] == two["type"] == "dense":
            return [
                fault(
                    "no-activation",
                    two.op.line,
                    f"a layer of {one['units']} goes straight into one of {two['units']}: together they are "
                    "one linear layer",
                    "an activation between them, such as nn.ReLU()",
                    [{"do": "after", "name": one.op.name, "index": one.op.index, "to": "relu"}],
                    certain=False,
                )
            ]
    return []


def labels_of(training):
    _, y = training.rows.arrays()
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    labels, counts = np.unique(y[:100000], return_counts=True)
    return (labels.tolist(), counts.tolist()) if y.ndim == 1 and len(labels) <= 50 else ([], [])


def only_at_prediction(recorder, training):
    labels, _ = labels_of(training) if training.rows.count else ([], [])
    place = recorder.only_at_prediction(training).get("sigmoid")
    if place is None or labels != [0, 1] or training.loss.name not in ("mse_loss", "l1_loss"):
        return []
    return [
        fault(
            "activation-only-at-prediction",
            place[0],
            "the sigmoid is applied to predictions and not in training: outputs are trained to be 0 and 1, "
            "of which the sigmoid makes 0.5 and 0.73",
            "nn.BCEWithLogitsLoss() on the outputs",
            [{"do": "loss", "kind": "bce_logits"}],
            certain=False,
        )
    ]


def inverted_weights(recorder, training):
    labels, counts = labels_of(training) if training.rows.count else ([], [])
    weights = dict(training.weights_by_label)
    known = training.loss.known.get("weight")
    if training.loss.name in ("cross_entropy", "nll_loss") and hasattr(known, "tolist"):
        weights = dict(enumerate(known.tolist()))
    if len(labels) < 2 or any(label not in weights for label in labels):
        return []
    most, least = labels[int(np.argmax(counts))], labels[int(np.argmin(counts))]
    if max(counts) < 1.5 * min(counts) or weights[most] < 1.2 * weights[least]:
        return []
    turned = [(label, sum(counts) / (len(labels) * n)) for label, n in zip(labels, counts)]
    return [
        fault(
            "class-weights-inverted",
            training.loss.line,
            f"class {most:g}, the most frequent, has weight {weights[most]:.3g}, and class {least:g}, the rarest, "
            f"{weights[least]:.3g}",
            "weights by 1 / frequency: the rare class gets the larger one",
            [{"do": "class_weights", "pairs": turned, "given": sorted(weights.items())}],
            certain=False,
        )
    ]


CHECKS = (
    not_optimised,
    no_steps,
    zeroed_too_early,
    never_zeroed,
    broadcast,
    over_the_batch,
    cut_graph,
    largest_of_one,
    frozen,
    wrong_mode,
    squashed_twice,
    rectified_output,
    linear_after_linear,
    only_at_prediction,
    inverted_weights,
)


def find(recorder, training):
    return [f for check in CHECKS for f in check(recorder, training)]


# What PyTorch says when a script ends with an error, and what it means.
MESSAGES = (
    ("expected scalar type Long but found", "label-type", "cross-entropy takes class numbers as int64: y.long()"),
    ("expected target dtype to be Long", "label-type", "cross-entropy takes class numbers as int64: y.long()"),
    ("multi-target not supported", "label-shape", "cross-entropy takes labels of shape (N): y.squeeze(1)"),
    ("found dtype Long but expected Float", "label-type", "this loss takes targets as floats: y.float()"),
    ("result type Float can't be cast", "label-type", "this loss takes targets as floats: y.float()"),
    ("Found dtype Double but expected Float", "label-type", "targets are float64: y.float()"),
    ("must have the same dtype", "input-type", "inputs are not float32: x.float()"),
    ("expected m1 and m2 to have the same dtype", "input-type", "inputs are not float32: x.float()"),
    ("all elements of input should be between 0 and 1", "missing-output-activation",
     "BCELoss takes probabilities: nn.BCEWithLogitsLoss, or a sigmoid at the output"),
    ("all elements of target should be between 0 and 1", "label-code", "BCELoss takes targets within [0, 1]"),
    ("out of bounds", "label-code", "labels must be 0 to classes - 1"),
    ("must be the same as input size", "target-shape", "give outputs and targets the same shape"),
    ("does not require grad", "graph-cut",
     "no parameter leads to the loss: something detaches it, or requires_grad is off everywhere"),
    ("CUDA", "cuda", "there is no GPU here: choose the device by torch.cuda.is_available()"),
    ("NVIDIA driver", "cuda", "there is no GPU here: choose the device by torch.cuda.is_available()"),
)


def explain(message):
    for part, name, remedy in MESSAGES:
        if part.lower() in message.lower():
            return {"id": name, "remedy": remedy}
    return None
