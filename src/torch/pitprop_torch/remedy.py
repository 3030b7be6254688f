"""The remedy of `pitprop why` in PyTorch's terms: changes for the hooks, and lines of Python.

Each key of a patch has one translator. It returns (changes, advice); None for changes: the hooks
cannot do it. Advice is a list of (line in the user's code or None, text of the change)."""

import linecache
import re

import numpy as np

LOSS_CALLS = {
    "mse": "nn.MSELoss()",
    "mae": "nn.L1Loss()",
    "huber": "nn.SmoothL1Loss()",
    "bce": "nn.BCELoss()",
    "bce_logits": "nn.BCEWithLogitsLoss()",
    "cross_entropy": "nn.CrossEntropyLoss()",
    "cross_entropy_logits": "nn.CrossEntropyLoss()",
}
MODULES = {
    "relu": "nn.ReLU()",
    "leaky_relu": "nn.LeakyReLU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "tanh": "nn.Tanh()",
    "sigmoid": "nn.Sigmoid()",
    "softplus": "nn.Softplus()",
    "softmax": "nn.Softmax(dim=1)",
}
CLASSES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad"}


def number(value):
    return f"{value:.6g}"


class Translator:
    def __init__(self, capture, job, layers):
        self.capture, self.job, self.layers = capture, job, layers
        used = capture["optimizers"] or capture["built"]
        self.optimizer = used[0] if used else None

    def of(self, patch):
        """(changes or None, advice) of a whole patch."""
        changes, advice = [], []
        for path, value in patch.items():
            some, words = self.one(path, value)
            advice += words
            if changes is not None:
                changes = None if some is None else changes + some
        return changes, advice

    def one(self, path, value):
        if path == "model.layers" and isinstance(value, list):
            return self.all_layers(value)
        found = re.fullmatch(r"model\.layers\.(\d+)\.(\w+)", path) or re.fullmatch(
            r"model\.layers\[(\d+)\]\.(\w+)", path
        )
        if found:
            return self.layer(int(found[1]), found[2], value)
        whole = {"optimizer": self.whole_optimizer, "loss": self.whole_loss}
        handler = whole.get(path) or getattr(self, path.replace(".", "_"), None)
        if handler is None:
            return (None, [(None, f"{path} = {value}, which the hooks cannot do")])
        return handler(value)

    # ---- optimiser ----

    def line(self):
        return self.optimizer["line"] if self.optimizer else None

    def optimizer_lr(self, value):
        old = self.job["optimizer"]["lr"]
        return [{"do": "rate", "times": value / old}], [(self.line(), f"lr={number(value)}")]

    def optimizer_setting(self, key, value):
        return [{"do": "group", "key": key, "value": value}], [(self.line(), f"{key}={value}")]

    def optimizer_momentum(self, value):
        return self.optimizer_setting("momentum", value)

    def optimizer_nesterov(self, value):
        return self.optimizer_setting("nesterov", bool(value))

    def optimizer_weight_decay(self, value):
        return self.optimizer_setting("weight_decay", value)

    def optimizer_beta1(self, value):
        beta2 = self.job["optimizer"].get("beta2", 0.999)
        return self.optimizer_setting("betas", (value, beta2))

    def whole_optimizer(self, value):
        words = dict(value)
        kind = words.pop("type", "adam")
        words.setdefault("lr", 0.001 if kind.startswith("adam") else 0.01)
        said = ", ".join(f"{k}={v}" for k, v in words.items())
        call = f"torch.optim.{CLASSES[kind]}(model.parameters(), {said})"
        return [{"do": "optimizer", "type": kind, **words}], [(self.line(), call)]

    def schedule(self, value):
        if value:
            return None, [(None, f"a schedule {value}")]
        return [{"do": "constant"}], [(None, "take the scheduler out: the learning rate stays as it is")]

    # ---- training ----

    def training_clip_norm(self, value):
        if value == 0:
            return [{"do": "unclipped"}], [(None, "take clip_grad_norm_ out")]
        text = f"torch.nn.utils.clip_grad_norm_(model.parameters(), {value}) before optimizer.step()"
        return [{"do": "clipped", "norm": value}], [(None, text)]

    def longer(self, times):
        counts = sorted({c for c in (self.capture["steps"], self.capture["epochs"]) if c > 1})
        return (
            [{"do": "longer", "times": times, "counts": counts}],
            [(None, f"train {times} times as long")],
        )

    def training_steps(self, value):
        times = max(2, round(value / self.job["training"]["steps"])) if value else 1
        return self.longer(times) if times > 1 else ([], [])

    def training_epochs(self, value):
        return [], []  # goes with training.steps here

    training_early_stopping = training_lanes = training_epochs

    def training_batch(self, value):
        change = {"do": "batch", "size": value, "old": self.capture["batch"]}
        if not self.capture["loaders"]:
            return None, [(None, f"batches of {value} rows")]
        return [change], [(None, f"batch_size={value} in the DataLoader")]

    # ---- data ----

    def data_standardise(self, value):
        x = self.capture["x"].astype(np.float64)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale[scale == 0] = 1
        item = self.layers.sources[0][0]
        name, index = item["call"]
        change = {"do": "standardise", "name": name, "index": index, "mean": mean.tolist(),
                  "scale": scale.tolist()}
        return [change], [(item["line"], "x = (x - x_train.mean(0)) / x_train.std(0) before the model")]

    def data_standardise_targets(self, value):
        y = self.capture["y"].astype(np.float64)
        shift, scale = float(y.mean()), float(y.std()) or 1.0
        text = f"train towards (y - {number(shift)}) / {number(scale)}, and turn predictions back"
        return [{"do": "targets", "shift": shift, "scale": scale}], [(self.capture["loss"]["line"], text)]

    def data_balance(self, value):
        y = self.capture["y"].reshape(len(self.capture["y"]))
        labels, counts = np.unique(y, return_counts=True)
        given = self.capture["weights_by_label"]
        if value in ("class_weights", "oversample", "undersample"):
            weights = {float(a): float(len(y) / (len(labels) * n)) for a, n in zip(labels, counts)}
        else:
            weights = {float(a): 1.0 for a in labels}
        text = "weights of the classes in the loss: " + ", ".join(f"{a:g}: {w:.3g}" for a, w in weights.items())
        change = {"do": "class_weights", "pairs": sorted(weights.items()), "given": sorted(given.items())}
        return [change], [(self.capture["loss"]["line"], text)]

    def data_class_weights(self, value):
        return [], []  # goes with data.balance

    def data_shuffle(self, value):
        if not self.capture["loaders"]:
            return None, [(None, "mix the rows in every epoch")]
        return [{"do": "mixed"}], [(None, "shuffle=True in the DataLoader")]

    def data_recode_labels(self, value):
        labels = np.unique(self.capture["y"])
        low, high = float(labels[0]), float(labels[-1])
        text = f"labels 0 and 1, not {low:g} and {high:g}"
        change = {"do": "targets", "shift": low, "scale": high - low}
        return [change], [(self.capture["loss"]["line"], text)]

    # ---- loss ----

    def whole_loss(self, value):
        kind = value.get("type", "auto")
        if kind == "auto":
            task = self.capture["measure"]["task"]
            kind = {"binary": "bce_logits", "multiclass": "cross_entropy_logits"}.get(task, "mse")
        if self.capture["loss"]["by_hand"]:
            return None, [(self.capture["loss"]["line"], LOSS_CALLS[kind])]
        return [{"do": "loss", "kind": kind}], [(self.capture["loss"]["line"], LOSS_CALLS[kind])]

    def loss_type(self, value):
        return self.whole_loss({"type": value})

    def loss_targets(self, value):
        if self.job["loss"].get("targets") != "broadcast":
            return None, [(None, f"targets as {value}")]
        return [{"do": "shapes"}], [(self.capture["loss"]["line"], self.shapes())]

    def shapes(self):
        pred, target = self.capture["loss"]["pred_shape"], self.capture["loss"]["target_shape"]
        if len(pred) > len(target):
            return f"pass outputs of shape {tuple(target)}, or targets.unsqueeze(1): one target for each output"
        return f"pass targets of shape {tuple(pred)}: targets.squeeze(1)"

    # ---- model ----

    def model_at_prediction(self, value):
        if value != "none":
            return None, [(None, f"{value} at prediction")]
        places = self.capture["at_prediction"].values()
        return [], [(line, "no function at prediction that training does not have") for line, _, _ in places][:1]

    def model_clamp_low(self, value):
        return [], []

    model_clamp_high = model_clamp_low

    def layer(self, index, key, value):
        if index >= len(self.layers.words):
            return None, [(None, f"layer {index}: {key} = {value}")]
        words, sources = self.layers.words[index], self.layers.sources[index]
        product = sources[0]
        handler = getattr(self, "layer_" + key, None)
        if handler is None:
            return (None if key not in ("bias_init", "bias_scale", "init_scale") else []), []
        return handler(words, product, sources, value)

    def layer_activation(self, words, product, sources, value):
        if len(sources) > 1:
            name, call = sources[-1]["call"]
            line = sources[-1]["line"]
            text = f"{MODULES.get(value, 'nothing')} in place of {name}"
            if value == "identity":
                text = f"take the {name} out"
            return [{"do": "activation", "name": name, "index": call, "to": value}], [(line, text)]
        name, call = product["call"]
        if words["type"] == "activation":
            return [{"do": "activation", "name": name, "index": call, "to": value}], [(product["line"], MODULES.get(value, "take it out"))]
        return [{"do": "after", "name": name, "index": call, "to": value}], [(product["line"], f"{MODULES[value]} after this layer")]

    def layer_init(self, words, product, sources, value):
        name, call = product["call"]
        text = "leave the initial weights as nn.Linear draws them"
        return [{"do": "init", "name": name, "index": call, "weight": value}], [(product["line"], text)]

    def layer_rate(self, words, product, sources, value):
        return [{"do": "dropout", "index": product["call"][1], "rate": value}], [(product["line"], f"nn.Dropout({value:g})")]

    def layer_units(self, words, product, sources, value):
        if value == "auto" or value == words["units"]:
            return [], []
        return [{"do": "wider", "widths": {words["units"]: value}}], [(product["line"], f"{value} units in place of {words['units']}")]

    def layer_trainable(self, words, product, sources, value):
        return [{"do": "everything"}], [(product["line"], "requires_grad = True, and in the optimiser")]

    def all_layers(self, value):
        """Other layers as a whole: what differs from the job's, layer by layer, where that can be."""
        old = self.layers.words
        if len(value) != len(old) or any(a["type"] != b["type"] for a, b in zip(value, old)):
            return self.other_layers(value)
        changes, advice = [], []
        for i, (new, was) in enumerate(zip(value, old)):
            for key in sorted(set(new) | set(was)):
                if new.get(key) != was.get(key) and key in new:
                    some, words = self.layer(i, key, new[key])
                    advice += words
                    changes = None if changes is None or some is None else changes + some
        return changes, advice

    def other_layers(self, value):
        """Norms or dropout that go can be skipped; layers that come need a rewritten model."""
        said = " - ".join(
            str(w.get("units", "")) + " " + w.get("activation", w["type"]) if w["type"] == "dense" else w["type"]
            for w in value
        )
        return None, [(None, f"layers {said}")]


def source(line):
    return linecache.getline(line[0], line[1]).rstrip("\n") if line else ""
