"""Rows of the table in README.md from the answers of `pitprop why --json`: table.py row FILE..."""

import json
import os
import sys


def row(path):
    with open(path, encoding="utf-8") as file:
        why = json.load(file)
    name = os.path.basename(path)[len("why-"):-len(".json")]
    job = why["controls"][0]
    before = f"{job['score']:.2f}" if "score" in job else "-"
    remedy = why.get("remedy")
    after = f"{remedy['score']:.2f}" if remedy else "-"
    change = next((p["label"] for p in why["probes"] if remedy and p["patch"] == remedy["patch"]), "-")
    found = ", ".join(f"`{c}`" for c in why["causes"][:2 if why["answer"] != "cause" else 1]) or "-"
    return f"| [{name}]({name}.json) | {why['verdict'].get('before', '-')} | {why['answer']}: {found} | {change} | {before} | {after} |"


if __name__ == "__main__":
    for file in sys.argv[2:]:
        print(row(file), flush=True)
