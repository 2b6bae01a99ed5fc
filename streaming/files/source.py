"""Opens a file, plain or compressed, in any encoding: its bytes as UTF-8, and how much of it was read."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

HEAD: Final = 1 << 18
"""Bytes of the beginning that are looked at, to find out what the file is."""

_CHUNK: Final = 1 << 20
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_MARKS: Final = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_FOREIGN: Final = {
    b"ORC": "an ORC file: write it as Parquet or CSV",
    b"Obj\x01": "an Avro file: write it as Parquet, NDJSON or CSV",
    b"SQLite format 3": "a SQLite database: export the table as CSV",
    b"%PDF": "a PDF document",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it, or pack it with gzip, zstd or zip",
    b"Rar!": "a RAR archive: unpack it, or pack it with gzip, zstd or zip",
    b"\x04\x22\x4d\x18": "packed with lz4: unpack it, or pack it with gzip, zstd or zip",
    b"\xff\x06\x00\x00sNaPpY": "packed with snappy: unpack it, or pack it with gzip, zstd or zip",
    b"\x1f\x9d": "packed with compress: unpack it, or pack it with gzip, zstd or zip",
    b"PK\x05\x06": "a zip file without a file in it",
}
_PACKED: Final = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}
BROKEN: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, UnicodeError)
"""What reading raises where a file is not what its beginning says."""


class FileError(ValueError):
    """The file as a whole cannot be used. The message says why, and what to do."""


def _packed(start: bytes) -> str:
    """What the beginning of a packed file says that it is packed with; "" for a file that is not packed."""
    return next((name for mark, name in _PACKED.items() if start.startswith(mark)), "")


def _zstd(raw: IO[bytes]) -> Any:
    """Reads zstd. Arrow's reader, unlike that of zstandard, says when a file ends in the middle of a frame."""
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


