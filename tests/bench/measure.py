"""The measurements, one function each; every command runs on nets.RANKS processes of one thread."""
import collections
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import nets

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   PYTHONDONTWRITEBYTECODE="1")
LIMIT = 300  # seconds of one command
TRIES = 3  # of a peer that dies: gloo aborts at its end now and then
WINDOWS = 4  # step rows that count in a run; one more before them warms up


# How PyTorch runs beside us; at most as many cores as nets.RANKS.
Peer = collections.namedtuple("Peer", "name compiled ranks threads")
PEERS = [Peer("eager", False, 2, 1), Peer("compiled", True, 2, 1), Peer("eager-1x2", False, 1, 2),
         Peer("compiled-1x2", True, 1, 2), Peer("eager-1x1", False, 1, 1), Peer("compiled-1x1", True, 1, 1)]


def fail(words, code, text):
    sys.exit(f"bench: {' '.join(words)}: exit code {code}\n{text[-3000:]}")


def run(words, environment=None):
    """Runs a command to its end and returns what it printed."""
    try:
        done = subprocess.run(words, env=environment or ENVIRONMENT, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"bench: {' '.join(words)}: no end within {LIMIT} s")
    if done.returncode != 0:
        fail(words, done.returncode, done.stdout + done.stderr)
    return done.stdout


def on_ranks(*words, ranks=nets.RANKS):
    return ["mpirun", "-n", str(ranks), *words]


def wait_for(processes):
    """Until all have ended well, one has not, or the time is over: then the others are ended. Exit codes."""
    end = time.monotonic() + LIMIT
    codes = [None]
    while any(code is None for code in codes) and not any(codes) and time.monotonic() < end:
        time.sleep(0.01)
        codes = [process.poll() for process in processes]
    for process in processes:
        process.kill()
    return [process.wait() for process in processes]


