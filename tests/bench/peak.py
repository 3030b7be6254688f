"""Runs a command and adds its peak resident memory, in bytes, as a line to a file: `peak.py FILE COMMAND...`."""
import os
import sys

pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "a", encoding="utf-8") as file:
    file.write(f"{usage.ru_maxrss * 1024}\n")
sys.exit(os.waitstatus_to_exitcode(status))
