"""File objects over the lake for code that reads and writes synchronously in a worker thread, such as pyarrow's Parquet.

The thread blocks while the event loop does the transfer. Never use one on the loop's own thread: it would wait for itself.
Transfers carry no checksums of their own: whoever writes a file reads it back and compares its content, which covers the way
there, the way back, and the encoding too.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from archival_core.errors import TransientError
from archival_core.lake.client import LakehouseClient

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_BLOCK_BYTES = 4 * 1024 * 1024
#: A request takes longer than so many bytes.
_SMALL_BYTES = 256 * 1024
#: Longer than the client's own timeouts with all retries: it only ends a wait for a loop that has stopped.
_PATIENCE_SECONDS = 600.0


class _LakeFile(io.RawIOBase):
    """The bridge: starts coroutines on the loop, waits for them, and lets `abort` end both."""

    def __init__(self, client: LakehouseClient, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._client, self._path, self._loop = client, path, loop
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._aborted = False

    def abort(self) -> None:
        """Give up, from any thread: the transfer is cancelled, a waiting thread is woken, nothing is committed."""
        with self._lock:
            self._aborted = True
            for future in self._running:
                future.cancel()

    def _start[T](self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if self._aborted:
                work.close()
                raise self._abort_error()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._running.add(future)
            return future

    def _wait[T](self, future: Future[T]) -> T:
        try:
            return future.result(_PATIENCE_SECONDS)
        except CancelledError:
            raise self._abort_error() from None
        except TimeoutError:
            future.cancel()
            raise TransientError(f"{self._path}: no answer from the event loop", code="lake-unavailable") from None
        finally:
            # it holds what was read
            with self._lock:
                self._running.discard(future)

    def _abort_error(self) -> TransientError:
        return TransientError(f"{self._path}: the transfer was aborted", code="lake-aborted")

    def __del__(self) -> None:
        # The base class would close, and so commit, a file that was only forgotten.
        if hasattr(self, "_lock"):
            self.abort()


class LakeSink(_LakeFile):
    """A new file, written once from its beginning; `close` commits it.

    One block is on its way while the next one fills, so memory is bounded by about two blocks and a slow lake slows the
    writer. Leaving a `with` statement by an exception aborts: what is incomplete stays invisible.
    """

    def __init__(
        self, client: LakehouseClient, path: str, loop: asyncio.AbstractEventLoop, block_bytes: int = _BLOCK_BYTES
    ) -> None:
        super().__init__(client, path, loop)
        self._block_bytes = block_bytes
        self._block = bytearray()
        self._sent = 0
        self._digest = hashlib.sha256()
        self._in_flight: Future[None] | None = self._start(client.create_file(path))

    @property
    def length(self) -> int:
        """Bytes written so far."""
        return self._sent + len(self._block)

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the bytes written so far."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The same as `length`."""
        return self.length

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of `data`; raises what an earlier block met."""
        if self.closed:
            raise ValueError("the file is closed")
        if self._aborted:
            raise self._abort_error()
        with memoryview(data).cast("B") as view:
            self._digest.update(view)
            start = 0
            while start < len(view):
                piece = view[start : start + self._block_bytes - len(self._block)]
                self._block += piece
                start += len(piece)
                if len(self._block) == self._block_bytes:
                    self._send()
            return len(view)

    def _send(self) -> None:
        self._await_block()
        block, self._block = bytes(self._block), bytearray()
        offset = self._sent
        self._sent += len(block)
        self._in_flight = self._start(self._client.append(self._path, block, offset, checked=False))

    def _await_block(self) -> None:
        """Wait for the block on its way; a failure is final, since a gap can never be committed."""
        future, self._in_flight = self._in_flight, None
        if future is None:
            return
        try:
            self._wait(future)
        except BaseException:
            self.abort()
            raise

    def close(self) -> None:
        """Send the rest and commit, once; after an abort it commits nothing and raises nothing."""
        if self.closed:
            return
        try:
            if not self._aborted:
                self._await_block()
                if self._block:
                    last, self._block = bytes(self._block), bytearray()
                    offset, self._sent = self._sent, self._sent + len(last)
                    self._wait(self._start(self._client.append_last(self._path, last, offset, checked=False)))
                elif self._sent:
                    self._wait(self._start(self._client.flush(self._path, self._sent)))
        finally:
            super().close()

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is not None:
            self.abort()
        self.close()


class LakeSource(_LakeFile):
    """A committed file of `length` bytes, readable at any position; each read is one ranged request, but a small file comes
    whole by the first.

    What is expected is on its way before it is read.
    """

    def __init__(self, client: LakehouseClient, path: str, length: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(client, path, loop)
        self._length = length
        self._position = 0
        self._whole: bytes | None = None
        #: by offset: length, and the transfer
        self._expected: dict[int, tuple[int, Future[bytes]]] = {}
        self._digest = hashlib.sha256()
        self._digested = 0

    def expect(self, offset: int, length: int) -> None:
        """Begin to read these bytes; they stay in memory until exactly they are read, or the file is closed."""
        if self._length > _SMALL_BYTES:
            self._expected[offset] = length, self._fetch(offset, length)

    def _fetch(self, offset: int, length: int) -> Future[bytes]:
        return self._start(self._client.read(self._path, offset, length, checked=False))

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def size(self) -> int:
        """Bytes in the file."""
        return self._length

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; a position past the end reads nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("a position is not negative")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """`size` bytes, fewer only at the end. Raises `TransientError` if the lake sends fewer than it holds."""
        left = max(0, self._length - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted == 0:
            return b""
        if self._length <= _SMALL_BYTES:
            if self._whole is None:
                self._whole = self._arrived(self._fetch(0, self._length), 0, self._length)
            data = self._whole[self._position : self._position + wanted]
        else:
            length, transfer = self._expected.pop(self._position, (0, None))
            if transfer is None or length != wanted:
                transfer = self._fetch(self._position, wanted)
            data = self._arrived(transfer, self._position, wanted)
        if self._position <= self._digested < self._position + wanted:
            self._digest.update(memoryview(data)[self._digested - self._position :])
            self._digested = self._position + wanted
        self._position += wanted
        return data

    def _arrived(self, transfer: Future[bytes], offset: int, wanted: int) -> bytes:
        data = self._wait(transfer)
        if len(data) != wanted:
            raise TransientError(
                f"{self._path}: {len(data)} bytes came at {offset} instead of {wanted}", code="lake-short-read"
            )
        return data

    def sha256(self) -> str:
        """Hexadecimal digest of the whole file, of the bytes as they were read; what was not read in order is read now."""
        while self._digested < self._length:
            self._position = self._digested
            self.read(_BLOCK_BYTES)
        return self._digest.hexdigest()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as the file goes."""
        with memoryview(buffer).cast("B") as view:
            data = self.read(len(view))
            view[: len(data)] = data
            return len(data)

    def close(self) -> None:
        """Cancel what is still on its way."""
        self._expected.clear()
        self.abort()
        super().close()
