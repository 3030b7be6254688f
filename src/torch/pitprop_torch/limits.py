"""What bounds a capture, unless the user says otherwise."""

ROWS = 200000  # that are kept
STEPS = 20000  # backward passes that are read in full
THINNED = 16  # after them, one of so many is read
