"""Writes a table as people have it, with a known truth, for tour.sh: parcels.csv with the answers, new.csv without, and
truth.csv with those of new.csv. `late` follows load, distance, season and carrier; `refund` is late under another name.

    python3 tour_table.py DIRECTORY"""

import csv
import datetime
import random
import sys

CARRIERS = ["Hale, Sons", "Norn", "Veld Post", "Quick"]


def rows(count, seed):
    dice = random.Random(seed)
    for i in range(count):
        carrier = dice.randrange(len(CARRIERS))
        day = datetime.date(2021, 1, 1) + datetime.timedelta(days=dice.randrange(365))
        load, distance = dice.lognormvariate(1, 0.6), dice.uniform(5, 900)
        winter = day.month in (12, 1, 2)
        score = 0.5 * (load - 3) + (distance - 450) / 150 + 1.5 * winter + (0, 1.5, -1.5, -3)[carrier] + dice.gauss(0, 0.7)
        late = score > 0
        yield {"parcel": f"{seed}-{i:05d}", "sent": day.isoformat(), "carrier": CARRIERS[carrier],
               "load": "" if dice.random() < 0.05 else f"{load:.2f}", "distance": f"{distance:,.1f}",
               "winter": "yes" if winter else "no", "refund": 1 if late else 0, "late": "late" if late else "in time"}


def write(path, table, columns):
    with open(path, "w", newline="", encoding="utf-8") as file:  # csv ends lines with CRLF
        out = csv.DictWriter(file, columns, extrasaction="ignore")
        out.writeheader()
        out.writerows(table)


def main():
    home, columns = sys.argv[1], ["parcel", "sent", "carrier", "load", "distance", "winter"]
    new = list(rows(500, 2))
    write(f"{home}/parcels.csv", rows(2000, 1), columns + ["refund", "late"])
    write(f"{home}/new.csv", new, columns)
    write(f"{home}/truth.csv", new, ["parcel", "late"])


if __name__ == "__main__":
    main()
