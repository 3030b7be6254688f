"""Pitprop for PyTorch: what a script trains, why its model fails, and the proof of the repair.

    python3 -m pitprop_torch train.py       a script as it is
    with pitprop_torch.Watch() as watch:    a training in a notebook
        train()
    watch.report()
"""

from . import limits

__all__ = ["Watch"]


class Watch:
    """Watches what is trained inside a with block, and reports on it.

    rows: most rows that are kept. Nothing that runs is changed. There are no reruns, as a block of a
    notebook cannot be run again: the proof is in the job alone."""

    def __init__(self, rows: int = limits.ROWS):
        self.rows = rows
        self.capture = None

    def __enter__(self) -> "Watch":
        from .recorder import Recorder
        from .tracer import Tracer

        self._recorder = Recorder(self.rows)
        self._tracer = Tracer(self._recorder)
        self._tracer.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        from .child import collect

        self._tracer.stop()
        self.capture = collect(self._recorder, None, 0.0, False)

    def report(self, output: str = "pitprop-torch/watch", why: bool = True) -> dict:
        """Prints the page, leaves the files in `output`, and returns what answer.json holds."""
        from . import flow
        from .__main__ import parse

        words = ["--no-rerun", "-o", output] + ([] if why else ["--no-why"])
        found = flow.Flow(parse(words + [__file__]))
        found.explain(self.capture)
        return found.answer
