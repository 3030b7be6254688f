"""Faults of the graph: where gradients do not get, what stands before the loss, and what it compares."""

import numpy as np

from . import graph
from .fault import fault, labels_of, line_of_module, names_of, short


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


def cut_graph(recorder, training):
    """Parameters that want a gradient and get none, although the model was called."""
    missing = sorted(training.without_gradient)
    lines = [line for line, _ in recorder.detached]
    parameters = dict(training.module.named_parameters()) if training.module else {}
    used = [n for n in missing if n in parameters and id(parameters[n]) in recorder.used]
    if not used:
        return []
    undone = {"do": "undetached", "at_lines": sorted({line[1] for line in lines})}
    unseen = training.hidden_line
    says, remedy, changes = "what they compute does not take part in the loss", "use their outputs, or leave them out", []
    if lines:
        says, remedy, changes = "the graph is cut by detach() or .data here", "take the detach() out", [undone]
    elif unseen:
        says = "they compute under no_grad() although the model is being trained"
        remedy, changes = "take the no_grad() out of the forward pass", [{"do": "with_grad"}]
    return [
        fault(
            "graph-cut",
            lines[0] if lines else unseen or training.loss.line,
            f"{short(used)}: no gradient reaches them; {says}",
            remedy,
            changes,
        )
    ]


def cut_loss(recorder, training):
    """Backward passes of something that no parameter leads to."""
    if not recorder.cut_losses or (training is not None and training.alive):
        return []
    line, _ = recorder.cut_losses[0]
    return [
        fault(
            "graph-cut",
            line,
            f"{len(recorder.cut_losses)} backward passes of a tensor without a history: it was made by .item(), "
            "torch.tensor(), .data, a comparison or requires_grad = True, so no parameter gets a gradient",
            "call backward() on what the loss function gives, of outputs that are neither compared nor rounded nor rebuilt",
            [],
        )
    ]


def rounded(recorder, training):
    found = [op for op in training.loss.chain if op.name == "round"]
    if not found:
        return []
    return [
        fault(
            "graph-cut",
            found[0].line,
            "the outputs are rounded before the loss: a step function has gradient 0 everywhere, so nothing is learned",
            "give the loss the outputs as they are, and round only to count what is right",
            [{"do": "skip", "name": "round", "index": found[0].index}],
        )
    ]


def masked_in_place(recorder, training):
    """Values written into what the model has computed: no gradient where they stand."""
    if not recorder.assigned or training.why_not is None or not any(w in training.why_not for w in MASKS):
        return []
    return [
        fault(
            "in-place-mask",
            recorder.assigned[0],
            "values are written into a tensor that the model has computed: no gradient passes where they stand",
            "leave the values as they are, or torch.where() with what is meant for both sides",
            [{"do": "unmasked"}],
            certain=False,
        )
    ]


MASKS = ("IndexPut", "CopySlices", "MaskedFill")


def one_output_as_classes(recorder, training):
    """Cross-entropy over a single output: its softmax is 1 whatever the model answers."""
    loss = training.loss
    if loss.name != "cross_entropy" or loss.pred is None:
        return []
    shape = tuple(loss.pred.shape)
    if len(shape) == 2 and shape[1] == 1:
        name, says = "softmax-of-one-column", "cross_entropy takes the softmax of one column, which is 1: the loss is always 0"
    elif len(shape) == 1 and shape == tuple(loss.target.shape):
        name = "softmax-over-batch"
        says = f"cross_entropy takes outputs of shape {shape} as one row of {shape[0]} classes: it compares rows of the batch"
    else:
        return []
    remedy = "nn.BCEWithLogitsLoss() for one output, or one output a class with labels of int64"
    return [fault(name, loss.line, says, remedy, [{"do": "loss", "kind": "bce_logits"}])]


def frozen(recorder, training):
    off = names_of(training, lambda name, p: not p.requires_grad)
    if not off:
        return []
    return [
        fault(
            "requires-grad-off",
            recorder.frozen[0] if recorder.frozen else line_of_module(training),
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
            training.eval_line or line_of_module(training),
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
