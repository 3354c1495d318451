"""CHAIRi and CHAIRs of a run's captions (see `chair.py`), with the objects that COCO's instances tell."""

from collections.abc import Iterator

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.chair import named_objects, read_instances
from pipeline.evaluate.metric import Outcome, Remark, ratio
from pipeline.evaluate.name_index import NameIndex
from pipeline.evaluate.object_words import ObjectWords


class ChairMetric:
    """Lower is better. Images that the file of instances does not have are left out, and so are those without
    a caption, which names nothing that is not there.
    """

    def __init__(self, instances: str, synonyms: str | None = None) -> None:
        self._words = ObjectWords.from_file(synonyms) if synonyms else ObjectWords.built_in()
        self._images = read_instances(instances, self._words)
        names = [(image.file_name or image.image_id, image.image_id) for image in self._images]
        self._index = NameIndex(f"--instances {instances}", names)

    def measure(self, captions: Captions) -> Iterator[Outcome]:
        if not captions.are_captions:
            return
        rule = self._index.rule_for(lambda: captions.rows, f"RUN {captions.run}")
        mentions, hallucinated, wrong, counted, unknown = [], [], [], [], 0
        for row in captions.rows:
            place = self._index.place_of(rule, row)
            unknown += place is None
            there = frozenset[str]() if place is None else self._images[place].objects
            caption = (row.caption or "") if place is not None else ""
            found = named_objects(self._words, caption, there | self._words.named_in(row.references))
            mentions.append(len(found.named))
            hallucinated.append(len(found.hallucinated))
            wrong.append(bool(found.hallucinated))
            counted.append(bool(caption))
        yield ratio("CHAIRi", hallucinated, mentions)
        yield ratio("CHAIRs", wrong, counted)
        yield Remark(
            f"CHAIR is of {sum(counted):,} captions, images joined by `{rule}`, with the words of "
            f"{self._words.name}" + (f"; {unknown:,} images are not among the instances" if unknown else "")
        )