def _is_utf8(start: bytes) -> bool:
    """Whether the beginning of a file is UTF-8; its last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _two_bytes_each(start: bytes) -> str:
    """The encoding of text in UTF-16 without a mark: zeros in every other place alone. "" for everything else."""
    zeros = [start[place::2].count(0) * 2 / max(len(start), 1) for place in (0, 1)]
    if abs(zeros[0] - zeros[1]) < 0.4 or min(zeros) > 0.1:
        return ""
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


class Source(io.RawIOBase):
    """The bytes of a file, uncompressed and as UTF-8 without a mark. Raises FileError.

    Bytes that are not UTF-8 stay as they are where neither a mark nor `encoding` says what they are.

    Attributes:
        path: The file.
        head: Its first HEAD bytes.
        packed: What it was compressed with; "" for nothing.
        contradicts: Whether its bytes are UTF-8 although `encoding` names another.
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        super().__init__()
        self.path, self.packed, self.contradicts = path, "", False
        try:
            self._raw: IO[bytes] = path.open("rb")
            self._size = path.stat().st_size
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror}") from None
        self._open = contextlib.ExitStack()
        self._open.callback(self._raw.close)
        try:
            self._bytes = self._unpacked()
            self._decoder = self._decoding(encoding)
            self.head = self._beginning()
        except BaseException:
            self._open.close()
            raise
        self._pending, self._ended = self.head, len(self.head) < HEAD

    def _unpacked(self) -> Any:
        magic = self._raw.read(16)
        self._raw.seek(0)
        if not magic:
            raise FileError(f"{self.path} is empty")
        for mark, what in _FOREIGN.items():
            if magic.startswith(mark):
                raise FileError(f"{self.path} is {what}")
        self.packed = packed = _packed(magic)
        if packed == "gzip":
            return gzip.GzipFile(fileobj=self._raw)
        if packed == "zstd":
            return _zstd(self._raw)
        if packed == "bzip2":
            return bz2.BZ2File(self._raw)
        if packed == "xz":
            return lzma.LZMAFile(self._raw)
        return self._only_one_in_zip() if packed else self._raw

    def _only_one_in_zip(self) -> IO[bytes]:
        try:
            archive = self._open.enter_context(zipfile.ZipFile(self._raw))
            names = [each.filename for each in archive.infolist() if not each.is_dir()]
            names = [name for name in names if not name.startswith("__MACOSX/") and not name.endswith(".DS_Store")]
            if len(names) != 1:
                raise FileError(
                    f"{self.path} holds {len(names)} files ({', '.join(names[:5])}): pack one, or unpack it first"
                )
            return self._open.enter_context(archive.open(names[0]))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise FileError(f"{self.path} is not a whole zip file: {error}") from None

    def _take(self, size: int) -> bytes:
        found: bytes = self._bytes.read(size)
        return found

    def _decoding(self, encoding: str | None) -> codecs.IncrementalDecoder | None:
        try:
            self._start = self._take(_CHUNK)
        except BROKEN as error:
            raise FileError(f"{self.path} is not a whole {self.packed or 'readable'} file: {error}") from None
        if self.packed and (inner := _packed(self._start)):
            raise FileError(f"{self.path} is packed twice, as {inner} inside {self.packed}: unpack it once")
        if encoding is None:
            marked = next((name for mark, name in _MARKS.items() if self._start.startswith(mark)), None)
            if marked is None and (order := _two_bytes_each(self._start[:2000])):
                raise FileError(f"{self.path} looks like UTF-16 without a mark: add --encoding {order}")
            encoding = marked
        try:
            known = None if encoding is None else codecs.lookup(encoding)
        except LookupError:
            raise FileError(f"--encoding: {encoding!r} is not known; write for example cp1252, utf-16 or gbk") from None
        if known is None or known.name in {"utf-8", "utf-8-sig"}:
            return None
        self.contradicts = not known.name.startswith("utf") and not self._start.isascii() and _is_utf8(self._start)
        return None if self._start.startswith(_UTF8_MARK) else known.incrementaldecoder()

    def _beginning(self) -> bytes:
        found = bytearray()
        try:
            found += self._as_utf8(self._start)
            while len(found) < HEAD and (more := self._take(_CHUNK)):
                found += self._as_utf8(more)
            if len(found) < HEAD:
                found += self._as_utf8(b"", last=True)
        except BROKEN as error:
            raise self._broken(error) from None
        del self._start
        whole = bytes(found)
        if not whole.removeprefix(_UTF8_MARK).strip():
            raise FileError(f"{self.path} is empty")
        return whole.removeprefix(_UTF8_MARK)

    def _as_utf8(self, raw: bytes, *, last: bool = False) -> bytes:
        if self._decoder is None:
            return raw
        return self._decoder.decode(raw, last).removeprefix("\ufeff").encode()

    def _broken(self, error: BaseException) -> FileError:
        if isinstance(error, UnicodeError):
            return FileError(f"{self.path} is not in this encoding: {error}")
        return FileError(f"{self.path} breaks off: {error}")

    def skip(self, size: int) -> None:
        """Pass over bytes of the head."""
        self._pending = self._pending[size:]

    def readable(self) -> bool:
        """As for any file that is read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, about `size` of them; none at the end. Raises FileError where the file breaks off."""
        if self._pending:
            found, self._pending = self._pending, b""
            if 0 <= size < len(found):
                found, self._pending = found[:size], found[size:]
            return found
        if self._ended:
            return b""
        try:
            raw = self._take(size if size > 0 else -1)
            self._ended = not raw
            found = self._as_utf8(raw, last=self._ended)
            if 0 < size < len(found):
                found, self._pending = found[:size], found[size:]
            return found or (b"" if self._ended else self.read(size))
        except BROKEN as error:
            raise self._broken(error) from None

    def readinto(self, buffer: Any) -> int:
        """As `read`, into a buffer."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def done(self) -> float:
        """Share of the file's bytes that was read, 0 to 1."""
        return min(1.0, self._raw.tell() / self._size) if self._size and not self._raw.closed else 1.0

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._open.close()
        super().close()
