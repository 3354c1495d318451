import pytest

from pipeline.formats.names import is_id, is_name


@pytest.mark.parametrize(
    "text",
    [
        "1000268201_693b08cb0e.jpg",
        "1000268201_693b08cb0e.jpg#0",
        "1000268201_693b08cb0e.jpg#0\tA child in a pink dress .",
        "1000268201_693b08cb0e.jpg,A child in a pink dress .",
        "a.PNG A dog.",
        "My holiday photo (2).jpeg",
        "https://host/a.jpg",
        "https://host/a A dog.",
        "A dog. https://host/a",
        "www.host.com/a",
        "s3://bucket/key",
        "data:image/png;base64,AAAA",
        "images/train/dog",
        "/data/dog",
        "./dog",
        "C:\\\\photos\\\\dog",
        "train/0001",
        "COCO_val2014_000000391895",
        "391895",
        "video.mp4",
        "00000.tar",
    ],
)
def test_names(text: str) -> None:
    assert is_name(text)
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "A dog runs.",
        "Hund",
        "5",
        "and/or",
        "A dog and/or a cat at 24/7",
        "A Boeing 747-400 at gate 12.",
        "Route 66, mile 100000",
        "e.g. a dog",
        "I saved it as a .jpg",
        "\u9ed1/\u767d/\u7070",
        "A dog...",
        "",
    ],
)
def test_no_names(text: str) -> None:
    assert not is_name(text)


def test_ids_are_names_and_words_with_digits() -> None:
    assert all(map(is_id, ("3", "img3", "0.93")))
    assert not any(map(is_id, ("dog", "3 dogs", "")))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "#a" * 500_000, "/" * 1_000_000, ", ;" * 300_000, "a." * 500_000]
)
def test_endless_texts_are_told_at_once(text: str) -> None:
    assert is_name(text) in (True, False)
