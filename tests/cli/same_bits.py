"""The same job gives the same bytes on any number of ranks."""

import unittest

import numpy as np

import support
from support import dense, patched

RANKS = (1, 2, 3, 4, 7, 8)


def softmax_job(path):
    return {
        "name": "softmax",
        "seed": 3,
        "data": {"files": path, "standardise": True, "validation": {"fraction": 0.15}},
        "model": {
            "layers": [
                dense(48, "relu"),
                {"type": "batch_norm"},
                {"type": "dropout", "rate": 0.3},
                dense(32, "gelu"),
                {"type": "dropout", "rate": 0.2},
                dense("auto"),
            ]
        },
        "loss": {"type": "cross_entropy_logits", "label_smoothing": 0.05},
        "training": {"epochs": 2, "batch": 203, "lanes": 8},
        "monitor": {"log_steps": 2, "evaluate_epochs": 0.5},
    }


def binary_job(path):
    return {
        "name": "binary",
        "seed": 11,
        "data": {"files": path, "balance": "class_weights"},
        "model": {
            "layers": [dense(40, "tanh"), {"type": "layer_norm"}, dense(40, "silu"), dense("auto")]
        },
        "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True},
        "schedule": {"type": "cosine", "warmup_steps": 5},
        "training": {"epochs": 2, "batch": 256, "lanes": 8, "clip_norm": 0.5},
        "monitor": {"log_steps": 3},
    }


def regression_job(path):
    """1009 rows, a prime: no batch, lane, window or rank count divides them."""
    block = {"type": "residual", "layers": [dense(24, "relu"), dense(24)]}
    return {
        "name": "regression",
        "seed": 5,
        "data": {"files": path, "window": 7, "open_windows": 3},
        "model": {
            "layers": [
                dense(24, "softplus", l2=1e-4),
                block,
                {"type": "dropout", "rate": 0.1},
                dense(8, "leaky_relu"),
                dense("auto"),
            ]
        },
        "loss": {"type": "huber", "delta": 2.0},
        "optimizer": {"type": "rmsprop", "lr": 0.002, "momentum": 0.5},
        "training": {"epochs": 3, "batch": 97, "lanes": 8},
        "monitor": {"log_steps": 1, "evaluate_epochs": 0.7},
    }


def image_job(path):
    return {
        "name": "images",
        "seed": 3,
        "data": {"files": path, "standardise": True, "window": 7},
        "model": {
            "layers": [
                {"type": "conv2d", "channels": 6, "kernel": 3, "stride": 2, "activation": "relu"},
                {"type": "batch_norm"},
                {"type": "max_pool2d"},
                {"type": "conv2d", "channels": 8, "kernel": 3, "groups": 2, "padding": "same"},
                {"type": "dropout", "rate": 0.2},
                {"type": "global_average_pool"},
                dense("auto"),
            ]
        },
        "training": {"epochs": 2, "batch": 61, "lanes": 8},
    }


class AnyNumberOfRanks(support.Case):
    def same_on_all(self, job, ranks):
        first = None
        for count in ranks:
            found = support.results(self.train(job, count))
            first = first or found
            self.assert_same(first, found, f"{job['name']}: {ranks[0]} and {count} ranks")
        return first

    def test_softmax_net_with_dropout_and_batch_norm(self):
        job = softmax_job(self.synth("images", 1200))
        first = self.same_on_all(job, RANKS)
        # Bytes that nothing changes would be equal as well.
        other = support.results(self.train(patched(job, {"seed": 4}), 2, "other-seed"))
        for name in ("model.safetensors", "metrics.jsonl", "verdict.json"):
            self.assertNotEqual(first[name], other[name], f"{name}: another seed changes nothing")

    def test_binary_net(self):
        self.same_on_all(binary_job(self.synth("higgs-like", 2500)), RANKS)

    def test_regression_of_1009_rows(self):
        self.same_on_all(regression_job(self.synth("friedman", 1009)), RANKS)

    def test_convolutions(self):
        path = self.synth("images", 303)
        self.same_on_all(image_job(path), (1, 3))
        shape = {"data.x_shape": [28, 28]}
        flat = support.write_h5(
            f"{self.shared}/flat-images.h5",
            **{k: v.reshape(len(v), -1) if k == "x" else v for k, v in support.read_h5(path)[0].items()},
        )
        weights = [
            support.read_safetensors(f"{self.train(job, 2, name)}/model.safetensors")[0]
            for name, job in (
                ("images-as-they-are", image_job(path)),
                ("images-in-columns", patched(image_job(flat), shape)),
            )
        ]
        self.assertEqual(weights[0]["layers.0.weight"].shape, (6, 1, 3, 3))
        for name, values in weights[0].items():
            self.assertEqual(values.tobytes(), weights[1][name].tobytes(), name)

    def test_one_rank_under_mpirun_is_one_process(self):
        job = regression_job(self.synth("friedman", 1009))
        alone = support.results(self.train(job, 1))
        self.assert_same(
            alone, support.results(self.train(job, "1", "mpirun")), "plain and mpirun -n 1"
        )


