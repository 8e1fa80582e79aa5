"""Read an xz file within a bounded memory.

An xz header says how large a dictionary its reader must keep, up to 4 GB, and ``lzma.open`` believes it.
"""

import lzma
from pathlib import Path

MAX_MEMORY = 256 << 20  # `xz -9` asks for 65 MB
_CHUNK = 1 << 16


class XzFile:
    """An xz file for reading forwards: streams one after the other, with padding between them.

    Raises:
        lzma.LZMAError: the data are damaged, or ask for more than ``MAX_MEMORY``.
        EOFError: they end before their end mark.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY)
        self._at = 0

    def __enter__(self) -> "XzFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, fewer at the end alone."""
        parts, left = [], size
        while left and (data := self._some(left)):
            parts.append(data)
            left -= len(data)
        self._at += size - left
        return b"".join(parts)

    def _some(self, most: int) -> bytes:
        while True:
            chunk = b""
            if self._decoder.eof:
                chunk = self._decoder.unused_data.lstrip(b"\0") or self._file.read(_CHUNK).lstrip(b"\0")
                if not chunk:
                    return b""
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY)
            elif self._decoder.needs_input:
                chunk = self._file.read(_CHUNK)
                if not chunk:
                    raise EOFError("the compressed file ends before its end mark")
            if data := self._decoder.decompress(chunk, most):
                return data

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int) -> int:
        """Read on to an offset that is not passed yet."""
        if offset < self._at:
            raise lzma.LZMAError("the archive leads backwards")
        while self._at < offset and self.read(min(offset - self._at, _CHUNK)):
            pass
        return self._at
