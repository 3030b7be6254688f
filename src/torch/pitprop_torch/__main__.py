"""python3 -m pitprop_torch [options] SCRIPT.py [its arguments]"""

import argparse
import os
import sys

from . import limits


def count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return value


def parse(words):
    parser = argparse.ArgumentParser(
        prog="pitprop torch",
        description="Runs a PyTorch script as it is, reads what it trains, says why it fails, and proves "
        "the repair by reruns of the same script. Options stand before the script.",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="where everything goes (default: pitprop-torch/SCRIPT)")
    parser.add_argument("--no-rerun", action="store_true", help="no reruns of the script: no proof in PyTorch")
    parser.add_argument("--no-why", action="store_true", help="no experiments: what the capture shows alone")
    parser.add_argument("--no-data", action="store_true", help="repro.py gets drawn rows with the moments of yours")
    parser.add_argument("--rows", type=count, default=limits.ROWS, metavar="N", help=f"most rows that are kept; many go to an HDF5 file while it runs ({limits.ROWS})")
    parser.add_argument("--steps", type=count, default=limits.STEPS, metavar="N", help=f"steps that are read in full; of further ones one of {limits.THINNED} ({limits.STEPS})")
    parser.add_argument("--ranks", type=count, default=os.cpu_count() or 1, metavar="N", help="processes of pitprop why (all cores)")
    parser.add_argument("--budget", type=float, metavar="TIMES", help="what experiments may cost: of pitprop why, in trainings of the job, "
                        "and of reruns, in runs of the script (default 3 and 12, more for what takes seconds)")
    parser.add_argument("--shown", type=int, default=12, metavar="N", help="experiments on the page (12)")
    parser.add_argument("-q", "--quiet", action="store_true", help="leave out what the script prints")
    parser.add_argument("script", help="the script, followed by its own arguments")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if not os.path.isfile(options.script):
        parser.error(f"{options.script}: no such file")
    return options


def main():
    options = parse(sys.argv[1:])
    try:
        from . import flow
    except ImportError as reason:
        sys.exit(
            f"pitprop: error: torch: {sys.executable}: {reason}; the script runs in the python3 of the PATH, which "
            "needs torch, numpy and h5py: python3 -m pip install torch numpy h5py"
        )
    sys.exit(flow.main(options))


if __name__ == "__main__":
    main()
