"""Compares the arrays of two safetensors files: same_arrays.py A B.

Exits with 1 and names the first array whose bytes differ. Metadata, which names
the artifact, does not count.
"""

import json
import sys


def read(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }


first, second = map(read, sys.argv[1:])
if first.keys() != second.keys():
    sys.exit(f"other arrays: {sorted(first.keys() ^ second.keys())}")
for name, array in first.items():
    if array != second[name]:
        sys.exit(f"'{name}' differs")
