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


def largest_of_batch(recorder, training):
    if recorder.largest_of_batch is None:
        return []
    return [
        fault(
            "argmax-over-batch",
            recorder.largest_of_batch,
            "the largest is taken over dim 0, the rows of the batch: this finds a row for each class, and not a class "
            "for each row",
            "dim=1",
            [{"do": "compared"}],
        )
    ]


ASKED = {
    "training": (
        "training-mode-at-prediction",
        "the model is in training mode when it is asked for predictions: dropout drops, batch norm takes the batch",
        "model.eval() before predictions, model.train() before the next epoch",
        [{"do": "eval_mode"}],
    ),
    "eval": (
        "dropout-at-prediction",
        "dropout is active when the model is asked for predictions, although it is in eval mode: F.dropout drops "
        "unless it is told not to",
        "F.dropout(x, p, training=self.training), or nn.Dropout",
        [{"do": "undropped"}],
    ),
    "another": (
        "predicts-with-another-model",
        "predictions are asked of a model that was not trained: it has the shape of the trained one and other weights",
        "ask the model that was trained, or load its state_dict()",
        [{"do": "trained_model"}],
    ),
}


def asked_otherwise(recorder, training):
    if training.asked is None:
        return []
    name, says, remedy, changes = ASKED[training.asked["kind"]]
    value, usual = training.asked["value"], training.asked["usual"]
    return [fault(name, training.asked["line"], f"{says} ({value:.3f} so, {usual:.3f} as trained in eval mode)", remedy, changes)]


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
