"""Callbacks of training frameworks that watch what they train. Each is built when its framework is there."""

from . import Watch


class Watching:
    """Begins and ends with the training, and keeps the answer."""

    def __init__(self, output, why, options):
        super().__init__()
        self.output, self.why, self.options = output, why, options
        self.watch = self.answer = None

    def begin(self, model):
        self.watch = Watch(model, **self.options).__enter__()

    def end(self):
        if self.watch is None:
            return
        watch, self.watch = self.watch, None
        watch.__exit__(None, None, None)
        self.answer = watch.report(self.output, self.why)


def lightning(output, why, options):
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

    class LightningCallback(Watching, Callback):
        def on_train_start(self, trainer, module):
            self.begin(module)

        def on_train_end(self, trainer, module):
            self.end()

        def on_exception(self, trainer, module, error):
            self.end()

    return LightningCallback(output, why, options)


def transformers(output, why, options):
    from transformers import TrainerCallback

    class WatchingCallback(Watching, TrainerCallback):
        def on_train_begin(self, args, state, control, model=None, **others):
            self.begin(model)

        def on_train_end(self, args, state, control, **others):
            self.end()

    return WatchingCallback(output, why, options)
