"""A Slurm cluster of several nodes on this machine, for tests: real slurmctld, slurmd and munged.

A node is a network namespace on a private bridge with its own host name, /dev/shm and Slurm spool;
files are shared, as on NFS. Everything lies in one directory and ends with stop(): daemons by
process id, step daemons by the configuration in their environment, namespaces and bridge by name.

Two things are not as on a real machine: cores are shared, so ranks that wait must yield them, and
there is no accounting, so `sacct` is not to be had."""

import os
import shutil
import signal
import socket
import subprocess
import time

ENDS = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
DAEMONS = ("munged", "slurmctld", "slurmd")
PROGRAMS = DAEMONS + ("sbatch", "srun", "scontrol", "squeue", "ip", "nsenter", "unshare", "mpirun")

CONFIGURATION = """\
ClusterName=pitprop
SlurmctldHost={host}({subnet}.254)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# a requeued job waits until its old credential has expired
AuthInfo=socket={home}/run/munge.socket,cred_expire=5
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool/%n
SlurmctldPidFile={home}/run/slurmctld.pid
SlurmdPidFile={home}/run/slurmd-%n.pid
SlurmctldLogFile={home}/log/slurmctld.log
SlurmdLogFile={home}/log/slurmd-%n.log
# PMIx keeps its sockets here, one directory a node
TmpFS={home}/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=100000,batch_sched_delay=1
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=600
JobRequeue=1
"""


def why_not():
    """Why no cluster can be had here; None: it can."""
    if os.geteuid() != 0:
        return "network namespaces and munged want root"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    probe = f"ppprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=False)
    return None


def wait_until(condition, limit):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def free_port():
    with socket.socket() as s:
        s.bind(("", 0))
        return s.getsockname()[1]


def free_subnet():
    """A /24 that no address of this machine lies in."""
    used = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True)
    for i in range(100, 250):
        if f"inet 10.77.{i}." not in used.stdout:
            return f"10.77.{i}"
    raise RuntimeError("10.77.100.0 to 10.77.249.0 are all in use")


