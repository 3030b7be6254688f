"""Where in the user's own code something was called."""

import os
import sys
import sysconfig

import torch

LIBRARIES = tuple(
    {
        os.path.dirname(os.path.abspath(path)) + os.sep
        for path in (__file__, torch.__file__, os.__file__)
    }
    | {sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib", "stdlib")}
)


def is_library(path):
    return path.startswith(LIBRARIES) or path.startswith("<") or "dist-packages" in path


def is_users(frame):
    return not is_library(frame.f_code.co_filename)


def rows_of(what):
    """Of an array, or of a number of rows."""
    return len(what) if hasattr(what, "__len__") else int(what)


def here():
    """(file, line number) of the innermost frame that is no library's; None: there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not is_library(path):
            return path, frame.f_lineno
        frame = frame.f_back
    return None
