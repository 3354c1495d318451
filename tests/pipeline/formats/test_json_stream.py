import io
import json
import random
from typing import Any

import pytest

from pipeline.formats import json_stream
from pipeline.formats.json_stream import JsonStream, json_object


def _elements(text: str) -> list[tuple[str | None, Any]]:
    return list(JsonStream(io.StringIO(text)).elements())


def _random_value(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(5 if depth > 3 else 7)
    if kind < 5:
        return [
            None,
            draw.random() < 0.5,
            draw.randrange(-999, 9999),
            draw.random() * 1e9,
            'é"\\[]{},: 😀\n',
        ][kind]
    size = draw.randrange(4)
    if kind == 5:
        return [_random_value(draw, depth + 1) for _ in range(size)]
    return {f"key {number}": _random_value(draw, depth + 1) for number in range(size)}


@pytest.mark.parametrize("read", [1, 2, 7, 1 << 20])
def test_equal_to_the_parser_that_takes_the_whole_text(read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_READ", read)
    draw = random.Random(read)
    for _ in range(150):
        value = _random_value(draw)
        text = json.dumps(value, indent=draw.choice([None, 2]), ensure_ascii=draw.random() < 0.5)
        pairs = value.items() if isinstance(value, dict) else [(None, value)]
        expected = [(key, e) for key, v in pairs for e in (v if isinstance(v, list) else [v])]
        assert _elements(f" {text}\n") == expected


@pytest.mark.parametrize("text", ['{"a": [1, 22], "b": {"c": "d"}}', '[{"a": 1}, "b", 3]', '"abc"'])
def test_a_text_cut_anywhere_is_an_error(text: str) -> None:
    for end in range(len(text)):
        with pytest.raises(ValueError, match="character"):
            _elements(text[:end])


@pytest.mark.parametrize("text", ["[1 2]", "[1,]", "{1: 2}", '{"a" 2}', "[1}", "nonsense"])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="character"):
        _elements(text)


def test_no_more_is_read_than_was_asked_for() -> None:
    class Endless(io.StringIO):
        asked = 0

        def read(self, size: int | None = -1) -> str:
            self.asked += 1
            return ("[" if self.asked == 1 else "") + '{"caption": "a dog"},' * 1000

    source = Endless()
    elements = JsonStream(source).elements()
    for _ in range(50_000):
        next(elements)
    assert source.asked < 60


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"a": "b\tc"}\n', {"a": "b\tc"}),
        ("[1]", None),
        ('{"a": 1', None),
        ('{"a": 1} {}', None),
        ("[" * 200_000, None),
    ],
)
def test_a_line_that_is_an_object(line: str, expected: Any) -> None:
    assert json_object(line) == expected