class Cluster:
    def __init__(self, home, nodes=4, cores=2):
        self.home, self.cores = home, cores
        self.prefix = f"pp{os.getpid()}"
        self.bridge = f"{self.prefix}br"
        self.names = [f"n{i}" for i in range(1, nodes + 1)]
        self.subnet, self.port = free_subnet(), free_port()
        self.processes = {}  # daemon -> Popen
        self.environment = {
            "SLURM_CONF": f"{home}/slurm.conf",
            "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin",
        }

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def run(self, *words, check=True):
        return subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True,
            check=check
        )

    def out(self, *words):
        return self.run(*words).stdout.strip()

    # ---- start ----

    def write_files(self):
        for folder in ("log", "run", "state", "spool", "tmp", "munge"):
            os.makedirs(self.path(folder))
        os.chmod(self.home, 0o755)
        os.chmod(self.path("munge"), 0o700)
        with open(self.path("munge", "key"), "wb") as file:
            file.write(os.urandom(1024))
        os.chmod(self.path("munge", "key"), 0o400)
        text = CONFIGURATION.format(
            home=self.home, subnet=self.subnet, port=self.port, host=socket.gethostname()
        )
        hosts = ["127.0.0.1 localhost", f"{self.subnet}.254 {socket.gethostname()}"]
        for i, name in enumerate(self.names, 1):
            hosts.append(f"{self.subnet}.{i} {name}")
            text += (
                f"NodeName={name} NodeAddr={self.subnet}.{i} Port={self.port + 1} RealMemory=4096 "
                f"CPUs={self.cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={self.cores}\n"
            )
        text += "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        for name, content in (
            ("slurm.conf", text),
            ("hosts", "\n".join(hosts) + "\n"),
            ("cgroup.conf", "CgroupPlugin=cgroup/v1\n"),
        ):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(content)

    def make_network(self):
        self.run("ip", "link", "add", self.bridge, "type", "bridge")
        self.run("ip", "addr", "add", f"{self.subnet}.254/24", "dev", self.bridge)
        self.run("ip", "link", "set", self.bridge, "up")
        for i, name in enumerate(self.names, 1):
            space, cable = self.prefix + name, self.cable(name)
            self.run("ip", "netns", "add", space)
            self.run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns",
                     space)
            self.run("ip", "link", "set", cable, "master", self.bridge, "up")
            self.run("ip", "-n", space, "addr", "add", f"{self.subnet}.{i}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                self.run("ip", "-n", space, "link", "set", device, "up")

    def cable(self, name):
        return f"{self.prefix}v{name}"

    def spawn(self, name, words):
        with open(self.path("log", f"{name}.out"), "ab") as out:
            self.processes[name] = subprocess.Popen(
                words, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True,
            )

    def start_node(self, name):
        for folder in ("spool", "tmp"):
            os.makedirs(self.path(folder, name), exist_ok=True)
        script = (
            'mount --bind "$1/hosts" /etc/hosts && mount -t tmpfs -o mode=1777 shm /dev/shm && '
            'hostname "$2" && exec slurmd -N "$2" -f "$1/slurm.conf" -D'
        )
        self.spawn(f"slurmd-{name}", [
            "nsenter", f"--net=/run/netns/{self.prefix}{name}", "unshare", "--mount", "--uts",
            "--propagation", "private", "sh", "-c", script, "sh", self.home, name])

    def start(self):
        self.write_files()
        self.make_network()
        self.spawn("munged", [
            "munged", "--foreground", f"--key-file={self.path('munge', 'key')}",
            f"--socket={self.path('run', 'munge.socket')}",
            f"--pid-file={self.path('run', 'munged.pid')}",
            f"--log-file={self.path('log', 'munged.log')}",
            f"--seed-file={self.path('munge', 'seed')}"])
        self.demand(lambda: os.path.exists(self.path("run", "munge.socket")), 10, "munged")
        self.spawn("slurmctld", ["slurmctld", "-f", self.path("slurm.conf"), "-D"])
        self.demand(self.is_answering, 20, "slurmctld")
        for name in self.names:
            self.start_node(name)
        self.demand(self.all_idle, 30, "slurmd")
        return self

    def demand(self, condition, limit, what):
        if wait_until(condition, limit):
            return
        logs = [self.path("log", f) for f in sorted(os.listdir(self.path("log"))) if what in f]
        tails = "".join(open(f, encoding="utf-8", errors="replace").read()[-1500:] for f in logs)
        raise RuntimeError(f"{what} does not come up:\n{tails}")

    def is_answering(self):
        return self.run("scontrol", "ping", check=False).returncode == 0

    def all_idle(self):
        found = self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N %t", check=False).stdout
        return found.count(" idle\n") == len(self.names)

    # ---- use ----

    def link(self, name, state):
        """The cable of a node: "down" cuts it off without a word."""
        self.run("ip", "link", "set", self.cable(name), state)

    def job(self, number):
        """The fields of a job, as scontrol shows them."""
        text = self.run("scontrol", "show", "job", "-o", str(number), check=False).stdout
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def state(self, number):
        return self.job(number).get("JobState")

    def wait(self, number, limit=180):
        """Waits for the job's end; returns its fields."""
        if not wait_until(lambda: self.state(number) in ENDS, limit):
            raise AssertionError(f"job {number} after {limit} s: {self.job(number)}")
        return self.job(number)

    # ---- stop ----

    def step_daemons(self):
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/comm", encoding="utf-8") as file:
                    if not entry.isdigit() or file.read().strip() != "slurmstepd":
                        continue
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if f"SLURM_CONF={self.home}/slurm.conf".encode() in file.read().split(b"\0"):
                        yield int(entry)
            except OSError:
                continue

    def stop(self):
        self.run("scancel", "--quiet", "--user=root", check=False)
        wait_until(lambda: not self.run("squeue", "-h", check=False).stdout.strip(), 15)
        for name in sorted(self.processes, key=lambda n: n == "munged"):
            process = self.processes[name]
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in self.step_daemons():
            os.kill(pid, signal.SIGKILL)
        for name in self.names:
            self.run("ip", "netns", "del", self.prefix + name, check=False)
            self.run("ip", "link", "del", self.cable(name), check=False)
        self.run("ip", "link", "del", self.bridge, check=False)
