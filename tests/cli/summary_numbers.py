"""The numbers of `pitprop audit` against plain NumPy, and against scikit-learn and SciPy where those can be
imported."""

import json
import os
import unittest

import numpy as np

import support
from support import dense, run

try:
    from scipy import stats
    from sklearn import metrics
except ImportError:
    metrics = None

ROWS = 3000


def placements(p, y):
    """How each row of a class is placed among the rows of the other: [positives], [negatives]."""
    order = (p[y == 1][:, None] > p[y == 0]) + 0.5 * (p[y == 1][:, None] == p[y == 0])
    return order.mean(axis=1), 1 - order.mean(axis=0)


def binary():
    random = np.random.default_rng(5)
    score = random.normal(size=ROWS)
    y = (random.normal(size=ROWS) + score > 1).astype("u1")
    return (1 / (1 + np.exp(0.8 - 1.1 * score))).astype("f4"), y


def several(classes=5):
    random = np.random.default_rng(6)
    y = (random.random(ROWS) ** 1.5 * classes).astype("u1")
    odds = np.exp(random.normal(size=(ROWS, classes)) + 1.2 * np.eye(classes)[y])
    return (odds / odds.sum(axis=1, keepdims=True)).astype("f4"), y


def line():
    random = np.random.default_rng(7)
    t = random.normal(50, 4, ROWS)
    return (t + 1 + random.normal(0, 3, ROWS)).astype("f4"), t.astype("f4")


class Statistics(support.Case):
    def audit(self, p, y, *options):
        path = os.path.join(self.scratch, "p.h5")
        support.write_h5(path, p=p, y=y)
        done = run(["audit", path, "--json", *options])
        self.assertEqual(done.code, 0, done)
        return json.loads(done.out)["evidence"]["train"]

    def close(self, found, name, value, within=1e-7):
        self.assertLess(abs(found[name] - value), within * max(1, abs(value)), name)

    def test_binary(self):
        p, y = binary()
        found = self.audit(p, y)
        q, base = p.astype(float), y.mean()
        positive, negative = placements(q, y)
        loss = -np.log(np.where(y == 1, q, 1 - q))
        constant = -np.log(np.where(y == 1, base, 1 - base))
        self.close(found, "auc", positive.mean(), found["auc_bound"] + 1e-12)
        self.assertLess(found["auc_bound"], 0.001)
        error = positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)
        self.close(found, "auc_error", error**0.5, 1e-5)
        self.close(found, "log_loss", loss.mean())
        self.close(found, "skill", 1 - loss.mean() / constant.mean())
        parts = (1 - found["skill"]) * constant - loss
        self.close(found, "skill_error", parts.std() / ROWS**0.5 / constant.mean(), 1e-9)
        self.close(found, "slope", np.cov(q, y)[0, 1] / q.var(ddof=1))
        pairs = len(positive) * len(negative)  # no ties to speak of
        self.close(
            found, "association", (positive.mean() - 0.5) / ((ROWS + 1) / 12 / pairs) ** 0.5, 1e-3
        )

    def test_regression(self):
        p, t = line()
        found = self.audit(p, t)
        p, t = p.astype(float), t.astype(float)
        squares, base = (p - t) ** 2, (t - t.mean()) ** 2
        self.close(found, "mse", squares.mean())
        self.close(found, "r2", 1 - squares.mean() / base.mean())
        parts = (1 - found["skill"]) * base - squares
        self.close(found, "skill_error", parts.std() / ROWS**0.5 / base.mean())
        self.close(found, "slope", np.cov(p, t)[0, 1] / p.var(ddof=1))
        self.close(found, "association", np.corrcoef(p, t)[0, 1] * (ROWS - 1) ** 0.5)

    def test_a_clamp_over_labels_of_either_sign(self):
        """Outputs are compared with predictions on one scale, whatever the labels are."""
        random = np.random.default_rng(8)
        x = random.normal(size=(800, 3)).astype("f4")
        y = np.where(random.random(800) < 0.3, 1, -1).astype("f4")
        data, job, out = (os.path.join(self.scratch, n) for n in ("d.h5", "job.json", "run"))
        support.write_h5(data, x=x, y=y)
        layer = dense("auto", bias_init="constant", bias_scale=-1.2)
        model = {"layers": [layer], "at_prediction": "clamp", "clamp_low": -1, "clamp_high": 1}
        spec = {"name": "cut", "data": {"files": data, "task": "binary"}, "model": model}
        spec.update(loss={"type": "mse"}, optimizer={"type": "sgd", "lr": 1e-9}, training={"epochs": 1, "batch": 100})
        support.write_json(job, spec)
        self.expect(run(["train", job, "-o", out]), 0)
        found = support.read_json(os.path.join(out, "verdict.json"))["evidence"]["train"]
        self.assertIn("auc", found)
        self.assertTrue(0.5 < found.get("cut_share", 0) < 1, found)

    # ---- against other programs ----

    @unittest.skipIf(metrics is None, "no scikit-learn")
    def test_binary_as_scikit_learn(self):
        p, y = binary()
        found = self.audit(p, y)
        q = p.astype(float)
        self.close(found, "auc", metrics.roc_auc_score(y, q), found["auc_bound"] + 1e-12)
        self.close(found, "log_loss", metrics.log_loss(y, q))
        self.close(found, "mse", metrics.brier_score_loss(y, q))
        self.close(found, "accuracy", metrics.accuracy_score(y, q >= 0.5))
        self.close(found, "balanced_accuracy", metrics.balanced_accuracy_score(y, q >= 0.5))
        p_value = stats.mannwhitneyu(q[y == 1], q[y == 0], use_continuity=False).pvalue
        self.close(found, "association", stats.norm.isf(p_value / 2), 1e-3)

    @unittest.skipIf(metrics is None, "no scikit-learn")
    def test_several_classes_as_scikit_learn(self):
        p, y = several()
        found = self.audit(p, y)
        q = p.astype(float) / p.astype(float).sum(axis=1, keepdims=True)
        auc = metrics.roc_auc_score(y, q, multi_class="ovr", average="macro")
        self.close(found, "auc", auc, found["auc_bound"] + 1e-6)
        self.close(found, "log_loss", metrics.log_loss(y, q))
        answers = q.argmax(axis=1)
        self.close(found, "accuracy", metrics.accuracy_score(y, answers))
        self.close(found, "balanced_accuracy", metrics.balanced_accuracy_score(y, answers))

    @unittest.skipIf(metrics is None, "no scikit-learn")
    def test_regression_as_scikit_learn(self):
        p, t = line()
        found = self.audit(p, t)
        self.close(found, "mse", metrics.mean_squared_error(t, p.astype(float)))
        self.close(found, "mae", metrics.mean_absolute_error(t, p.astype(float)))
        self.close(found, "r2", metrics.r2_score(t, p.astype(float)))
        self.close(found, "correlation", stats.pearsonr(p.astype(float), t.astype(float)).statistic)
        self.close(found, "slope", stats.linregress(p.astype(float), t.astype(float)).slope)


if __name__ == "__main__":
    support.main()