class Bench:
    """pitprop: the program; torch: a Python that has PyTorch; work: directory with gemm and bare, for scratch."""

    def __init__(self, pitprop, torch, work, seconds):
        self.pitprop, self.torch, self.work, self.seconds = map(str, (pitprop, torch, work, seconds))
        self.parts = None
        self.steps = {}  # (net, lanes) -> steps in a window

    def path(self, name):
        return os.path.join(self.work, name)

    def data_file(self, net):
        path = self.path(f"data-{nets.name(net)}-{net.rows}.h5")
        if not os.path.exists(path):
            import h5py

            x, y = nets.data(net)
            with h5py.File(path + ".part", "w") as file:
                file["x"], file["y"] = x, y.astype("u1")
            os.rename(path + ".part", path)
        return path

    def job_file(self, net, lanes, steps, log_steps):
        path = self.path("job.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(nets.job(net, self.data_file(net), lanes, steps, log_steps), file)
        return path

    def training(self, job, *wrapper, ranks=nets.RANKS):
        return on_ranks(*wrapper, self.pitprop, "train", job, "-o", self.path("run"), "--overwrite", "-q", ranks=ranks)

    def step_rows(self, net, lanes, steps, log_steps, ranks=nets.RANKS):
        """Trains; the member "timing" of every step row."""
        run(self.training(self.job_file(net, lanes, steps, log_steps), ranks=ranks))
        with open(self.path("run/metrics.jsonl"), encoding="utf-8") as file:
            return [row["timing"] for row in map(json.loads, file) if row["type"] == "step"]

    def window(self, net, lanes):
        """Steps that take a share of the time of a measurement: tried once for each net and number of lanes."""
        wanted, steps = float(self.seconds) / WINDOWS, 8
        while (net, lanes) not in self.steps:
            took = self.step_rows(net, lanes, 2 * steps, steps)[1]["seconds"]
            if took > wanted / 4:
                self.steps[net, lanes] = max(1, round(steps * wanted / took))
            steps = max(2 * steps, min(64 * steps, int(steps * wanted / took)))
        return self.steps[net, lanes]

    def pitprop_speed(self, net, lanes, ranks=nets.RANKS):
        """Rates of the steps after the warm-up. The run holds no checkpoint and no evaluation before its end."""
        steps = self.window(net, lanes)
        rows = self.step_rows(net, lanes, (1 + WINDOWS) * steps, steps, ranks)[1:]
        seconds = sum(row["seconds"] for row in rows)
        trained = sum(row["rows_per_s"] * row["seconds"] for row in rows)
        return {"rows_per_s": trained / seconds, "steps": WINDOWS * steps, "seconds": seconds,
                "step_s": seconds / (WINDOWS * steps),
                "input": sum(row["input_s"] for row in rows) / seconds,
                "exchange": sum(row["exchange_s"] for row in rows) / seconds}

    def torch_once(self, net, peer):
        """The processes of ddp.py: what the first printed, or None and what went wrong."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # An OpenBLAS of their own picks its kernel itself.
        environment = {k: v for k, v in ENVIRONMENT.items() if not k.startswith(("OPENBLAS_", "PITPROP_"))}
        words = [[self.torch, os.path.join(HERE, "ddp.py"), json.dumps(net._asdict()), json.dumps(peer._asdict()),
                  str(rank), str(port), self.seconds] for rank in range(peer.ranks)]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            codes = wait_for([subprocess.Popen(w, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                                               stderr=errors, text=True) for w in words])
            out.seek(0)
            errors.seek(0)
            if any(codes):
                return None, f"exit codes {codes}: {errors.read()[-500:]}"
            return json.loads(out.read()), ""

    def torch_speed(self, net, peer, say):
        """A peer that dies is tried again; None where it never lives."""
        for attempt in range(TRIES):
            found, fault = self.torch_once(net, peer)
            if found is not None:
                return found
            say(f"PyTorch ({peer.name}) died, try {attempt + 1} of {TRIES}: {fault}")
        return None

    def gemm_step(self, net):
        """Seconds that the bare products of a step take, and the kernel of OpenBLAS."""
        words = on_ranks(self.path("gemm"), self.seconds, str(net.batch // nets.RANKS), *map(str, net.widths))
        out = run(words, dict(ENVIRONMENT, OPENBLAS_CORETYPE=self.kernel()))
        zero, one, kernel = out.split()
        return min(float(zero), float(one)), kernel

    def first_step(self, net):
        """Seconds from the start of mpirun to the first step row, and to the end of the one-step command."""
        words = self.training(self.job_file(net, "auto", 1, 1))
        metrics = self.path("run/metrics.jsonl")
        if os.path.exists(metrics):
            os.remove(metrics)
        begun, first = time.monotonic(), None
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(words, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=errors)
            while process.poll() is None:
                if first is None and os.path.exists(metrics) and os.path.getsize(metrics) > 0:
                    first = time.monotonic() - begun
                time.sleep(0.001)
            whole = time.monotonic() - begun
            errors.seek(0)
            if process.returncode != 0 or first is None:
                fail(words, process.returncode, errors.read())
        return first, whole

    def bare_seconds(self):
        begun = time.monotonic()
        run(on_ranks(self.path("bare")))
        return time.monotonic() - begun

    def peak_of(self, make_words):
        """Peak resident bytes of the largest rank of a command."""
        path = self.path("peaks")
        if os.path.exists(path):
            os.remove(path)
        run(make_words(sys.executable, os.path.join(HERE, "peak.py"), path))
        with open(path, encoding="utf-8") as file:
            return max(map(int, file.read().split()))

    def bare_peak(self):
        return self.peak_of(lambda *wrapper: on_ranks(*wrapper, self.path("bare")))

    def peak(self, net, steps=20):
        job = self.job_file(net, "auto", steps, steps)
        return self.peak_of(lambda *wrapper: self.training(job, *wrapper))

    def plan(self, net):
        """The numbers of `pitprop check`, as {name: first number}; bytes where it speaks of MB."""
        found = {}
        for line in run(on_ranks(self.pitprop, "check", self.job_file(net, "auto", 1, 1))).splitlines():
            name, value = line[:25].strip(), line[25:].split()
            if line.startswith("  ") and value and value[0][0].isdigit():
                found[name] = float(value[0]) * (1e6 if value[1:2] == ["MB"] else 1)
        return found

    def version(self):
        """`pitprop version` as {part: text}."""
        if self.parts is None:
            self.parts = dict(line.split(None, 1) for line in run([self.pitprop, "version"]).splitlines())
        return self.parts

    def kernel(self):
        """Of OpenBLAS, that Pitprop multiplies with here."""
        return self.version()["cpu"].split(" kernel ")[1].split(",")[0].split(";")[0]
