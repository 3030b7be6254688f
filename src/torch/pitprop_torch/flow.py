"""From a script to an answer: capture, verdict, cause, remedy, proof."""

import json
import os
import sys
import tempfile
import time

import numpy as np

from . import job as jobs
from . import edits, measure, patch, probes, program, remedy, repro, rerun
from .limits import THINNED
from .rows import SAMPLE
from .trials import Trials, say

WELL = {"balanced accuracy": 0.9, "accuracy": 0.9, "R2": 0.9}
DELIBERATE = {"graph-cut", "not-in-optimizer"}  # of a part of the model: how one trains only the rest
FRESH_ROWS = 3000  # of other runs: a third is held out, the others train where rows are too few


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
        self.trials = None  # reruns of the script
        self.changes = []  # to prove
        self.answer = {"faults": []}

    # ---- capture ----

    def order(self, seed=None, changes=(), brief=True):
        return {
            "rows": min(self.options.rows, SAMPLE) if brief else self.options.rows,
            "steps": self.options.steps,
            "store": None if brief else self.directory,
            "seed": seed,
            "changes": list(changes),
            "brief": brief,
        }

    def run_script(self):
        say(f"== {self.script}: running it as it is")
        stdout = None if not self.options.quiet else open(os.path.join(self.home, "first.txt"), "wb")
        path = os.path.join(self.home, "first.pickle")
        run = {"order": self.order(brief=False), "script": self.script, "result": path}
        process = rerun.start([run], self.arguments, self.home, stdout=stdout)
        process.wait()
        self.capture, self.capture_path = rerun.read(path), path
        if self.capture is None:
            raise rerun.ScriptFailed(f"{self.script}: ended before anything could be read (code {process.returncode})")

    def tell_error(self):
        error = self.capture["error"]
        if error is None:
            return
        say(f"\nThe script ends with an error{self.place(error['line'])}: {error['text'][:300]}")
        if error["known"]:
            known = error["known"]
            self.answer["faults"].append({"id": known["id"], "line": error["line"], "certain": True})
            self.changes += known["changes"]
            say(f"  {known['id']}: {known['remedy']}")

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
            say(f"  optimiser  {o['name']}, learning rate {o['settings'].get('initial_lr', o['settings'].get('lr')):g}{self.place(o['line'])}{used}")
        held = f", {len(c['held_out'][0])} held out" if c["held_out"] else ""
        say(f"  rows       {c['count']} of {int(np.prod(c['x'].shape[1:]))} numbers{held}; batches of {c['batch']}, "
            f"{c['steps']} steps")
        if c["full"]:
            say(f"             no more are kept (--rows {self.options.rows})")
        if c["stored"] and len(c["x"]) < c["count"]:
            say(f"             they are in a file; what is said of them here is of {len(c['x'])}, evenly spaced")
        if c["backwards"] > self.options.steps:
            say(f"             the first {self.options.steps} steps are read in full (--steps), then one of {THINNED}")
        if c["others"]:
            say(f"             {c['others']} other training(s) in the script; this is the last long one")
        if "watching" in c:
            say(f"  watching   took {c['watching']:.1f} s of {c['seconds']:.1f} s")
        for note in c["notes"]:
            say(f"  note       {note}")

    @staticmethod
    def describe(item):
        words = item["words"]
        if words["type"] == "dense":
            return str(words["units"])
        return words.get("activation") or words["type"]

    # ---- verdict of the script's own predictions ----

    def audit(self, p, y, held_out=None):
        """Verdict and sentence of predictions, by pitprop audit."""
        path = os.path.join(self.directory, "predictions.h5")
        p = measure.probabilities(self.capture["loss"]["name"], p, self.capture["at_prediction"])
        task = self.capture["measure"]["task"]
        if task == "binary" and y.ndim == 2 and y.shape[1] > 1:  # several labels a row
            p, y = p.reshape(-1), y.reshape(-1)
        if task == "binary" and p.ndim == 2 and p.shape[1] == 2:
            p = p[:, 1]
        if p.ndim == 2 and p.shape[1] == 1:
            p = p[:, 0]
        y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
        sets = {"p": p.astype(np.float32), "y": y}
        words = ["audit", path, "--json", "--task", task]
        if held_out is not None:
            sets["held_out"] = held_out
            words += ["--held-out", "/held_out"]
        jobs.write_h5_sets(path, **sets)
        found = program.run(words)
        return json.loads(found)

    def tell_verdicts(self):
        c = self.capture
        say("\n== Its own predictions")
        self.answer["verdicts"] = {}
        m = c["measure"]
        for name, (y, p) in (("training mode, last batches", c["last"]), ("eval mode, after training", c["final"])):
            try:
                found = self.audit(p.reshape(len(y), -1), y)
            except program.Failed as reason:
                say(f"  {name}: cannot be judged: {reason}")
                continue
            self.answer["verdicts"][name.split(",")[0]] = found["verdict"]
            say(f"  {name}: {found['verdict']}: {found.get('sentence', '')}")
        self.tell_numbers()
        where = "held-out rows" if m["held_out"] else "training rows"
        say(f"  {m['name']} {m['value']:.3f} on {m['rows']} {where}")

    def tell_numbers(self):
        """Mean and deviation beside those of the targets: what "always 0.5" is."""
        y, p = self.capture["final"]
        task = self.capture["measure"]["task"]
        p = measure.probabilities(self.capture["loss"]["name"], p.reshape(len(y), -1), self.capture["at_prediction"])
        if task == "multiclass":
            shares = np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)
            say(f"  class {shares.argmax()} is the answer to {shares.max():.1%} of {len(p)} rows")
            return
        p = p[:, -1]
        say(f"  predictions: mean {p.mean():.3f}, deviation {p.std():.3f}; targets: mean {y.mean():.3f}, deviation {y.std():.3f}")

    # ---- faults that the capture shows ----

    def tell_faults(self):
        for f in self.capture["faults"]:
            self.answer["faults"].append({"id": f["id"], "line": f["line"], "certain": f["certain"]})
            kind = "Found without an experiment" if f["certain"] else "Seen in the graph, to be tried"
            say(f"\n== {kind}: {f['id']}{self.place(f['line'])}")
            if f["line"]:
                say(f"    {remedy.source(f['line']).strip()}")
            say(f"  {f['says']}.")
            say(f"  Remedy: {f['remedy']}.")
            if f["certain"]:
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
        got = [float(r["loss"]) for r in rows if r["type"] == "step"][: len(losses)]
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
            fresh = self.draw_rows()
            if fresh is None:
                self.why = self.ask_why(job, "why-job")
            else:
                self.why = self.ask_with(fresh, job)
        except program.Failed as reason:
            say(f"  pitprop why cannot run: {reason}")

    def draw_rows(self):
        """(x, y, answers) of other runs of the script; None where rows are the same or there are enough."""
        few = len(self.capture["x"]) < FRESH_ROWS // 3 and self.capture["held_out"] is None
        if self.options.no_rerun or not few:
            return None
        say(f"  Few rows: reruns with other seeds show whether the script draws them anew (to {FRESH_ROWS} rows, at most "
            f"{round(30 + self.capture['seconds'])} s)")
        order = dict(self.order(brief=True), draws=FRESH_ROWS, capture=self.capture_path)
        found = rerun.run_all(self.script, self.arguments, [order], self.cwd, self.home)[0]
        return None if found is None else found.get("drawn")

    def ask_with(self, fresh, job):
        """The rows of other runs are held out; where there are too few to train on, some of them train."""
        x, y, p = fresh
        held = slice(0, max(1, len(x) // 3))
        say(f"  The script draws its rows anew in every run: {len(x[held])} rows of other runs are held out.")
        self.judge_fresh(y[held], p[held])
        paths = [os.path.join(self.directory, name) for name in ("held-out.h5", "more.h5")]
        for path, part in zip(paths, (held, slice(held.stop, None))):
            jobs.write_h5(path, x[part].astype(np.float32), jobs.targets_of(self.capture, y[part]))
        job["data"] = dict(job["data"], validation={"files": paths[0]})
        why = self.ask_why(job, "why-job")
        if why["answer"] in ("needs-more-rows", "undetermined"):
            say(f"  {why['answer']} with the rows of one run; with {len(x) - held.stop} rows of other runs to train on as well:")
            job["data"] = dict(job["data"], files=[job["data"]["files"], paths[1]])
            why = self.ask_why(job, "why-job")
        return why

    def judge_fresh(self, y, p):
        """What its predictions are: those of its own rows beside those of rows that it has not seen."""
        own_y, own_p = self.capture["final"]
        y, p = np.concatenate([own_y, y]), np.concatenate([own_p.reshape(len(own_y), -1), p])
        held_out = np.arange(len(y)) >= len(own_y)
        try:
            found = self.audit(p, y, held_out.astype(np.int64))
        except program.Failed as reason:
            say(f"  its predictions of them cannot be judged: {reason}")
            return
        self.answer["verdicts"]["fresh rows"] = found["verdict"]
        say(f"  Its predictions with them: {found['verdict']}: {found.get('sentence', '')}")

    def tell_cause(self):
        if self.why is None:
            return
        say("\n== Why")
        self.answer["answer"], self.answer["causes"] = self.why["answer"], self.why["causes"]
        say(f"  {self.why['answer']}: {self.why['sentence']}")
        named = set(self.why["causes"])
        tried = sorted(self.why["probes"], key=lambda probe: probe["cause"] not in named)
        for probe in (self.why["controls"] + tried)[: self.options.shown]:
            label = f"{probe.get('cause', '')}: {probe['label']}" if probe.get("cause") else probe["label"]
            say(f"    {label[:70]:70s} {probe['score']:7.3f}  {probe['verdict']}")
        say(f"    all experiments: {os.path.relpath(os.path.join(self.directory, 'why', 'why.json'), self.cwd)}")
        if not self.patch():
            return
        translator = remedy.Translator(self.capture, self.job, self.layers)
        changes, advice = translator.of(self.patch())
        say("\n== Remedy")
        for line, text in advice:
            say(f"  {at(line, self.cwd) + ': ' if line else ''}{text}")
        if changes is None:
            say("  The hooks cannot make this change to a running script: proof in pitprop only.")
        else:
            self.changes += [c for c in changes if c not in self.changes]

    # ---- experiments in the script itself ----

    def probe(self, wanted):
        """The least change that helps becomes the remedy."""
        if not wanted or not self.trials.are_possible():
            return
        found = self.trials.probe(wanted)
        if found is None:
            self.answer.setdefault("answer", "unknown")
            return
        cause, changes = found
        self.answer.update(answer="cause", causes=cause.split(" + "))
        self.changes += [c for c in changes if c not in self.changes]

    def is_well(self):
        """The script's own predictions are good on rows that it judges by, or on all."""
        m = self.capture["measure"]
        verdicts = set(self.answer.get("verdicts", {}).values())
        return m["value"] >= WELL.get(m["name"], 2) or (verdicts == {"healthy"} and m["held_out"])

    def tell_well(self):
        """Good predictions of rows that it has trained on may be learnt by heart: the control tells."""
        if self.trials.is_held_out or not self.trials.are_possible():
            known = "" if self.trials.is_held_out else " of the rows that it trains on; whether they are learnt by heart, reruns would tell"
            self.answer.update(answer="healthy" if self.trials.is_held_out else "undetermined", causes=[])
            say(f"\n== Its predictions are good{known}; nothing is tried.")
            return
        answer = "healthy" if self.trials.learns_its_targets() else "undetermined"
        self.answer.update(answer=answer, causes=[])

    # ---- proof ----

    def prove(self):
        if not self.changes:
            return
        if self.options.no_rerun:
            say("\n== Proof in PyTorch: left out (--no-rerun)")
        if not self.trials.are_possible():
            return
        before, after, holds = self.trials.prove(self.changes)
        self.answer.update(before=before, after=after, proof=holds)
        if holds and not self.trials.is_held_out and self.answer.get("answer") == "no-signal":
            say("  It learns its own rows by heart now; of fresh rows it knows nothing, as the data hold no signal.")

    def tell_diff(self):
        """The changes as a diff of the script, as far as their places are plain to see in it."""
        name = os.path.relpath(self.script, self.cwd)
        rows, left = edits.diff(self.script, name, self.capture, self.changes)
        if not rows:
            return
        path = os.path.join(self.directory, "remedy.diff")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n")
        say("\n== The change as a diff" + (", without what its lines do not show" if left else ""))
        for row in rows:
            say(f"    {row}")

    # ---- a script of its own ----

    def write_repro(self):
        """repro.py, where job and remedy can be said in a few lines of PyTorch."""
        if self.answer.get("proof") is False or not (self.changes or self.patch()):
            return
        if self.job is None:
            say("\nrepro.py is left out: no job says this training")
            return
        path = os.path.join(self.directory, "repro.py")
        certain = [f["id"] for f in self.capture["faults"] if f["certain"] or f["id"] in repro.FAULTS]
        title = "Fault and repair: " + ", ".join(self.named())
        try:
            fixed = self.repaired_job()
            before = patch.with_gaps(self.job, self.layers)
            repro.write(path, self.capture, before, fixed, title, self.options.no_data, certain)
        except (repro.NotRendered, patch.NotInJobs) as reason:
            say(f"\nrepro.py is left out: it cannot say {reason}")
            return
        say(f"\nA script of its own that shows both: {os.path.relpath(path, self.cwd)}")

    def named(self):
        return [f["id"] for f in self.answer["faults"]] or self.answer.get("causes", [])

    def patch(self):
        return (self.why or {}).get("remedy", {}).get("patch")

    def repaired_job(self):
        if self.patch():
            return program.read(os.path.join(self.directory, "why", "fixed.json"))
        return patch.Patch(self.job, self.layers).make(self.changes)

    # ---- all ----

    def try_what_is_left(self, is_job):
        """Without an answer, hooks probe the script: all that they can where there is no job."""
        known = self.answer.get("answer")
        rows = [f["id"] for f in self.capture["faults"] if f["id"] == "misaligned-rows"]
        if self.options.no_why or self.changes or known == "healthy" or (known in ("no-signal", "data") and not rows):
            return
        if not is_job and self.is_well():
            self.tell_well()
            return
        wanted = probes.of(self.capture)
        if rows and known in ("no-signal", "needs-more-rows"):
            wanted = [w for w in wanted if w[0] in rows]
        unfitted = known in ("needs-more-rows", "undetermined", "unknown") and not self.is_well()
        if is_job and known is not None and not unfitted:
            faults = {f["id"] for f in self.capture["faults"]}
            wanted = [w for w in wanted if set(w[0].split(" + ")) <= faults]
        self.probe(wanted)

    def run(self):
        begun = time.time()
        with tempfile.TemporaryDirectory(prefix="pitprop-torch-") as self.home:
            os.makedirs(self.directory, exist_ok=True)
            self.run_script()
            code = self.explain(self.capture)
        say(f"({time.time() - begun:.0f} s)")
        return code

    def explain(self, capture):
        """The page about a capture; 3: there was no training in it."""
        self.capture = capture
        os.makedirs(self.directory, exist_ok=True)
        self.tell_error()
        self.trials = Trials(self.options, capture, self.order, self.cwd, self.home)
        if capture["trained"]:
            self.tell_capture()
            self.tell_verdicts()
        self.tell_faults()
        if capture["trained"]:
            self.look_for_cause()
        else:
            say("\nNo training was seen: no backward pass of a loss with predictions and targets that could be read.")
            self.name_certain()
        self.tell_diff()
        self.prove()
        self.write_repro()
        program.write(os.path.join(self.directory, "answer.json"), self.answer)
        say(f"\nEverything: {os.path.relpath(self.directory, self.cwd)}")
        return 0 if capture["trained"] or self.answer["faults"] else 3

    def name_certain(self):
        """The answer where faults are certain, but for the broadcast, which is a job's as well."""
        certain = [f["id"] for f in self.answer["faults"] if f["certain"] and f["id"] != "target-broadcast"]
        if certain and self.capture["trained"] and set(certain) <= DELIBERATE and self.is_well():
            self.changes = []
            say("\n  Its predictions are good all the same, so this may well be meant; it is not taken for a fault.")
            return False
        if certain:
            self.answer.update(answer="fault", causes=certain)
        return bool(certain)

    def look_for_cause(self):
        is_job = self.write_job()
        if self.name_certain():  # a job does not have them
            pass
        elif is_job and not self.options.no_why:
            self.find_cause()
            self.tell_cause()
        self.try_what_is_left(is_job)


def main(options):
    try:
        program.find()
        return Flow(options).run()
    except (program.Missing, program.Failed, rerun.ScriptFailed) as reason:
        print(f"pitprop: error: torch: {reason}", file=sys.stderr)
        return 3
