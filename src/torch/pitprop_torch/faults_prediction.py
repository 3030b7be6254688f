"""Faults of prediction: a model that is trained well and asked in another way."""

from .fault import fault, labels_of


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
