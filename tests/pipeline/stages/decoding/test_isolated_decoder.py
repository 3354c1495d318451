import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import DecodedImage, DecodeLimits, decode_image
from pipeline.stages.decoding.isolated_decoder import IsolatedDecoder
from tests.hostile.images import slow_jpeg, tiff_of_huge_tiles
from tests.images import encoded, picture

SPEC = PixelSpec(32)


@pytest.fixture
def decoder() -> Iterator[IsolatedDecoder]:
    decoder = IsolatedDecoder(SPEC, DecodeLimits(seconds=1))
    yield decoder
    decoder.close()


def _processes(of: int) -> dict[int, int]:
    """The processes that decode for process `of`, and the CPU seconds each has taken."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,cputimes=,args="], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(maxsplit=3) for line in listed.splitlines()]
    return {
        int(pid): int(cpu)
        for pid, parent, cpu, arguments in lines
        if int(parent) == of and "isolated_decoder" in arguments
    }


def test_answers_are_those_of_decoding_here_and_in_order(decoder: IsolatedDecoder) -> None:
    images = [encoded(picture(seed, 40 + seed, 50)) for seed in range(70)]
    images[40] = b"no image"
    answers = list(decoder.decode(images))
    assert len(answers) == 70
    for row, answer in enumerate(answers):
        if row == 40:
            assert "not an image" in str(answer)
            continue
        expected = decode_image(images[row], SPEC)
        assert isinstance(answer, DecodedImage)
        assert np.array_equal(answer.pixels, expected.pixels)
        assert (answer.width, answer.height) == (expected.width, expected.height)


def test_an_image_that_takes_too_long_is_refused_and_the_others_are_not(decoder: IsolatedDecoder) -> None:
    good = encoded(picture())
    answers = list(decoder.decode([good, slow_jpeg(), good]))
    assert [isinstance(answer, DecodedImage) for answer in answers] == [True, False, True]
    assert str(answers[1]) == "decoding takes more than 1 s (decode_seconds)"


def test_an_image_that_takes_too_much_memory_is_refused_and_the_others_are_not() -> None:
    decoder = IsolatedDecoder(SPEC, DecodeLimits(max_pixels=1_000_000))
    good = encoded(picture())
    answers = list(decoder.decode([good, tiff_of_huge_tiles(), good]))
    decoder.close()
    assert [isinstance(answer, DecodedImage) for answer in answers] == [True, False, True]
    assert str(answers[1]) == "not enough memory to decode it"


@pytest.mark.parametrize(("kills", "decoded"), [(1, True), (100, False)])
def test_an_image_whose_process_dies_gets_a_second_chance_and_no_third(kills: int, decoded: bool) -> None:
    good, slow = encoded(picture()), slow_jpeg(scans=250)
    decoder = IsolatedDecoder(SPEC, DecodeLimits(seconds=60))
    killed = set(_processes(os.getpid()))  # others' are left alone
    kills += len(killed)
    answers: list[object] = []
    work = threading.Thread(target=lambda: answers.extend(decoder.decode([good, slow, good])))
    work.start()
    while work.is_alive():
        time.sleep(0.2)
        for process, seconds in _processes(os.getpid()).items():
            if len(killed) < kills and process not in killed and seconds >= 1:  # it is at the slow one
                os.kill(process, signal.SIGSEGV)
                killed.add(process)
    decoder.close()
    assert [isinstance(answer, DecodedImage) for answer in answers] == [True, decoded, True]
    if not decoded:
        assert str(answers[1]) == "damaged image: the decoder died of it (SIGSEGV)"


def test_a_process_killed_between_two_chunks_costs_no_image(decoder: IsolatedDecoder) -> None:
    good = encoded(picture())
    others = set(_processes(os.getpid()))
    list(decoder.decode([good]))
    (process,) = set(_processes(os.getpid())) - others
    os.kill(process, signal.SIGKILL)
    answers = list(decoder.decode([good] * 40))
    assert len(answers) == 40
    assert all(isinstance(answer, DecodedImage) for answer in answers)


def test_the_process_ends_with_the_one_it_decodes_for() -> None:
    program = """
import sys
from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import DecodeLimits
from pipeline.stages.decoding.isolated_decoder import IsolatedDecoder
from tests.images import encoded, picture
decoder = IsolatedDecoder(PixelSpec(32), DecodeLimits())
list(decoder.decode([encoded(picture())]))
print("ready", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"ready\n"
        (process,) = _processes(user.pid)
        user.kill()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