# What differs from the base job, by name. Each must change the model, or the test shows nothing.
VARIANTS = {
    "adam": {"optimizer": {"type": "adam", "weight_decay": 0.01}},
    "adamw": {"optimizer": {"type": "adamw", "lr": 0.003}},
    "adagrad": {"optimizer": {"type": "adagrad", "lr": 0.02}},
    "rmsprop": {"optimizer": {"type": "rmsprop", "lr": 0.001, "momentum": 0.9}},
    "nesterov": {"optimizer": {"type": "sgd", "momentum": 0.9, "nesterov": True}},
    "clip_norm": {"training.clip_norm": 0.01},
    "exponential": {"schedule": {"type": "exponential", "factor": 0.7, "warmup_steps": 3}},
    "oversample": {"data.balance": "oversample"},
    "undersample": {"data.balance": "undersample"},
    "file_order": {"data.shuffle": False},
    "l1": {"model.layers": [dense(20, "relu", l1=0.001), dense("auto", l2=0.01)]},
    "no_held_out_rows": {"data.validation.fraction": 0},
    "by_steps": {"training.epochs": 0, "training.steps": 17},
}


class Variants(support.Case):
    """One setting changed at a time, on one rank and on three."""

    def base(self):
        return {
            "name": "variant",
            "data": {"files": self.synth("imbalanced", 901)},
            "model": {"layers": [dense(20, "relu"), dense("auto")]},
            "optimizer": {"type": "sgd", "lr": 0.05},
            "training": {"epochs": 2, "batch": 120, "lanes": 4},
            "monitor": {"log_steps": 5},
        }

    def on_both(self, job, name):
        one = self.train(job, 1, f"{name}-1")
        results = support.results(one)
        self.assert_same(
            results, support.results(self.train(job, 3, f"{name}-3")), f"{name}: 1 and 3 ranks"
        )
        return one, results

    def test_settings(self):
        _, base = self.on_both(self.base(), "base")
        for name, changes in VARIANTS.items():
            with self.subTest(name):
                _, results = self.on_both(patched(self.base(), changes), name)
                tensors = [
                    support.read_safetensors(
                        support.os.path.join(self.scratch, f"{n}-1", "run", "model.safetensors")
                    )[0]
                    for n in ("base", name)
                ]
                self.assertFalse(
                    np.array_equal(tensors[0]["layers.0.weight"], tensors[1]["layers.0.weight"]),
                    f"{name}: the setting changes nothing",
                )
                self.assertNotEqual(base["metrics.jsonl"], results["metrics.jsonl"])

    def test_small_buckets_give_the_same_weights(self):
        """How gradients are cut for the exchange is no part of the result."""
        weights = [
            support.read_safetensors(
                f"{self.on_both(patched(self.base(), changes), name)[0]}" "/model.safetensors"
            )[0]
            for name, changes in (
                ("large", {"model.layers": [dense(300, "relu"), dense("auto")]}),
                (
                    "small",
                    {"model.layers": [dense(300, "relu"), dense("auto")], "runtime.bucket": 1024},
                ),
            )
        ]
        for name, values in weights[0].items():
            self.assertEqual(values.tobytes(), weights[1][name].tobytes(), name)

    def test_early_stopping(self):
        changes = {"training.epochs": 40, "training.early_stopping": 2, "training.min_delta": 0.05}
        run, _ = self.on_both(patched(self.base(), changes), "stops")
        epochs = [row["epoch"] for row in support.metrics(run, "epoch")]
        self.assertLess(epochs[-1], 40, "never stopped early")
        self.assertEqual(epochs[-1], len(epochs))

    def test_plateau(self):
        changes = {
            "training.epochs": 6,
            "training.min_delta": 0.5,
            "optimizer.lr": 0.08,
            "schedule": {"type": "plateau", "patience": 0, "factor": 0.5},
        }
        run, _ = self.on_both(patched(self.base(), changes), "plateau")
        rates = [row["lr"] for row in support.metrics(run, "step")]
        self.assertEqual(rates[0], 0.08)
        self.assertLess(rates[-1], 0.02, f"the learning rate was never cut: {rates}")

    def test_row_weights(self):
        generator = np.random.default_rng(1)
        x = generator.normal(size=(333, 5)).astype(np.float32)
        weights = generator.uniform(0, 3, 333).astype(np.float32)
        path = support.write_h5(
            f"{self.shared}/weighted.h5", x=x, y=(x[:, 0] > 0).astype(np.int8), w=weights
        )
        job = patched(self.base(), {"data.files": path})
        _, plain = self.on_both(job, "unweighted")
        _, weighted = self.on_both(patched(job, {"data.row_weights": "w"}), "weighted")
        self.assertNotEqual(
            plain["model.safetensors"][-2000:], weighted["model.safetensors"][-2000:]
        )

    def test_every_row_counts_once(self):
        run, _ = self.on_both(self.base(), "rows")
        final = support.metrics(run, "final")[0]
        self.assertEqual(final["train"]["rows"] + final["validation"]["rows"], 901)
        for row in support.metrics(run, "epoch"):
            self.assertEqual(row["train"]["rows"], final["train"]["rows"])

    def test_a_set_of_several_files(self):
        x, y = (support.read_h5(self.synth("imbalanced", 901))[0][name] for name in ("x", "y"))
        cuts = (0, 1, 300, 901)
        paths = [
            support.write_h5(f"{self.shared}/part-{i}.h5", x=x[a:b], y=y[a:b])
            for i, (a, b) in enumerate(zip(cuts, cuts[1:]))
        ]
        run, _ = self.on_both(patched(self.base(), {"data.files": paths}), "parts")
        final = support.metrics(run, "final")[0]
        self.assertEqual(final["train"]["rows"] + final["validation"]["rows"], 901)


