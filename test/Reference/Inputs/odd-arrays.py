# Writes an archive with an array without rows and one that is text.
import struct
import sys
import zipfile


def npy(descr, shape, data):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape})
    header = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


with zipfile.ZipFile(sys.argv[1], "w") as archive:
    archive.writestr("none.npy", npy("<f8", (0, 3), b""))
    archive.writestr("text.npy", npy("<U1", (), "a".encode("utf-32-le")))
