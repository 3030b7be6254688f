"""Reruns of a captured script: probes with one change each, and the proof of a remedy.

Every rerun happens in a copy of the working directory, and is announced with count and time. The budget
is counted in runs of the script, as that of `pitprop why` is in trainings of a job."""

import re

import numpy as np

from . import rerun

SEEDS = (0, 1, 2)
USUAL_RUNS = 12  # at least, where the budget is not given
USUAL_SECONDS = 120  # and as many as take so long
AT_ONCE = 2
NOTICED = 0.05  # of the measure
CONTROL = [{"do": "permuted"}]
CONTROLS = 2  # runs with permuted targets: of the script as it is, and with what is accused
STARTING = 1  # seconds of a copy before its script begins


def say(text=""):
    print(text, flush=True)


def value_of(result):
    """The measure of a rerun; NaN where it has not come to its end."""
    if result is None or not result.get("trained") or result["error"]:
        return float("nan")
    return result["measure"]["value"]


class Trials:
    """Reruns of one script. `make_order` gives the order of a run: (seed, changes) -> dict."""

    def __init__(self, options, capture, make_order, cwd, home):
        self.options, self.capture, self.make_order = options, capture, make_order
        self.cwd, self.home = cwd, home
        self.before = None  # results of the script as it is
        self.each = (capture["seconds"] + STARTING) / AT_ONCE  # seconds that a run adds
        self.runs = int(options.budget or max(USUAL_RUNS, USUAL_SECONDS / self.each))
        self.seeds = SEEDS[: max(1, min(len(SEEDS), self.runs // 2))]
        measured = capture.get("measure") or {"name": "the measure", "held_out": False}  # nothing was trained
        self.measured_by, self.is_held_out = measured["name"], measured["held_out"]

    def are_possible(self):
        if self.options.no_rerun:
            return False
        if self.runs < 2:
            say(f"\n== Reruns are left out: --budget {self.options.budget:g} bears none")
            return False
        if rerun.size_of(self.cwd, rerun.MOST_BYTES) <= rerun.MOST_BYTES:
            return True
        say(f"\n== Reruns are left out: {self.cwd} is larger than 1 GiB, and each copies it; run the script from a "
            "directory of its own")
        return False

    def time_of(self, count):
        return f"about {max(1, round(count * self.each))} s"

    def run(self, orders):
        return rerun.run_all(self.options.script, self.options.arguments, orders, self.cwd, self.home, AT_ONCE)

    # ---- probes ----

    def probe(self, wanted):
        """Reruns with one change each: (cause, changes) of the least that helps; None: none does."""
        tried = wanted[: max(0, self.runs - 2 * len(self.seeds) - CONTROLS)]
        if not tried:
            say(f"\n== Probes in the script itself are left out: --budget {self.options.budget:g} bears none")
            return None
        count = len(self.seeds) + 1 + len(tried)
        say(f"\n== Probes in the script itself: {len(self.seeds)} runs as it is, a control and {len(tried)} with a change, "
            f"{self.time_of(count)}")
        if len(tried) < len(wanted):
            say(f"  {len(wanted) - len(tried)} more would want --budget {2 * len(self.seeds) + CONTROLS + len(wanted)}")
        changes = [CONTROL] + [c for _, _, c in tried]
        found = self.run([self.make_order(seed) for seed in self.seeds] + [self.make_order(self.seeds[0], c) for c in changes])
        self.before = found[: len(self.seeds)]
        values = [value_of(r) for r in found]
        base, control, rest = values[: len(self.seeds)], values[len(self.seeds)], values[len(self.seeds) + 1 :]
        say(f"    {'as it is, ' + str(len(self.seeds)) + ' seeds':62s} " + " ".join(f"{v:7.3f}" for v in base))
        say(f"    {'control: targets permuted among the rows':62s} {control:7.3f}")
        for (cause, label, _), value in zip(tried, rest):
            same = "  changes nothing" if value == base[0] else ""
            say(f"    {cause + ': ' + label:62s} {value:7.3f}{same}")
        self.tell_control(base, control, found[len(self.seeds)])
        return self.accuse(tried, base, rest)

    def learns_its_targets(self):
        """Whether the script learns targets of other rows clearly less well than its own."""
        say(f"\n== Control: a rerun with targets permuted among the rows, {self.time_of(1)}")
        own, control = self.capture["measure"]["value"], value_of(self.run([self.make_order(None, CONTROL)])[0])
        say(f"    {self.measured_by} as it is {own:.3f}, with targets of other rows {control:.3f}")
        known = bool(np.isfinite(control)) and control < own - NOTICED
        says = "its inputs say something of its targets" if known else (
            "it would learn any targets by heart, or the control could not be made; rows held out must tell whether it knows anything")
        say(f"  {says[0].upper()}{says[1:]}.")
        return known

    def tell_control(self, base, control, result):
        """What the script learns that it does not learn from targets of other rows."""
        finite = [v for v in base if np.isfinite(v)]
        if not finite or not np.isfinite(control):
            return
        if not result["permuted"]:
            say("  The control could not be made: the loss is no call that the hooks see.")
        elif min(finite) > control + NOTICED:
            say(f"  With targets of other rows it gets {min(finite) - control:.3f} less: its inputs say something of its targets.")
        elif max(finite) <= control + NOTICED:
            where = "on held-out rows" if self.is_held_out else "on the rows that it trains on"
            says = "nothing that it has learnt holds" if self.is_held_out else "it has learnt them by heart, or nothing"
            say(f"  It does no better {where} with its own targets than with those of other rows: {says}.")

    def accuse(self, tried, base, rest):
        usual = [v for v in base if np.isfinite(v)] or [0.0]
        gains = [v - max(usual) if np.isfinite(v) else -1 for v in rest]
        spread = max(usual) - min(usual)
        best = max(gains)
        if best <= max(NOTICED, min(0.3, spread)):
            steady = self.steadies(tried, base, rest, max(usual) - NOTICED) if spread > NOTICED else None
            if steady is not None:
                return steady
            if spread > 0.3:
                say(f"  Runs as it is differ by {spread:.3f} from seed to seed, and no change does better than the best of them.")
                return "depends-on-seed", []
            say("  None of these changes helps: the cause is elsewhere (the architecture, the data).")
            return None
        chosen = next(i for i, g in enumerate(gains) if g >= 0.8 * best)
        cause, label, changes = tried[chosen]
        say(f"  {cause}: {label} lifts {self.measured_by} by {gains[chosen]:.3f}.")
        if not self.is_held_out and self.is_by_heart(changes, rest[chosen], gains[chosen]):
            return None
        return cause, changes

    def steadies(self, tried, base, rest, wanted):
        """The least change with which every seed does as well as the best does without: (cause, changes) or None."""
        own = base[0] if np.isfinite(base[0]) else -1
        able = [i for i, value in enumerate(rest) if value >= wanted and value > own + NOTICED]
        others = self.seeds[1:]
        bears = self.runs >= 2 * len(self.seeds) + CONTROLS + len(tried) + len(others)
        if not able or not others or not bears:
            return None
        cause, label, changes = tried[able[0]]
        say(f"  {label}: as good as the best seed without it; {len(others)} runs with the other seeds, {self.time_of(len(others))}")
        values = [value_of(r) for r in self.run([self.make_order(seed, changes) for seed in others])]
        every = all(value >= wanted for value in values)
        says = "every seed does, so it is no luck" if every else "not every seed does: it may be luck"
        say(f"    {' '.join(f'{v:.3f}' for v in values)}: {says}.")
        if not every or not self.is_held_out and self.is_by_heart(changes, rest[able[0]], rest[able[0]] - own):
            return None
        return cause, changes

    def is_by_heart(self, changes, value, gain):
        """Whether the change does the same for targets of other rows."""
        found = value_of(self.run([self.make_order(self.seeds[0], changes + CONTROL)])[0])
        by_heart = np.isfinite(found) and found >= value - 0.2 * gain
        says = "the rows are learnt by heart with it, which is no repair" if by_heart else "so it is no learning by heart"
        say(f"  With that change and targets of other rows: {found:.3f}; {says}.")
        return by_heart

    # ---- proof ----

    def prove(self, changes):
        """The script as it is and with the changes, seed by seed; (before, after, whether it holds)."""
        orders = [self.make_order(seed, changes) for seed in self.seeds]
        if self.before is None:
            orders = [self.make_order(seed) for seed in self.seeds] + orders
        say(f"\n== Proof in PyTorch: {len(orders)} reruns in copies of the working directory, {self.time_of(len(orders))}")
        if len(self.seeds) < len(SEEDS):
            say(f"  --budget {self.options.budget:g} bears {len(self.seeds)} of {len(SEEDS)} seeds")
        found = self.run(orders)
        before, after = self.before or found[: len(self.seeds)], found[-len(self.seeds) :]
        self.tell_pairs(before, after)
        values = np.array([[value_of(a), value_of(b)] for a, b in zip(before, after)])
        holds = self.judge(before, after, values)
        return values[:, 0].tolist(), values[:, 1].tolist(), holds

    def tell_pairs(self, before, after):
        say(f"  {'seed':4s}  {'before':>8s}  {'after':>8s}   the script's own last line, before and after")
        for seed, a, b in zip(self.seeds, before, after):
            say(f"  {seed:4d}  {value_of(a):8.3f}  {value_of(b):8.3f}   {(a or {}).get('said', '-')}")
            say(f"  {'':24s}   {(b or {}).get('said', '-')}")
            if b and b.get("error"):
                say(f"  {'':24s}   ends with {b['error']['text'][:90]}")

    def judge(self, before, after, values):
        gain = values[:, 1] - values[:, 0]
        finite = bool(np.isfinite(gain).all())
        holds = bool(finite and (gain > 0).all() and np.mean(gain) > NOTICED)
        every = f"in all {len(self.seeds)}" if len(self.seeds) > 1 else "with one seed"
        says = "is not proven by these."
        if holds:
            says = f"repairs the script {every}."
        elif np.isnan(values[:, 0]).all() and all(has_learnt(r) for r in after):
            holds, says = True, f"repairs the script {every}: it comes to its end now, and learns."
        elif finite and abs(gain).max() < 0.02:
            says = "does not change what this measures."
            if all(tells_its_accuracy(r, 0.05) for r in after) and not any(tells_its_accuracy(r, 0.1) for r in before):
                holds, says = True, f"makes the script's own last line tell its accuracy {every}; the training was sound."
        held = "held-out" if self.is_held_out else "training"
        say(f"  {self.measured_by} on {held} rows: the remedy {says}")
        return holds


def has_learnt(result):
    """Better than the best constant answer."""
    return value_of(result) > (result["measure"]["floor"] if result and result.get("trained") else 0) + NOTICED


def tells_its_accuracy(result, within):
    """Whether a number of the script's last line is the share of right answers, perhaps of other rows."""
    accuracy = (result or {}).get("measure", {}).get("accuracy")
    numbers = [float(n) for n in re.findall(r"\d+\.?\d*", (result or {}).get("said", ""))]
    return accuracy is not None and any(min(abs(n - accuracy), abs(n / 100 - accuracy)) < within for n in numbers)
