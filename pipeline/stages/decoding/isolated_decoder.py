"""Image decoding in a process of its own, which a hostile image may kill, exhaust or keep busy.

Pillow's decoders are C code that cannot be interrupted, so limits on time and memory are the kernel's to
keep, and it keeps them on a process. Images go there through a pipe, some dozens at once, and the answers lie
in memory that both share: neither waits for the other at each image, and what was answered before the process
died is kept. The image it died at gets a second chance in a fresh process, since something else may have
killed the first one, and then becomes an error.

The process holds Pillow and numpy, about 60 MB, and ends with the worker that started it, however that ends.
"""

import contextlib
import fcntl
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maccap.image.preprocessing import PixelSpec
from maccap.runtime import own_packages
from pipeline.stages.decoding.decode_image import DecodedImage, DecodeLimits, UndecodableError, decode_image

_ATTEMPTS = 2
_BATCH = 32  # images sent at once
_PIPE_BYTES = 1 << 20

# What an image may take beside pixels (the file twice, and what decoders make room for), and for each pixel:
# decoding was measured to take 4 bytes for a JPEG, 13 for a PNG with transparency to be turned, 22 for such a
# WebP. Until its header is read and its size checked, less.
_OPENING_BYTES = 1 << 29
_BASE_BYTES = 1 << 30
_BYTES_A_PIXEL = 24

Answer = DecodedImage | UndecodableError


class IsolatedDecoder:
    """Decodes images one after the other in a process that starts with the first and again when it died."""

    def __init__(self, spec: PixelSpec, limits: DecodeLimits) -> None:
        self.spec = spec
        self.limits = limits
        self._process: _Process | None = None
        self._lock = threading.Lock()

    def decode(self, images: Sequence[bytes | memoryview]) -> Iterator[Answer]:
        """The pixels of each image, or why it has none. Raises RuntimeError where no process starts."""
        done, deaths = 0, 0
        while done < len(images):
            answers, code = self._answers(images[done : done + _BATCH])
            yield from answers
            deaths = 0 if answers else deaths
            done += len(answers)
            if code is not None:
                deaths += 1
                if code == -signal.SIGPROF or deaths == _ATTEMPTS:
                    yield self._refusal(code)
                    done, deaths = done + 1, 0

    def close(self) -> None:
        """End the process; the next image starts another."""
        with self._lock:
            if self._process is not None:
                self._process.end()
                self._process = None

    def _answers(self, images: Sequence[bytes | memoryview]) -> tuple[list[Answer], int | None]:
        """Those given before the process died, and its exit code; None where it lives, and answered all."""
        with self._lock:
            process = self._process = self._process or self._start()
            try:
                lives = process.decode(images)
            except BaseException:  # interrupted: it would answer to what nobody asks for any more
                self._process = None
                raise
            answers = process.slots.read(len(images))
            if lives:
                return answers, None
            self._process = None
            return answers, process.end()

    def _start(self) -> "_Process":
        """A kill of everything on the machine may meet a process as it starts."""
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(RuntimeError):
                return _Process(self.spec, self.limits)
        return _Process(self.spec, self.limits)

    def _refusal(self, code: int) -> UndecodableError:
        if code == -signal.SIGPROF:
            return UndecodableError(f"decoding takes more than {self.limits.seconds:g} s (decode_seconds)")
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return UndecodableError(f"damaged image: the decoder died of it ({cause})")


class _Slots:
    """The answers to one batch, in memory shared with the process: pixels or text, and what it is."""

    _NONE, _PIXELS, _REFUSED = range(3)
    _LONGEST_REASON = 2000  # bytes
    _LONGEST_NAME = 64  # of a decoder

    def __init__(self, file: int, spec: PixelSpec) -> None:
        self.shape = (spec.size, spec.size, 3)
        heads = _BATCH * 16  # state, width, height, bytes of text or of the decoder's name
        self.name_at = int(np.prod(self.shape))
        room = max(self.name_at + self._LONGEST_NAME, self._LONGEST_REASON)
        os.ftruncate(file, heads + _BATCH * room)
        shared = np.frombuffer(mmap.mmap(file, 0), np.uint8)
        self.heads = shared[:heads].view(np.uint32).reshape(_BATCH, 4)
        self.contents = shared[heads:].reshape(_BATCH, room)

    def clear(self) -> None:
        self.heads[:] = self._NONE

    def pixels(self, slot: int) -> NDArray[np.uint8]:
        return self.contents[slot, : self.name_at].reshape(self.shape)

    def write(self, slot: int, answer: Answer) -> None:
        if isinstance(answer, DecodedImage):
            self.pixels(slot)[:] = answer.pixels
            length = self._write_text(slot, self.name_at, answer.decoder, self._LONGEST_NAME)
            self.heads[slot] = (self._PIXELS, answer.width, answer.height, length)
        else:
            length = self._write_text(slot, 0, str(answer), self._LONGEST_REASON)
            self.heads[slot] = (self._REFUSED, 0, 0, length)

    def _write_text(self, slot: int, at: int, text: str, longest: int) -> int:
        data = text.encode("utf-8", "backslashreplace")[:longest]
        self.contents[slot, at : at + len(data)] = np.frombuffer(data, np.uint8)
        return len(data)

    def _text(self, slot: int, at: int, length: int) -> str:
        return self.contents[slot, at : at + length].tobytes().decode("utf-8", "replace")

    def read(self, count: int) -> list[Answer]:
        """The first `count` answers, or those that are there."""
        answers: list[Answer] = []
        for slot in range(count):
            state, width, height, length = self.heads[slot].tolist()
            if state == self._NONE:
                break
            if state == self._PIXELS:
                decoder = self._text(slot, self.name_at, length)
                answers.append(DecodedImage(self.pixels(slot).copy(), width, height, decoder))
            else:
                answers.append(UndecodableError(self._text(slot, 0, length)))
        return answers


