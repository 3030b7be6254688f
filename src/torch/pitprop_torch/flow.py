"""From a script to an answer: capture, verdict, cause, remedy, proof."""

import json
import os
import re
import sys
import tempfile
import time

import numpy as np

from . import job as jobs
from . import measure, program, remedy, rerun

SEEDS = (0, 1, 2)
WELL = {"balanced accuracy": 0.9, "accuracy": 0.9, "R2": 0.9}
FRESH_ROWS = 1000


def say(text=""):
    print(text, flush=True)


def at(line, cwd):
    """train.py:12, as short as it can be said."""
    if not line:
        return ""
    path = os.path.relpath(line[0], cwd)
    return f"{line[0] if path.startswith('..') else path}:{line[1]}"


class Flow:
    def __init__(self, options):
        self.options = options
        self.script, self.arguments = options.script, options.arguments
        self.cwd = os.getcwd()
        name = os.path.splitext(os.path.basename(self.script))[0]
        self.directory = os.path.abspath(options.output or os.path.join("pitprop-torch", name))
        self.home = None
        self.job = self.layers = self.capture = self.why = None
        self.changes, self.advice = [], []
        self.answer = {"faults": []}

    # ---- capture ----

    def order(self, seed=None, changes=(), brief=True):
        return {"rows": self.options.rows, "seed": seed, "changes": list(changes), "brief": brief}

    def run_script(self):
        say(f"== {self.script}: running it as it is")
        stdout = None if not self.options.quiet else open(os.path.join(self.home, "first.txt"), "wb")
        process, path = rerun.start(
            self.script, self.arguments, self.order(brief=False), self.cwd, self.home, stdout
        )
        process.wait()
        self.capture = rerun.read(path)
        if self.capture is None:
            raise rerun.ScriptFailed(f"{self.script}: ended before anything could be read (code {process.returncode})")

    def tell_error(self):
        error = self.capture["error"]
        if error is None:
            return
        say(f"\nThe script ends with an error{self.place(error['line'])}: {error['text'][:300]}")
        if error["known"]:
            self.answer["faults"].append({"id": error["known"]["id"], "line": error["line"]})
            say(f"  {error['known']['id']}: {error['known']['remedy']}")

    def place(self, line):
        return f" ({at(line, self.cwd)})" if line else ""

    def tell_capture(self):
        c = self.capture
        say("\n== What it trains")
        shown = [self.describe(item) for item in c["layers"]]
        say(f"  model      {' - '.join(shown) if shown else c['model']}")
        say(f"  loss       {c['loss']['name'] or 'not known'}{self.place(c['loss']['line'])}"
            f", outputs {c['loss']['pred_shape']}, targets {c['loss']['target_shape']}")
        for o in c["optimizers"] or c["built"]:
            used = "" if c["optimizers"] else ", which never steps"
            say(f"  optimiser  {o['name']}, learning rate {o['settings'].get('lr'):g}{self.place(o['line'])}{used}")
        held = f", {len(c['held_out'][0])} held out" if c["held_out"] else ""
        say(f"  rows       {len(c['x'])} of {int(np.prod(c['x'].shape[1:]))} numbers{held}; batches of {c['batch']}, "
            f"{c['steps']} steps")
        if c["full"]:
            say(f"             more than --rows {self.options.rows}: the first of them")
        if c["others"]:
            say(f"             {c['others']} other training(s) in the script; this is the last long one")
        for note in c["notes"]:
            say(f"  note       {note}")

    @staticmethod
    def describe(item):
        words = item["words"]
        if words["type"] == "dense":
            return str(words["units"])
        return words.get("activation") or words["type"]

    # ---- verdict of the script's own predictions ----

    def audit(self, p, y, held_out):
        """Verdict and sentence of predictions, by pitprop audit."""
        path = os.path.join(self.directory, "predictions.h5")
        p = measure.probabilities(self.capture["loss"]["name"], p, self.capture["at_prediction"])
        task = self.capture["measure"]["task"]
        if task == "binary" and p.ndim == 2 and p.shape[1] == 2:
            p = p[:, 1]
        if p.ndim == 2 and p.shape[1] == 1:
            p = p[:, 0]
        y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
        jobs.write_h5_sets(path, p=p.astype(np.float32), y=y)
        words = ["audit", path, "--json", "--task", task]
        found = program.run(words)
        return json.loads(found)

    def tell_verdicts(self):
        c = self.capture
        say("\n== Its own predictions")
        self.answer["verdicts"] = {}
        m = c["measure"]
        for name, (y, p) in (("training mode, last batches", c["last"]), ("eval mode, after training", c["final"])):
            try:
                found = self.audit(p.reshape(len(y), -1), y, False)
            except program.Failed as reason:
                say(f"  {name}: cannot be judged: {reason}")
                continue
            self.answer["verdicts"][name.split(",")[0]] = found["verdict"]
            say(f"  {name}: {found['verdict']}: {found.get('sentence', '')}")
        where = "held-out rows" if m["held_out"] else "training rows"
        say(f"  {m['name']} {m['value']:.3f} on {m['rows']} {where}")

    # ---- faults that the capture shows ----

    def tell_faults(self):
        for f in self.capture["faults"]:
            self.answer["faults"].append({"id": f["id"], "line": f["line"], "certain": f["certain"]})
            say(f"\n== Found without an experiment: {f['id']}{self.place(f['line'])}")
            if f["line"]:
                say(f"    {remedy.source(f['line']).strip()}")
            say(f"  {f['says']}.")
            say(f"  Remedy: {f['remedy']}.")
            new = None
            if f["id"] == "target-broadcast":
                loss = self.capture["loss"]
                new = remedy.shaped(remedy.source(f["line"]), loss["pred_shape"], loss["target_shape"])
            if f["id"].startswith("softmax-over") and f["line"]:
                new = re.sub(r"dim\s*=\s*(0|-2)", "dim=1", remedy.source(f["line"]))
            for line in remedy.diff(f["line"], new) or []:
                say(f"    {line}")
            self.changes += f["changes"]

    # ---- job ----

    def write_job(self):
        """Whether the capture is a job; tells why not."""
        say("\n== The job")
        try:
            self.job, self.layers, notes = jobs.build(self.capture, self.directory)
        except jobs.NotAJob as reason:
            say(f"  The training is not one that a job can say ({reason}); the probes below are reruns of the script.")
            return False
        faithful = dict(self.job, model=dict(self.job["model"], initial=os.path.join(self.directory, "initial.safetensors")))
        program.write(os.path.join(self.directory, "job.json"), faithful)
        for note in notes:
            say(f"  not modelled: {note}")
        self.check_replay()
        return True

    def check_replay(self):
        """The first losses of the job beside those of the script."""
        twin, losses = jobs.replay(self.capture, self.job, self.layers, self.directory)
        path = program.write(os.path.join(self.directory, "replay.json"), twin)
        try:
            program.run(["train", path, "--overwrite", "--quiet"])
        except program.Failed as reason:
            say(f"  replay: cannot run: {reason}")
            return
        with open(os.path.join(twin["output"], "metrics.jsonl"), encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        got = [r["loss"] for r in rows if r["type"] == "step"][: len(losses)]
        plain = self.capture.get("first_plain")
        if plain is not None:  # dropout: the first loss in eval mode
            losses, got = [plain], got[:1]
        if not got:
            return
        worst = max(abs(a - b) / max(abs(b), 1e-12) for a, b in zip(got, losses))
        kind = "the first loss without dropout" if plain is not None else f"the first {len(got)} losses"
        self.answer["replay"] = worst
        verdict = "the job does what the script does" if worst <= 1e-4 else "the job is NOT the same training"
        say(f"  replay: {kind} of job and script differ by {worst:.1e} at most: {verdict}")

    # ---- why ----

    def ask_why(self, job, name):
        path = program.write(os.path.join(self.directory, name + ".json"), job)
        words = ["why", path, "--overwrite", "--quiet"]
        if self.options.budget:
            words += ["--budget", str(self.options.budget)]
        program.run(words, self.options.ranks)
        return program.read(os.path.join(job["output"], "why.json"))

    def find_cause(self):
        """Asks pitprop why; where rows are few and the script draws them, with rows drawn anew."""
        job = dict(self.job, output=os.path.join(self.directory, "why"))
        try:
            self.why = self.ask_why(job, "why-job")
            unsure = self.why["answer"] in ("no-signal", "needs-more-rows", "undetermined", "unknown", "cause", "causes")
            if unsure and len(self.capture["x"]) < FRESH_ROWS and self.capture["held_out"] is None:
                fresh = self.draw_rows()
                if fresh is not None:
                    say(f"  The script draws its rows anew in every run: {len(fresh[0])} rows of other runs are held out.")
                    path = os.path.join(self.directory, "held-out.h5")
                    jobs.write_h5(path, fresh[0].astype(np.float32), jobs.targets_of(self.capture, fresh[1]))
                    job["data"] = dict(job["data"], validation={"files": path})
                    self.why = self.ask_why(job, "why-job")
        except program.Failed as reason:
            say(f"  pitprop why cannot run: {reason}")

    def draw_rows(self):
        """Rows that other runs of the script draw; None where they are the same ones."""
        if self.options.no_rerun:
            return None
        order = dict(self.order(brief=True), draws=FRESH_ROWS)
        order["seed"] = 1
        found = rerun.run_all(self.script, self.arguments, [order], self.cwd, self.home)[0]
        return None if found is None else found.get("drawn")

    def tell_cause(self):
        if self.why is None:
            return
        say("\n== Why")
        self.answer["answer"], self.answer["causes"] = self.why["answer"], self.why["causes"]
        say(f"  {self.why['answer']}: {self.why['sentence']}")
        for probe in (self.why["controls"] + self.why["probes"])[: self.options.shown]:
            label = f"{probe.get('cause', '')}: {probe['label']}" if probe.get("cause") else probe["label"]
            say(f"    {label[:70]:70s} {probe['score']:7.3f}  {probe['verdict']}")
        say(f"    all experiments: {os.path.relpath(os.path.join(self.directory, 'why', 'why.json'), self.cwd)}")
        patch = self.why.get("remedy", {}).get("patch")
        if not patch:
            return
        translator = remedy.Translator(self.capture, self.job, self.layers)
        changes, advice = translator.of(patch)
        say("\n== Remedy")
        for line, text in advice:
            say(f"  {at(line, self.cwd) + ': ' if line else ''}{text}")
            for row in remedy.diff(line, remedy.rewrite(line, text) if line else None) or []:
                say(f"    {row}")
        if changes is None:
            say("  The hooks cannot make this change to a running script: proof in pitprop only.")
        else:
            self.changes += [c for c in changes if c not in self.changes]

    # ---- proof ----

    def prove(self):
        if not self.changes:
            return
        if self.options.no_rerun:
            say("\n== Proof in PyTorch: left out (--no-rerun)")
            return
        if rerun.size_of(self.cwd, rerun.MOST_BYTES) > rerun.MOST_BYTES:
            say(f"\n== Proof in PyTorch: left out: {self.cwd} is larger than 1 GiB, and reruns copy it; run the "
                "script from a directory of its own")
            return
        orders = [self.order(seed) for seed in SEEDS] + [self.order(seed, self.changes) for seed in SEEDS]
        seconds = self.capture["seconds"]
        say(f"\n== Proof in PyTorch: {len(orders)} reruns in copies of the working directory, about "
            f"{max(1, round(len(orders) * (seconds + 2) / 2))} s")
        found = rerun.run_all(self.script, self.arguments, orders, self.cwd, self.home)
        self.compare(found[: len(SEEDS)], found[len(SEEDS) :])

    def compare(self, before, after):
        say(f"  {'seed':4s}  {'before':>8s}  {'after':>8s}   the script's own last line, before and after")
        pairs = []
        for seed, a, b in zip(SEEDS, before, after):
            va, vb = (r["measure"]["value"] if r and r.get("trained") else float("nan") for r in (a, b))
            pairs.append((va, vb))
            say(f"  {seed:4d}  {va:8.3f}  {vb:8.3f}   {(a or {}).get('said', '-')}")
            say(f"  {'':24s}   {(b or {}).get('said', '-')}")
            if b and b.get("error"):
                say(f"  {'':24s}   ends with {b['error']['text'][:90]}")
        values = np.array(pairs)
        gain = values[:, 1] - values[:, 0]
        self.answer["before"], self.answer["after"] = values[:, 0].tolist(), values[:, 1].tolist()
        holds = bool(np.isfinite(values).all() and (gain > 0).all() and np.mean(gain) > 0.05)
        self.answer["proof"] = holds
        name = self.capture["measure"]["name"]
        held = "held-out" if self.capture["measure"]["held_out"] else "training"
        says = "is not proven by these."
        if holds:
            says = "repairs the script in all three."
        elif np.isfinite(gain).all() and abs(gain).max() < 0.02:
            says = "does not change what this measures."
        say(f"  {name} on {held} rows: the remedy {says}")
        if holds and held == "training" and self.answer.get("answer") == "no-signal":
            say("  It learns its own rows by heart now; of fresh rows it knows nothing, as the data hold no signal.")

    # ---- all ----

    def run(self):
        os.makedirs(self.directory, exist_ok=True)
        begun = time.time()
        with tempfile.TemporaryDirectory(prefix="pitprop-torch-") as self.home:
            self.run_script()
            self.tell_error()
            if not self.capture["trained"]:
                for f in self.capture["faults"]:
                    say(f"\n{f['id']}{self.place(f['line'])}: {f['says']}")
                say("\nNo training was seen: no backward pass of a loss with predictions and targets that could be read.")
                return 3
            self.tell_capture()
            self.tell_verdicts()
            self.tell_faults()
            hidden = [f for f in self.capture["faults"] if f["certain"] and f["id"] != "target-broadcast"]
            if self.write_job() and not hidden and not self.options.no_why:
                self.find_cause()
                self.tell_cause()
            self.prove()
        self.answer["seconds"] = time.time() - begun
        program.write(os.path.join(self.directory, "answer.json"), self.answer)
        say(f"\nEverything: {os.path.relpath(self.directory, self.cwd)} ({self.answer['seconds']:.0f} s)")
        return 0


def main(options):
    try:
        program.find()
        return Flow(options).run()
    except (program.Missing, program.Failed, rerun.ScriptFailed) as reason:
        print(f"pitprop: error: torch: {reason}", file=sys.stderr)
        return 3
