"""Whether captions of regions name what is under their boxes, with the built-in model on a few scenes."""

from maccap.captioner import Captioner
from maccap.scenes.evaluation.region_captions import region_accuracy


def test_captions_of_regions_name_what_is_there_and_less_of_what_is_elsewhere() -> None:
    own, whole = region_accuracy(Captioner.from_pretrained(device="cpu"), "test", 8, 3, 2)
    assert own[:2] == whole[:2]
    assert own.of_objects >= 5
    assert own.names_it > 0.7
    assert own.names_another < whole.names_another / 2