class _Process:
    """One decoding process, from outside."""

    def __init__(self, spec: PixelSpec, limits: DecodeLimits) -> None:
        requests, self._requests = Pipe(duplex=False)
        self._done, done = Pipe(duplex=False)
        _widen(requests)
        path = os.pathsep.join(
            entry or str(Path.cwd()) for entry in sys.path
        )  # Ray extends it in its workers
        with _shared_file() as file:
            self.slots = _Slots(file, spec)
            handed_on = (requests.fileno(), done.fileno(), file)
            self._popen = subprocess.Popen(
                [sys.executable, "-P", own_packages.__file__, __name__, *map(str, handed_on)],
                pass_fds=handed_on,
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        requests.close()
        done.close()
        self._greet(spec, limits)

    def _greet(self, spec: PixelSpec, limits: DecodeLimits) -> None:
        assert self._popen.stderr is not None
        with self._popen.stderr as stderr:
            try:
                self._requests.send((spec, limits))
                self._done.recv_bytes()
            except (EOFError, OSError):
                said = stderr.read().decode("utf-8", "replace").strip().splitlines()
                self.end()
                raise RuntimeError(f"no process to decode in: {said[-1] if said else 'it ended'}") from None

    def decode(self, images: Sequence[bytes | memoryview]) -> bool:
        """Fill the slots; False where the process died over it."""
        self.slots.clear()
        try:
            self._requests.send(len(images))
            for image in images:
                self._requests.send_bytes(image)
            self._done.recv_bytes()
        except (EOFError, OSError):
            return False
        return True

    def end(self) -> int:
        """Wait for the process, which ends when nobody writes to it; returns what `subprocess` says of it."""
        self._requests.close()
        self._done.close()
        return self._popen.wait()


def serve(requests: Connection, done: Connection, file: int) -> None:
    """What the process does: answer each image of a batch in its slot, until the pipe closes."""
    spec, limits = requests.recv()
    slots = _Slots(file, spec)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends this process by itself
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the end of the time limit: the kernel ends the process
    done.send_bytes(b"")
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # libtiff writes its warnings there
    with contextlib.suppress(EOFError):
        while True:
            for slot in range(requests.recv()):
                slots.write(slot, _decode(requests.recv_bytes(), spec, limits))
            done.send_bytes(b"")


def _decode(data: bytes, spec: PixelSpec, limits: DecodeLimits) -> Answer:
    signal.setitimer(signal.ITIMER_PROF, limits.seconds)
    try:
        return decode_image(data, spec, limits, _bound_memory)
    except UndecodableError as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextlib.contextmanager
def _shared_file() -> Iterator[int]:
    """A file in memory, where the system has such files: a full disk must not end a run here."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("maccap-decode")
        try:
            yield file
        finally:
            os.close(file)
    else:
        with tempfile.TemporaryFile() as temporary:
            yield temporary.fileno()


def _bound_memory(pixels: int | None) -> None:
    """Allocations beyond what an image of so many pixels takes fail, and become a MemoryError; None is for
    while its header is read.
    """
    room = _OPENING_BYTES if pixels is None else _BASE_BYTES + _BYTES_A_PIXEL * pixels
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with contextlib.suppress(ValueError, OSError):  # a lower limit is already set
        resource.setrlimit(resource.RLIMIT_DATA, (_held() + room, hard))


def _held() -> int:
    """Bytes of the kind that the limit counts."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:  # a system without it
        return 0


def _widen(pipe: Connection) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # the system's bound on pipes is reached
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), Connection(int(sys.argv[2])), int(sys.argv[3]))
