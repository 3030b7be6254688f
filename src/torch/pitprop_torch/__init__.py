"""Pitprop for PyTorch: what a script trains, why its model fails, and the proof of the repair.

    python3 -m pitprop_torch train.py            a script as it is
    with pitprop_torch.Watch(model) as watch:    a training in a notebook
        train(model)
    watch.report()
    Trainer(callbacks=[pitprop_torch.lightning_callback()])        Lightning's Trainer
    Trainer(..., callbacks=[pitprop_torch.trainer_callback()])     that of Hugging Face's transformers
"""

from __future__ import annotations

from typing import Any

from . import limits

__all__ = ["Watch", "lightning_callback", "trainer_callback"]


class Watch:
    """Watches what is trained inside a with block, and reports on it.

    model: the module to report on, where several are trained; None: the last that was trained for long.
    rows: most rows that are kept, in memory. steps: those that are read in full.
    Nothing that runs is changed. There are no reruns, as a block of a notebook cannot be run again: the
    proof is in the job alone."""

    def __init__(self, model: Any = None, *, rows: int = limits.ROWS, steps: int = limits.STEPS):
        self.model, self.rows, self.steps = model, rows, steps
        self.capture: dict | None = None

    def __enter__(self) -> Watch:
        from .recorder import Recorder
        from .tracer import Tracer

        self._recorder = Recorder(self.rows, self.steps, model=self.model)
        self._tracer = Tracer(self._recorder)
        self._tracer.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from .child import collect, end_of

        self._tracer.stop()
        self.capture = collect(self._recorder, end_of(error) if error else None, 0.0, False)

    def report(self, output: str = "pitprop-torch/watch", why: bool = True) -> dict:
        """Prints the page, leaves the files in `output`, and returns what answer.json holds."""
        from . import flow
        from .__main__ import parse

        words = ["--no-rerun", "-o", output] + ([] if why else ["--no-why"])
        found = flow.Flow(parse(words + [__file__]))
        found.explain(self.capture)
        return found.answer


def lightning_callback(output: str = "pitprop-torch/lightning", why: bool = True, **options: Any) -> Any:
    """A callback for Lightning's Trainer: watches fit() and prints the page at its end. options: of Watch."""
    from .callbacks import lightning

    return lightning(output, why, options)


def trainer_callback(output: str = "pitprop-torch/trainer", why: bool = True, **options: Any) -> Any:
    """A callback for the Trainer of transformers: watches train() and prints the page at its end."""
    from .callbacks import transformers

    return transformers(output, why, options)
