"""Faults of the loop: what the optimiser has, when gradients are zeroed, when it steps."""

from .fault import fault, line_of_optimizer, names_of, short


def not_optimised(recorder, training):
    known = {id(p) for o in recorder.all_optimizers for g in o.param_groups for p in g["params"]}
    if not recorder.all_optimizers or not training.parameters:
        return []
    missing = names_of(training, lambda name, p: p.requires_grad and id(p) not in known)
    everything = names_of(training, lambda name, p: p.requires_grad)
    if not missing:
        return []
    whole = len(missing) == len(everything)
    return [
        fault(
            "not-in-optimizer",
            line_of_optimizer(recorder),
            ("no parameter" if whole else f"{short(missing)}: these parameters")
            + (" of the model that is trained is" if whole else " of the model are not")
            + (" in any optimiser: no step changes it" if whole else " in any optimiser: no step changes them"),
            "build the optimiser over the parameters of this model",
            [{"do": "everything"}],
        )
    ]


def no_steps(recorder, training):
    if training.steps or not recorder.all_optimizers or len(training.losses) < 2:
        return []
    if not_optimised(recorder, training):
        return []
    return [
        fault(
            "no-steps",
            line_of_optimizer(recorder),
            f"the optimiser never steps, although there were {len(training.losses)} backward passes: "
            "optimizer.step() is not called",
            "call optimizer.step() after every loss.backward()",
            [{"do": "steps"}],
        )
    ]


def zeroed_too_early(recorder, training):
    if not training.alive or training.empty < min(training.steps, 50) or not training.steps:
        return []
    if not_optimised(recorder, training):
        return []
    return [
        fault(
            "zeroed-before-step",
            line_of_optimizer(recorder),
            "gradients are zero at every step: zero_grad() stands between backward() and step()",
            "call zero_grad() before backward()",
            [{"do": "unzeroed"}],
        )
    ]


def never_zeroed(recorder, training):
    if training.checked < 3 or training.rescued < training.checked - 1 or not training.steps:
        return []
    if not_optimised(recorder, training):
        return []
    return [
        fault(
            "gradients-never-zeroed",
            line_of_optimizer(recorder),
            "gradients are never zeroed: every step follows the sum of all gradients since the "
            "beginning",
            "call optimizer.zero_grad() in every step",
            [{"do": "zeroed"}],
        )
    ]
