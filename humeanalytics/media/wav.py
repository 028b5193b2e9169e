"""The plainest WAV there is: 44 bytes of header, then 16-bit samples, mono, 16 kHz.

Hume refuses WAVE_FORMAT_EXTENSIBLE and headers without sizes, and takes anything it does not know for bare samples. So the
header is written here, byte by byte, with a 16 byte ``fmt`` chunk and the ``data`` chunk, and nothing between.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

#: Samples a second of all sound that is prepared here.
RATE_HZ = 16_000
SAMPLE_BYTES = 2
HEADER_BYTES = 44
#: So many samples make a millisecond; whatever begins at a multiple of them begins at a whole millisecond.
SAMPLES_PER_MS = RATE_HZ // 1000

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_READ_BYTES = 1 << 20


def header(samples: int) -> bytes:
    """Return the 44 bytes that go before ``samples`` samples.

    >>> len(header(16_000)), header(1)[-4:]
    (44, b'\\x02\\x00\\x00\\x00')
    """
    data_bytes = samples * SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE_HZ,
        RATE_HZ * SAMPLE_BYTES,
        SAMPLE_BYTES,
        8 * SAMPLE_BYTES,
        b"data",
        data_bytes,
    )


def verified_sha256(path: Path, samples: int) -> str:
    """Read a WAV file back from disk; return its sha256 once its header and its length are those of ``samples`` samples.

    Raises:
        OSError: The disk holds something else than was written.
    """
    sha256, size_bytes, expected = hashlib.sha256(), 0, header(samples)
    with path.open("rb") as file:
        if (found := file.read(HEADER_BYTES)) != expected:
            raise OSError(f"{path} begins with {found.hex()} instead of {expected.hex()}: the disk lost what was written.")
        sha256.update(found)
        while piece := file.read(_READ_BYTES):
            sha256.update(piece)
            size_bytes += len(piece)
    if size_bytes != samples * SAMPLE_BYTES:
        raise OSError(f"{path} holds {size_bytes:,} bytes of sound instead of {samples * SAMPLE_BYTES:,}.")
    return sha256.hexdigest()
