"""What PyTorch says when a script ends with an error, and what it means."""

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
