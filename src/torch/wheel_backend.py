"""Builds the wheel of a package of plain Python: no build tool and no index is needed for it (PEP 517, PEP 427)."""

import base64
import hashlib
import os
import re
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "pyproject.toml"), encoding="utf-8") as _file:
    PROJECT = dict(re.findall(r'^([\w-]+) = "(.*)"$', _file.read(), re.MULTILINE))
NAME, VERSION = PROJECT["name"].replace("-", "_"), PROJECT["version"]
INFO = f"{NAME}-{VERSION}.dist-info"
METADATA = f"""Metadata-Version: 2.1
Name: {PROJECT["name"]}
Version: {VERSION}
Summary: {PROJECT["description"]}
Requires-Python: {PROJECT["requires-python"]}
Requires-Dist: torch
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: pitprop\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
PROGRAMS = ("../../../bin/pitprop", "../../build/pitprop")  # from here: installed, built in the sources


def files():
    """(name in the wheel, bytes) of everything."""
    for name in sorted(os.listdir(os.path.join(HERE, NAME))):
        if name.endswith(".py") or name == "py.typed":
            with open(os.path.join(HERE, NAME, name), "rb") as file:
                yield f"{NAME}/{name}", file.read()
    found = [path for path in (os.path.normpath(os.path.join(HERE, p)) for p in PROGRAMS) if os.path.exists(path)]
    yield f"{NAME}/program.txt", "\n".join(found).encode()
    yield f"{INFO}/METADATA", METADATA.encode()
    yield f"{INFO}/WHEEL", WHEEL.encode()


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    record = ""
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files():
            wheel.writestr(path, data)
            record += f"{path},sha256={digest(data)},{len(data)}\n"
        wheel.writestr(f"{INFO}/RECORD", record + f"{INFO}/RECORD,,\n")
    return name
