"""Measures and prints the table; run.sh calls it with what it needs."""
import argparse
import json
import os
import platform
import sys
import time

import measure
import nets


def options():
    parser = argparse.ArgumentParser(prog="run.sh", description="Speed and memory beside PyTorch's "
                                     "DistributedDataParallel over gloo, and of streamed rows.")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side, by turns (default 3)")
    parser.add_argument("--seconds", type=float, default=4, help="measured part of a run (default 4)")
    parser.add_argument("--starts", type=int, default=7, help="runs that measure the start-up (default 7)")
    parser.add_argument("--part", action="append", choices=["training", "streaming", "sweeps"],
                        help="only this part; may be repeated. streaming and sweeps want no PyTorch")
    parser.add_argument("--rows", type=int, default=1_000_000, help="streaming: rows (default 1000000)")
    parser.add_argument("--seeds", type=int, default=5, help="sweeps: searches of each kind (default 5)")
    parser.add_argument("--points", type=int, default=200, help="sweeps: trials of asha (default 200)")
    parser.add_argument("--ranks", type=int, default=nets.RANKS,
                        help=f"streaming: ranks (default {nets.RANKS}; 1 where others use the machine)")
    parser.add_argument("--net", action="append", choices=[nets.name(n) for n in nets.NETS],
                        help="only this net; may be repeated")
    parser.add_argument("--batch", action="append", type=int, help="rows of a batch; may be repeated (each net's own)")
    parser.add_argument("--peers", nargs="+", choices=[p.name for p in measure.PEERS], default=["eager", "compiled"],
                        help="how PyTorch runs: two processes of one thread under DistributedDataParallel, one of two "
                        "threads (1x2), one of one (1x1); the best of those on as many cores counts "
                        "(default: eager compiled)")
    for name in ("--pitprop", "--torch", "--work", "--load"):
        parser.add_argument(name, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def busy_cores(seconds=2.0):
    """Cores that others keep busy, measured while this process sleeps."""
    def idle():
        with open("/proc/stat", encoding="utf-8") as file:
            return sum(map(int, file.readline().split()[4:6])) / os.sysconf("SC_CLK_TCK")
    begun, before = time.monotonic(), idle()
    time.sleep(seconds)
    return max(0.0, os.cpu_count() - (idle() - before) / (time.monotonic() - begun))


def print_machine(bench, load):
    version, busy = bench.version(), busy_cores()
    print(f"pitprop   {version['pitprop']}, {version['MPI']}, HDF5 {version['HDF5']}")
    print(f"BLAS      {version['cpu']}")
    print(f"machine   {os.cpu_count()} cores, {processor()}, {platform.system()} {platform.release()}")
    print(f"load      {load:.2f} before the start; {busy:.2f} cores busy with other things now")
    print(f"kernel    {bench.kernel()}")
    if "this CPU can run" in version["cpu"]:
        print("WARNING   that kernel does not use all of this CPU: Pitprop is slower here than it can be")
    if load > 0.5 or busy > 0.1:
        print("WARNING   other work is going on: these numbers are not to be relied on")
    sys.stdout.flush()


def measure_net(bench, net, rounds, peers):
    """All runs of a net, by turns, so that a change of the machine's speed meets all alike. A round in which a peer
    did not live has None for it."""
    r = {"lanes_8": [], "torch": {p.name: [] for p in peers}, "lanes_2": [], "one": [], "gemm": [],
         "plan": bench.plan(net)}
    for k in (8, 2):
        bench.window(net, k)
    for i in range(rounds):
        r["lanes_8"].append(bench.pitprop_speed(net, 8))
        for peer in peers:
            r["torch"][peer.name].append(bench.torch_speed(net, peer, tell))
        r["lanes_2"].append(bench.pitprop_speed(net, 2))
        r["one"].append(bench.pitprop_speed(net, 8, 1))
        seconds, r["kernel"] = bench.gemm_step(net)
        r["gemm"].append(seconds)
        beside = ", ".join(f"PyTorch {name} {rows[-1]['rows_per_s']:,.0f}" for name, rows in r["torch"].items()
                           if rows[-1] is not None)
        tell(f"{nets.label(net)}, round {i + 1}: {r['lanes_8'][-1]['rows_per_s']:,.0f} samples/s; {beside}")
    r["peak"] = bench.peak(net)
    return r


def tell(text):
    print(text, file=sys.stderr, flush=True)


def measure_start(bench, runs):
    bench.first_step(nets.SMALL)  # the program and its libraries come into the page cache
    pairs = [bench.first_step(nets.SMALL) for _ in range(runs)]
    return {"first_step": [first for first, _ in pairs], "whole": [whole for _, whole in pairs],
            "bare": [bench.bare_seconds() for _ in range(runs)], "bare_peak": bench.bare_peak()}


def wanted_nets(o):
    found = [n for n in nets.NETS if o.net is None or nets.name(n) in o.net]
    return [n._replace(batch=batch) for n in found for batch in o.batch or [n.batch]]


def measure_training(bench, o):
    import table

    peers = [p for p in measure.PEERS if p.name in o.peers]
    start, results = measure_start(bench, o.starts), {}
    for net in wanted_nets(o):
        results[net] = measure_net(bench, net, o.rounds, peers)
        keep(bench, {"start": start, "nets": {nets.label(n): r for n, r in results.items()}})
    versions = {row["version"] for r in results.values() for rows in r["torch"].values() for row in rows if row}
    print(f"pytorch   {', '.join(sorted(versions)) or 'did not live'}; DistributedDataParallel over gloo on loopback")
    table.speed(results, o.rounds, o.seconds)
    table.peers(results)
    table.share(results)
    table.scaling(results)
    table.lanes(results)
    table.start(start)
    table.memory(results, start["bare_peak"])
    version = bench.version()
    table.markdown(results, f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {processor()}; Pitprop "
                   f"{version['pitprop']}, OpenBLAS kernel {bench.kernel()}, {version['MPI']}, PyTorch "
                   f"{', '.join(sorted(versions)) or '-'}; medians of {o.rounds} rounds by turns (least to greatest)",
                   "bash tests/bench/run.sh " + " ".join(sys.argv[sys.argv.index("--load") + 2:]))
    return {"start": start, "nets": {nets.label(n): r for n, r in results.items()}}


def keep(bench, numbers):
    with open(bench.path("results.json"), "w", encoding="utf-8") as file:
        json.dump(numbers, file, indent=1)


def measure_streaming(bench, o):
    import stream

    found = stream.measure_streams(bench, o.rows, o.ranks, o.rounds, tell)
    stream.show(found)
    return {"streams": found}


def measure_sweeps(bench, o):
    import sweeps

    found = sweeps.measure_sweeps(bench, o.rounds, o.seeds, o.points, tell)
    sweeps.show(found)
    return {"sweeps": found}


def main():
    o = options()
    if os.cpu_count() < nets.RANKS:
        sys.exit(f"bench: needs {nets.RANKS} cores")
    bench = measure.Bench(o.pitprop, o.torch, o.work, o.seconds)
    print_machine(bench, float(o.load))
    numbers = {}
    for part, run in (("training", measure_training), ("streaming", measure_streaming), ("sweeps", measure_sweeps)):
        if o.part is None or part in o.part:
            numbers.update(run(bench, o))
    keep(bench, numbers)
    print(f"\nall numbers: {bench.path('results.json')}")


main()
