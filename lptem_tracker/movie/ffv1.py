"""Checksums inside FFV1 packets: the decoder only logs a mismatch and fills in pixels of the frame before.

RFC 9043, sections 4.9 and 4.10: with ``ec`` every slice ends with its size (24 bits), an error status (8 bits) and a
CRC-32 (polynomial 0x04C11DB7, most significant bit first) that makes the CRC of the whole slice zero.
"""

from __future__ import annotations

import zlib

_FOOTER = 8
# zlib takes bits the other way round: reversing those of every byte gives the same remainder, reversed
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def slices_are_whole(packet: bytes) -> bool:
    """Return whether a packet is a chain of slices whose checksums are all right.

    Parameters
    ----------
    packet : bytes
        One frame of FFV1 version 3 with error detection (``slicecrc=1``, the default of version 3); packets
        of other versions have no such chain and give False.
    """
    end = len(packet)
    while end > 0:
        if end <= _FOOTER:
            return False
        size = int.from_bytes(packet[end - 8 : end - 5], "big") + _FOOTER
        if size > end:
            return False
        turned = packet[end - size : end].translate(_REVERSED)
        if zlib.crc32(turned, 0xFFFFFFFF) != 0xFFFFFFFF:  # zlib inverts before and after
            return False
        end -= size
    return True
