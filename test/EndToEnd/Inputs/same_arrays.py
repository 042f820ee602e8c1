"""Compares the arrays of two safetensors files: same_arrays.py A B.

Exits with 1 and names the first array whose bytes differ. Metadata, which names
the artifact, does not count.
"""

import sys

from arrays import read_safetensors

first, second = map(read_safetensors, sys.argv[1:])
if first.keys() != second.keys():
    sys.exit(f"other arrays: {sorted(first.keys() ^ second.keys())}")
for name, array in first.items():
    if array != second[name]:
        sys.exit(f"'{name}' differs")
