#!/usr/bin/env python3
"""Runs pitprop torch on every script beside this file and compares with the truth in its first line.

usage: kinds.py [NAME]...     (PITPROP: the program; the table goes to stdout; about a minute a script)
A cause is right where a fault or cause of the answer is in the truth; the proof holds where all three
reruns are better."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "scripts")
PITPROP = os.path.abspath(os.environ.get("PITPROP", os.path.join(HERE, "..", "..", "build", "pitprop")))


def truth_of(name):
    with open(os.path.join(SCRIPTS, name + ".py"), encoding="utf-8") as file:
        return [word.strip() for word in file.readline().split(":", 1)[1].split(",")]


def answer_of(name, folder):
    for file in (name + ".py", "data.py"):
        shutil.copy(os.path.join(SCRIPTS, file), folder)
    words = [PITPROP, "torch", "--quiet", "-o", "out", name + ".py"]
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    with open(os.path.join(folder, "page.txt"), "wb") as page:
        subprocess.run(
            words, cwd=folder, env=dict(os.environ, PATH=path), stdout=page, stderr=page,
            stdin=subprocess.DEVNULL, timeout=400,
        )
    with open(os.path.join(folder, "out", "answer.json"), encoding="utf-8") as file:
        return json.load(file)


def said(answer):
    """What the page names: faults that are certain, else the answer and its causes."""
    certain = [f["id"] for f in answer["faults"] if f.get("certain")]
    return certain or answer.get("causes") or [answer.get("answer", "nothing")]


def main():
    names = sys.argv[1:] or sorted(f[:-3] for f in os.listdir(SCRIPTS) if f.endswith(".py") and f != "data.py")
    right = proven = wanted = 0
    for name in names:
        begun = time.time()
        with tempfile.TemporaryDirectory() as folder:
            try:
                answer = answer_of(name, folder)
            except (OSError, subprocess.TimeoutExpired, ValueError) as reason:
                answer = {"faults": [], "answer": f"none ({type(reason).__name__})"}
        truth, found = truth_of(name), said(answer)
        good = bool(set(found + [answer.get("answer")]) & set(truth))
        right += good
        needs_proof = not {"healthy", "no-signal"} & set(truth)
        wanted += good and needs_proof
        proven += bool(good and needs_proof and answer.get("proof"))
        print(f"{'right' if good else 'WRONG':5s} {name:28s} {', '.join(found)[:50]:50s} proof {answer.get('proof', '-')!s:5s} "
              f"truth {', '.join(truth)[:60]}  {time.time() - begun:.0f} s", flush=True)
    print(f"{right} of {len(names)} right; the proof holds in {proven} of {wanted} that need one")


if __name__ == "__main__":
    main()
