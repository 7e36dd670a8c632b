"""Read many P_Key tables in one process: lines "LID PORT" in, lines "LID PORT 0xffff 0x8065 ..." out.

`smpquery pkeys` reads one port and needs a process (8 ms) each time. saquery's PKTR cannot read all ports: its answer
has many packets (RMPP), which the kernel assembles and umad2sim does not, so only the first packet arrives. This
program calls libibmad for each port, as smpquery does. `lab.fabric.tools` runs it with umad2sim preloaded. It imports
nothing of the project.
"""

import ctypes
import sys

IB_SMI_CLASS, IB_SMI_DIRECT_CLASS = 0x01, 0x81
IB_ATTR_PKEY_TBL = 0x16
BLOCK = 32
"""P_Keys in one SMP (InfiniBand Architecture Specification 1, 14.2.5.7)."""
BLOCKS = 2
"""ibsim's HCA ports hold 64 P_Keys."""
TIMEOUT_MS = 1000


class PortId(ctypes.Structure):
    """`ib_portid_t` of infiniband/mad.h with a LID; the fields that a query by LID does not use are one block."""

    _fields_ = [("lid", ctypes.c_int), ("rest", ctypes.c_ubyte * 252)]


def main() -> int:
    """Answer the queries on standard input, a line each; return the exit status."""
    mad = ctypes.CDLL("libibmad.so.5")
    mad.mad_rpc_open_port.restype = ctypes.c_void_p
    mad.smp_query_via.restype = ctypes.c_void_p
    mad.smp_query_via.argtypes = [
        ctypes.c_char_p, ctypes.POINTER(PortId), ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p,
    ]  # fmt: skip
    classes = (ctypes.c_int * 2)(IB_SMI_CLASS, IB_SMI_DIRECT_CLASS)
    port = mad.mad_rpc_open_port(None, 0, classes, 2)
    if not port:
        print("libibmad opens no port", file=sys.stderr)
        return 1
    for line in sys.stdin:
        lid, number = map(int, line.split())
        keys: list[str] = []
        for block in range(BLOCKS):
            data = ctypes.create_string_buffer(64)
            path = PortId(lid=lid)
            if not mad.smp_query_via(data, path, IB_ATTR_PKEY_TBL, (number << 16) | block, TIMEOUT_MS, port):
                print(f"no answer from LID {lid}", file=sys.stderr)
                return 1
            values = (int.from_bytes(data.raw[at : at + 2], "big") for at in range(0, 2 * BLOCK, 2))
            keys += [f"0x{value:04x}" for value in values if value]
        print(lid, number, *keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
