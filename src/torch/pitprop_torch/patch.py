"""Changes that hooks make to a running script, made to its job: what repro.py shows as repaired."""

import copy

KINDS = {"eps": "epsilon"}


class NotInJobs(Exception):
    """A change that a job cannot say."""


def layer_of(job, layers, name, index):
    """(words, number) of the layer that a call belongs to."""
    for number, sources in enumerate(layers.sources):
        if any(item.get("call") == (name, index) for item in sources):
            return job["model"]["layers"][number], number
    raise NotInJobs(f"the layer of {name}")


class Patch:
    """One job with changes; each method is one kind of change."""

    def __init__(self, job, layers):
        self.job, self.layers = copy.deepcopy(job), layers

    def make(self, changes):
        for change in changes:
            words = dict(change)
            name = words.pop("do")
            if not hasattr(self, "do_" + name):
                raise NotInJobs(name)
            getattr(self, "do_" + name)(**words)
        return self.job

    def do_shapes(self):
        self.job["loss"].pop("targets", None)

    def do_rate(self, times):
        self.job["optimizer"]["lr"] *= times

    def do_constant(self):
        self.job.pop("schedule", None)

    def do_optimizer(self, type, **words):
        self.job["optimizer"] = {"type": type, **words}

    def do_group(self, key, value):
        if key == "betas":
            self.job["optimizer"].update(beta1=value[0], beta2=value[1])
        else:
            self.job["optimizer"][KINDS.get(key, key)] = value

    def do_clipped(self, norm):
        self.job["training"]["clip_norm"] = norm

    def do_unclipped(self):
        self.job["training"].pop("clip_norm", None)

    def do_longer(self, times, counts):
        self.job["training"]["steps"] *= times

    def do_loss(self, kind):
        self.job["loss"] = {"type": kind}
        self.job["model"].pop("at_prediction", None)

    def do_inputs(self, mean, scale):
        self.job["data"]["standardise"] = True

    def do_class_weights(self, pairs, given):
        labels = [label for label, _ in pairs]
        if labels != list(range(len(labels))):
            raise NotInJobs("weights of labels that do not count from 0")
        self.job["data"].update(balance="given", class_weights=[weight for _, weight in pairs])

    def do_skip(self, name, index):
        words, number = layer_of(self.job, self.layers, name, index)
        if words["type"] == "dense":
            words.pop("activation", None)
        else:
            del self.job["model"]["layers"][number]

    def do_activation(self, name, index, to):
        words, _ = layer_of(self.job, self.layers, name, index)
        words["activation"] = to

    do_after = do_activation

    def do_everything(self):
        for words in self.job["model"]["layers"]:
            words.pop("trainable", None)

    def do_nothing_of_a_job(self, **words):
        """What is wrong in PyTorch alone: the job has never had it."""

    do_zeroed = do_unzeroed = do_steps = do_training_mode = do_nothing_of_a_job


def with_gaps(job, layers):
    """The job, with a word at the layers whose parameters no optimiser has."""
    job = copy.deepcopy(job)
    for words, sources in zip(job["model"]["layers"], layers.sources):
        words["in_optimizer"] = sources[0].get("in_optimizer", True)
    return job
