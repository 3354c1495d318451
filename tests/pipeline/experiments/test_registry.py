"""registry.py and published.py: the experiments, and the scores beside which each is put."""

import pytest

from pipeline.experiments.published import PUBLISHED
from pipeline.experiments.registry import EXPERIMENTS, find_experiment
from pipeline.storage.errors import UserError

_EPOCHS = {"cc3m": 4}  # scripts/train_cc3m.sh; train_coco.sh has 8


def test_experiments_of_a_domain_share_its_texts() -> None:
    texts = {experiment.texts for experiment in EXPERIMENTS}
    assert len({one.name for one in texts}) == len(texts) == 4
    assert all(one.epochs == _EPOCHS.get(one.name, 8) for one in texts)


def test_published_scores_are_of_columns_of_their_experiment_and_have_a_source() -> None:
    assert [experiment.name for experiment in EXPERIMENTS] == [*PUBLISHED]
    for experiment in EXPERIMENTS:
        titles = {column.title for column in experiment.benchmark.columns}
        for row in PUBLISHED[experiment.name]:
            assert row.scores.keys() <= titles
            assert all(1 < score < 200 for score in row.scores.values())
            assert row.source


def test_another_name_is_refused() -> None:
    assert find_experiment("nocaps").benchmark.title == "NoCaps, validation"
    with pytest.raises(UserError, match="choose one of coco, flickr30k"):
        find_experiment("COCO")