class FewLanesAndRows(support.Case):
    def xnor(self):
        x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        return support.write_h5(f"{self.shared}/xnor.h5", x=x, y=np.array([1, 0, 0, 1], np.uint8))

    def small(self, **changes):
        job = {
            "name": "xnor",
            "seed": 2,
            "data": {"files": self.xnor(), "validation": {"fraction": 0}},
            "model": {"layers": [dense(8, "tanh"), dense("auto")]},
            "optimizer": {"lr": 0.05},
            "training": {"epochs": 150, "batch": 4},
        }
        return patched(job, changes)

    def test_four_rows_train(self):
        run = self.train(self.small())
        self.assertEqual(support.read_json(f"{run}/job.json")["training"]["lanes"], 1)
        final = support.metrics(run, "final")[0]
        self.assertEqual((final["train"]["rows"], final["train"]["accuracy"]), (4, 1))

    def test_more_lanes_than_rows_of_a_batch(self):
        for batch in (1, 3, 4, 64):
            job = self.small(
                **{"training.batch": batch, "training.lanes": 8, "training.epochs": 10}
            )
            first = support.results(self.train(job, 1, f"batch-{batch}-1"))
            for ranks in (3, 8):
                found = support.results(self.train(job, ranks, f"batch-{batch}-{ranks}"))
                self.assert_same(first, found, f"batch {batch}: 1 and {ranks} ranks")

    def test_one_and_two_lanes(self):
        path = self.synth("moons", 203)
        models = []
        for lanes, ranks in ((1, 1), (2, 1), (2, 2)):
            job = self.small(
                **{
                    "data": {"files": path},
                    "training.batch": 50,
                    "training.epochs": 3,
                    "training.lanes": lanes,
                }
            )
            models.append(support.results(self.train(job, ranks, f"lanes-{lanes}-{ranks}")))
        self.assert_same(models[1], models[2], "2 lanes on 1 and 2 ranks")
        # The sum is grouped otherwise, so that last bits may differ, but nothing more.
        losses = [
            support.metrics(f"{self.scratch}/lanes-{n}/run", "final")[0]["train"]["loss"]
            for n in ("1-1", "2-1")
        ]
        self.assertAlmostEqual(*losses, delta=0.05)


if __name__ == "__main__":
    unittest.TestCase.longMessage = True
    support.main()
