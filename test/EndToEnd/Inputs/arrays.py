"""Arrays of 32-bit floats in files, for the scripts beside this one."""

import json
import struct


def npy(shape, values):
    """An .npy of version 1."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header.encode()
        + struct.pack(f"<{len(values)}f", *values)
    )


def read_npy(data):
    """Shape and values of an .npy of version 1."""
    size = struct.unpack_from("<H", data, 8)[0]
    header = data[10 : 10 + size].decode()
    assert "'<f4'" in header and "'fortran_order': False" in header, header
    shape = header.split("(")[1].split(")")[0]
    values = struct.unpack(f"<{(len(data) - 10 - size) // 4}f", data[10 + size :])
    return [int(dim) for dim in shape.split(",") if dim.strip()], list(values)


def read_safetensors(path):
    """Of each array its dtype, shape and bytes; without the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: (
            entry["dtype"],
            entry["shape"],
            data[8 + size :][slice(*entry["data_offsets"])],
        )
        for name, entry in header.items()
    }
