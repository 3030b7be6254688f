"""What PyTorch says when a script ends with an error, what it means, and the change that takes it away."""

TYPED = [{"do": "typed"}]
FLOATS = [{"do": "floats"}]
LOGITS = [{"do": "loss", "kind": "bce_logits"}]

# part of the message, name, remedy, changes for the hooks
MESSAGES = (
    ("expected scalar type Long but found", "label-type", "cross-entropy takes class numbers as int64: y.long()", TYPED),
    ("expected target dtype to be Long", "label-type", "cross-entropy takes class numbers as int64: y.long()", TYPED),
    ('not implemented for \'Int\'', "label-type", "cross-entropy takes class numbers as int64: y.long()", TYPED),
    ("multi-target not supported", "label-shape", "cross-entropy takes labels of shape (N): y.squeeze(1)", TYPED),
    ("found dtype Long but expected Float", "label-type", "this loss takes targets as floats: y.float()", TYPED),
    ("result type Float can't be cast", "label-type", "this loss takes targets as floats: y.float()", TYPED),
    ("Found dtype Double but expected Float", "label-type", "targets are float64: y.float()", TYPED),
    ("must have the same dtype", "input-type", "inputs are not float32: x.float()", FLOATS),
    ("to have the same dtype", "input-type", "inputs are not float32: x.float()", FLOATS),
    ("expected scalar type Float but found Double", "input-type", "inputs are not float32: x.float()", FLOATS),
    ("expected scalar type Double but found Float", "input-type", "inputs are not float32: x.float()", FLOATS),
    ("all elements of input should be between 0 and 1", "missing-output-activation",
     "BCELoss takes probabilities: nn.BCEWithLogitsLoss, or a sigmoid at the output", LOGITS),
    ("all elements of target should be between 0 and 1", "label-code", "BCELoss takes targets within [0, 1]", [{"do": "from_zero"}]),
    ("out of bounds", "label-code", "labels must be 0 to classes - 1", [{"do": "from_zero"}]),
    ("must be the same as input size", "target-shape", "give outputs and targets the same shape", [{"do": "shapes"}]),
    ("that is different to the input size", "target-shape", "give outputs and targets the same shape", [{"do": "shapes"}]),
    ("does not require grad", "graph-cut",
     "no parameter leads to the loss: something detaches, compares or rebuilds it, or requires_grad is off everywhere",
     [{"do": "everything"}]),
    ("more than 1 value per channel", "batch-norm-of-one-row",
     "batch norm cannot train on one row: a larger batch, drop_last=True, or model.eval() before predictions",
     [{"do": "no_single_rows"}]),
    ("modified by an inplace operation", "in-place-change",
     "a value that backward() needs was written over: an assignment into a tensor of the forward pass, or a step "
     "between forward and backward", [{"do": "unmasked"}, {"do": "steps_after"}]),
    ("a second time", "graph-kept",
     "the loss reaches into the pass before: detach() what is carried from step to step", []),
    ("CUDA", "cuda", "there is no GPU here: choose the device by torch.cuda.is_available()", []),
    ("NVIDIA driver", "cuda", "there is no GPU here: choose the device by torch.cuda.is_available()", []),
    ("has no attribute", "other-version", "this PyTorch does not have it: run the script with the version that it was written for", []),
)


def explain(message):
    """{id, remedy, changes} of an error's text, or None."""
    for part, name, remedy, changes in MESSAGES:
        if part.lower() in message.lower() and (name != "other-version" or "'torch" in message):
            return {"id": name, "remedy": remedy, "changes": changes}
    return None
