"""Kinds of trainings that tell inputs apart. An alarm on any of them is a false alarm."""

import samplers
import truth
from cases import OPEN, SETTLE, Case, adam, dense, healthy, job, mlp, pick, sgd

# ---- easy, in all sizes ----


@healthy(24, quick=True)
def easy_classes(rng, i):
    """Two clouds of AUC 0.9 to 0.98, enough steps of Adam: learnt. With 40 held-out rows (a fifth
    of 200) the evidence may not be enough to say so."""
    rows = pick(i, 200, 500, 2000, 10000, 100000, 20000)
    auc, share = pick(i, 0.9, 0.95, 0.98), pick(i, 0.5, 0.4, 0.3)
    held = max(40, min(5000, rows // 5))
    return Case(
        job("binary", mlp(pick(i, 8, 16)), adam(), pick(i, 200, 400), 64, schedule=SETTLE),
        samplers.shifted(rng, 5, auc, share),
        rows,
        held,
        verdicts={"healthy"} | (OPEN if held < 200 else set()),
        note=f"{rows} rows, AUC {auc}",
    )


@healthy(10)
def curved_classes(rng, i):
    """Half circles, or two features whose signs agree: learnt by a hidden layer of 32."""
    sample = pick(i, samplers.moons(rng), samplers.product(rng))
    rows = pick(i, 1000, 3000, 10000)
    made = job("binary", mlp(32), adam(0.02), 600, 64)
    return Case(made, sample, rows, 1000, note=f"{rows} rows")


@healthy(16, quick=True)
def several_classes(rng, i):
    """Clouds far apart for 3, 5 and 10 classes: learnt."""
    classes, rows = pick(i, 3, 5, 10), pick(i, 300, 1000, 5000, 20000)
    return Case(
        job("multiclass", mlp(24), adam(0.02), 400, 64),
        samplers.clouds(rng, classes, 8, 2.0),
        rows,
        max(200, rows // 5),
        note=f"{classes} classes, {rows} rows",
    )


@healthy(20, quick=True)
def numbers(rng, i):
    """A plane, a wave, Friedman's function: R2 far above 0 after enough steps, on any scale."""
    scale = pick(i, 1.0, 100.0, 0.01)
    sample, layers = pick(
        i,
        (samplers.plane(rng, 5, 0.9, scale), mlp()),
        (samplers.wave(rng), mlp(32, activation="tanh")),
        (samplers.friedman(rng), mlp(32)),
        (samplers.plane(rng, 8, 0.5), mlp(8)),
    )
    rows = pick(i, 200, 1000, 5000, 30000, 100000)
    optimizer = adam(0.5) if i % 4 == 0 and scale == 100.0 else adam(0.03)
    return Case(
        job("regression", layers, optimizer, 800, 64, schedule=SETTLE),
        sample,
        rows,
        max(100, min(5000, rows // 5)),
        verdicts={"healthy"} | (OPEN if rows < 1000 else set()),
        note=f"{rows} rows",
    )


@healthy(6)
def all_rows_train(rng, i):
    """Nothing is held out: judged on training rows, of which there are far more than
    parameters."""
    sample, task = pick(
        i,
        (samplers.shifted(rng, 5, 0.9), "binary"),
        (samplers.clouds(rng, 4, 6, 2.0), "multiclass"),
        (samplers.plane(rng, 5, 0.8), "regression"),
    )
    return Case(job(task, mlp(4), adam(0.03), 400, 64, schedule=SETTLE), sample, 3000, 0)


# ---- hard ----


@healthy(10, quick=True)
def hard_classes(rng, i):
    """AUC 0.55 is all that there is; a linear model of 6 parameters on 40,000 rows finds it.
    20,000 held-out rows show it (the standard error of AUC is 0.004, of skill well below its
    0.006)."""
    return Case(
        job("binary", mlp(), pick(i, adam(0.005), sgd(0.05)), 1200, 256, schedule=SETTLE),
        samplers.shifted(rng, 5, 0.55),
        40000,
        20000,
        fresh_rows=50000,
    )


@healthy(10, verdicts={"healthy"} | OPEN)
def hard_classes_few_held_out(rng, i):
    """The same on 1000 held-out rows, where AUC 0.55 is 2.7 standard errors from chance: it may
    be left open, never denied."""
    held = pick(i, 1000, 1500, 3000)
    return Case(
        job("binary", mlp(), adam(0.005), 1200, 256, schedule=SETTLE),
        samplers.shifted(rng, 5, 0.55),
        40000,
        held,
        fresh_rows=50000,
        note=f"{held} held out",
    )


@healthy(8)
def hard_several_classes(rng, i):
    """Four clouds that overlap almost wholly: a third right instead of a quarter."""
    return Case(
        job("multiclass", mlp(), adam(0.005), 1200, 256, schedule=SETTLE),
        samplers.clouds(rng, 4, 6, 0.12),
        40000,
        20000,
        fresh_rows=50000,
    )


@healthy(8)
def hard_numbers(rng, i):
    """R2 is 0.02 at most: predictions vary by a seventh of the targets' deviation, as they
    should."""
    return Case(
        job("regression", mlp(), adam(0.02), 1200, 256, schedule=SETTLE),
        samplers.plane(rng, 4, 0.02, 1.0, pick(i, 0.0, 3.0)),
        40000,
        20000,
        fresh_rows=50000,
    )


@healthy(6, check=truth.ranked)
def noisy_labels_by_a_wide_net(rng, i):
    """A fifth of the labels is wrong and a wide net learns part of them by heart, so that its
    probabilities are too bold; it ranks fresh rows well all the same (AUC about 0.75)."""
    return Case(
        job("binary", mlp(64), adam(0.01), 600, 64),
        samplers.flipped(samplers.shifted(rng, 5, 0.95), rng, 0.2),
        600,
        2000,
    )


# ---- rare classes ----


@healthy(15, quick=True)
def rare_class(rng, i):
    """10, 5 and 1 row in 100 of class 1, AUC 0.85 to 0.9: nearly all answers are class 0 and
    nearly all predictions small, as they should be; the ranking is good."""
    share = pick(i, 0.1, 0.05, 0.01)
    return Case(
        job("binary", mlp(pick(i, 4, 8)), adam(0.01), 1000, 128, schedule=SETTLE),
        samplers.shifted(rng, 5, pick(i, 0.9, 0.85), share),
        20000,
        pick(i, 5000, 10000),
        fresh_rows=50000,
        note=f"{share:.0%}",
    )


@healthy(6, verdicts={"healthy"} | OPEN)
def rare_class_few_held_out(rng, i):
    """1 in 100 among 1000 held-out rows: ten rows of class 1."""
    return Case(
        job("binary", mlp(4), adam(0.01), 1000, 128, schedule=SETTLE),
        samplers.shifted(rng, 5, 0.9, 0.01),
        20000,
        1000,
        fresh_rows=20000,
    )


@healthy(6, check=truth.ranked)
def rare_class_weighted(rng, i):
    """Class weights move the probabilities of 1 row in 20 to around 0.5: worse than the base rate
    in log loss, and yet the ranking is as good as without."""
    return Case(
        job(
            "binary",
            mlp(4),
            adam(0.01),
            1000,
            128,
            data={"balance": pick(i, "class_weights", "oversample")},
            schedule=SETTLE,
        ),
        samplers.shifted(rng, 5, 0.85, 0.05),
        20000,
        5000,
        fresh_rows=20000,
    )


@healthy(8)
def rare_among_several(rng, i):
    """Shares 70, 25, 4 and 1 in 100, far apart: all are found."""
    return Case(
        job("multiclass", mlp(24), adam(0.02), 600, 128),
        samplers.clouds(rng, 4, 6, 2.0, (0.7, 0.25, 0.04, 0.01)),
        10000,
        3000,
    )


# ---- targets that hardly vary ----


@healthy(10, quick=True)
def tiny_variance(rng, i):
    """Targets 3 + 0.001 f(x), or 0.001 f(x): R2 is high where the step size falls in the end."""
    offset = pick(i, 0.0, 3.0)
    return Case(
        job("regression", mlp(), adam(0.02), 2500, 128, schedule={"type": "cosine", "final": 1e-4}),
        samplers.plane(rng, 4, 0.9, 1e-3, offset),
        4000,
        1000,
        note=f"around {offset:g}",
    )


@healthy(10)
def constant_looking(rng, i):
    """19 targets in 20 are 0.5; the others are told by x, and a net finds them."""
    return Case(
        job("regression", mlp(32), adam(0.01), 1200, 128, schedule=SETTLE),
        samplers.mostly_half(rng),
        10000,
        3000,
    )


@healthy(6, check=truth.ranked)
def heavy_tails(rng, i):
    """Log-normal targets, a few of which hold the variance: mean absolute error, or their 0.9
    quantile, or squared error; predictions rank the rows."""
    loss = pick(i, {"type": "mae"}, {"type": "quantile", "quantile": 0.9}, {"type": "mse"})
    return Case(
        job("regression", mlp(16), adam(0.01), 1000, 128, loss=loss, schedule=SETTLE),
        samplers.heavy_tail(rng),
        6000,
        3000,
        note=loss["type"],
    )


# ---- late or slow ----


@healthy(12, check=truth.learnt_late, quick=True)
def late_from_a_saddle(rng, i):
    """Two linear-like layers that start near 0 leave that saddle after a time that grows with the
    logarithm of the start: flat for about half of the budget, then learnt."""
    tiny = {"init": "normal", "init_scale": pick(i, 1e-4, 3e-5)}
    layers = [dense(8, "tanh", **tiny), dense("auto", **tiny)]
    return Case(
        job("binary", layers, sgd(0.05), pick(i, 460, 500, 540), 256),
        samplers.shifted(rng, 5, 0.95),
        5000,
        2000,
    )


@healthy(8, check=truth.learnt_late)
def late_two_signs(rng, i):
    """Two signs that agree or not, from a small start: no direction alone helps, so log loss
    stays at 0.693 for about half of the budget; then units pair up, and it falls."""
    small = {"init": "normal", "init_scale": 0.1}
    layers = [dense(16, "tanh", **small), dense("auto", **small)]
    return Case(
        job("binary", layers, sgd(0.3, momentum=0.9), pick(i, 150, 165), 256),
        samplers.product(rng),
        5000,
        2000,
    )


@healthy(8, check=truth.learnt_late)
def late_by_warm_up(rng, i):
    """The learning rate rises so slowly that nothing moves in the first half."""
    layers = mlp(
        16, last=dense("auto", init="normal", init_scale=1e-3), init="normal", init_scale=1e-2
    )
    return Case(
        job("binary", layers, sgd(0.14), 1000, 128, schedule={"warmup_steps": 5000}),
        samplers.shifted(rng, 5, 0.95),
        5000,
        2000,
    )


@healthy(12, verdicts={"healthy", "not-yet-learned"})
def small_steps(rng, i):
    """A learning rate so small that the budget ends long before the model is done; the loss falls
    all the time and fresh rows are told apart already."""
    task, sample, optimizer = pick(
        i,
        ("binary", samplers.shifted(rng, 5, 0.9), sgd(5e-4)),
        ("binary", samplers.shifted(rng, 5, 0.9, 0.3), adam(7e-5)),
        ("multiclass", samplers.clouds(rng, 3, 5, 1.0), adam(2e-5)),
        ("regression", samplers.plane(rng, 5, 0.9), sgd(5e-5)),
    )
    start = dense("auto", init="normal", init_scale=1e-2)
    return Case(job(task, mlp(16, last=start), optimizer, 1200, 64), sample, 5000, 3000)


# ---- little to judge by ----


@healthy(16, verdicts={"healthy"} | OPEN, quick=True)
def few_held_out(rng, i):
    """20 to 60 held-out rows of a model that is sound on fresh ones."""
    held = pick(i, 20, 40, 60, 25)
    task, sample = pick(
        i // 2,
        ("binary", samplers.shifted(rng, 4, 0.95)),
        ("multiclass", samplers.clouds(rng, 3, 5, 2.0)),
        ("regression", samplers.plane(rng, 4, 0.8)),
        ("binary", samplers.shifted(rng, 4, 0.8, 0.3)),
    )
    rows = pick(i, 200, 1000)
    return Case(
        job(task, mlp(4), adam(0.02), 300, 64, schedule=SETTLE), sample, rows, held, note=f"{held}"
    )


@healthy(4, verdicts={"healthy"} | OPEN)
def few_rows_at_all(rng, i):
    """200 rows, a fifth held out by the job itself."""
    return Case(
        job("binary", mlp(4), adam(0.02), 200, 32, data={"validation": {"fraction": 0.2}}),
        samplers.shifted(rng, 4, 0.95),
        200,
        0,
    )


# ---- other ingredients ----


@healthy(10)
def ingredients(rng, i):
    """Normalisation, dropout, decay and smoothing in usual doses: learnt."""
    layers = pick(
        i,
        [dense(16, "relu"), {"type": "batch_norm"}, dense("auto")],
        [dense(32, "relu"), {"type": "dropout", "rate": 0.5}, dense("auto")],
        [{"type": "layer_norm"}, dense(16, "gelu"), dense("auto")],
        [dense(16, "relu", l2=1e-4), dense(8, "silu"), dense("auto")],
        [dense(16, "tanh"), dense("auto")],
    )
    optimizer = pick(i, adam(), {"type": "adamw", "lr": 0.01, "weight_decay": 0.01})
    more = {"loss": {"type": "bce_logits", "label_smoothing": 0.1}} if i % 5 == 4 else {}
    return Case(
        job("binary", layers, optimizer, 500, 64, **more), samplers.shifted(rng, 6, 0.9), 4000
    )


@healthy(4, check=truth.ranked)
def squared_error_on_classes(rng, i):
    """Labels 0 and 1 as numbers, with a linear or a sigmoid output: learnt."""
    last = pick(i, dense(1), dense(1, "sigmoid"))
    return Case(
        job("binary", mlp(8, last=last), adam(0.02), 500, 64, loss={"type": "mse"}),
        samplers.shifted(rng, 5, 0.9),
        3000,
    )


@healthy(4)
def sorted_file(rng, i):
    """A file in the order of its labels, which is dealt out at random."""
    sample = samplers.shifted(rng, 5, 0.9)
    return Case(
        job("binary", mlp(8), adam(), 500, 256),
        sample,
        8000,
        train=samplers.by_label(sample),
    )


@healthy(4)
def dull_columns(rng, i):
    """Three features that are the same in all rows, beside five that tell."""
    return Case(
        job("binary", mlp(8), adam(), 500, 64),
        samplers.with_dull_columns(samplers.shifted(rng, 5, 0.9)),
        3000,
    )


@healthy(6)
def restless(rng, i):
    """Small batches and large steps: the training loss jumps about, and the model is sound."""
    return Case(
        job("binary", mlp(16), pick(i, sgd(0.5), adam(0.03)), 1200, 8, training__lanes=1),
        samplers.shifted(rng, 5, 0.95),
        3000,
    )


@healthy(4)
def raw_scale(rng, i):
    """Features between 900 and 1100, standardised by the job."""
    return Case(
        job("binary", mlp(8), adam(), 500, 64, data={"standardise": True}),
        samplers.moved(samplers.shifted(rng, 5, 0.9), 1000.0, 30.0),
        3000,
    )
