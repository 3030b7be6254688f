"""Experiments that hooks can make in any script, whatever its model: one change at a time."""


def of(capture):
    """[(cause, what is tried, changes)], least change first."""
    found = [(f["id"], f["remedy"], f["changes"]) for f in capture["faults"] if f["changes"] and not f["certain"]]
    if len(found) > 1:
        together = [change for _, _, changes in found for change in changes]
        found.append((" + ".join(cause for cause, _, _ in found), "all of these together", together))
    used = capture["optimizers"] or capture["built"]
    kind = used[0]["name"] if used else ""
    settings = used[0]["settings"] if used else {}
    if capture["recurrent"] > 2:
        change = [{"do": "shallow"}]
        found.append(("recurrent-net-too-deep", f"one layer in place of {capture['recurrent']}", change))
    rates = capture["rates"]
    if len(rates) and rates.max() > 1.001 * rates.min():
        found.append(("learning-rate-schedule", "a constant learning rate", [{"do": "constant"}]))
    if capture["clip"]:
        found.append(("clipping-too-tight", "no clipping", [{"do": "unclipped"}]))
    if settings.get("weight_decay", 0) > 1e-3:
        change = {"do": "group", "key": "weight_decay", "value": 0.0}
        found.append(("weight-decay-too-strong", "no weight decay", [change]))
    for times in (0.1, 10, 0.01, 100):
        cause = "learning-rate-too-high" if times < 1 else "learning-rate-too-low"
        found.append((cause, f"learning rate {settings.get('lr', 0) * times:g}", [{"do": "rate", "times": times}]))
    for lr in (0.001, 0.005):
        if kind not in ("Adam", "AdamW"):
            change = {"do": "optimizer", "type": "adam", "lr": lr}
            found.append(("unsuitable-optimiser", f"Adam, learning rate {lr:g}", [change]))
    x = capture["x"]
    mean, scale = float(x.mean()), float(x.std()) or 1.0
    if abs(mean) > 3 or not 0.1 < scale < 10:
        change = {"do": "inputs", "mean": mean, "scale": scale}
        found.append(("unscaled-inputs", f"inputs less {mean:.3g}, divided by {scale:.3g}", [change]))
    counts = sorted({c for c in (capture["steps"], capture["epochs"]) if c > 1})
    change = {"do": "longer", "times": 4, "counts": counts}
    found.append(("too-few-steps", "4 times as long", [change]))
    return found
