"""Also for methods.py and held_out_scenes.py: the ablation compares methods between the same towers."""

from pathlib import Path

import pytest

from jobs.ablate import main
from maccap.config import RerankConfig
from maccap.scenes.evaluation.ablation import Ablation, Row, markdown
from maccap.scenes.evaluation.methods import compared, other_trainings
from maccap.scenes.evaluation.score import Scores
from maccap.scenes.training.build import RECIPES, BuiltTowers
from pipeline.storage.errors import UserError


def test_methods_are_scored_with_adaptors_of_each_seed_and_kept(towers: BuiltTowers) -> None:
    ablation = Ablation(towers, "tune", 2, 1, looked_at=4)
    rows = list(ablation.rows(compared(towers.config.recipe), 2, (0, 1)))
    assert len(rows) == 2 * 9
    assert all(len(row.best) == len(row.first) == 2 for row in rows)
    assert {scores.captions for row in rows for scores in (*row.best, *row.first)} == {2}
    made = {path.name: path.stat().st_mtime_ns for path in towers.work.iterdir()}
    assert sum(name.startswith("adaptor-") for name in made) == 2 * 4  # paper's, ours, without noise, CapDec
    assert sum(name.startswith("scores-") for name in made) == 2 * 2 * 9
    again = Ablation(towers, "tune", 2, 1, looked_at=4)
    assert list(again.rows(compared(towers.config.recipe), 2, (0, 1))) == rows
    assert {path.name: path.stat().st_mtime_ns for path in towers.work.iterdir()} == made


def test_what_ships_is_a_row_where_it_chooses_in_another_way() -> None:
    recipe = RECIPES["contrast"]
    shipped = [method for method in compared(recipe) if method.decoding == recipe.decoding]
    assert [method.rerank for method in shipped] == [RerankConfig(), recipe.rerank]
    assert {method.training for method in shipped} == {compared(recipe)[0].training}


def test_scenes_that_the_gap_is_learned_from_are_refused(towers: BuiltTowers) -> None:
    with pytest.raises(ValueError, match="seed 0 of tune are the scenes"):
        Ablation(towers, "tune", 2, 0)


def test_other_noise_and_retrieval(towers: BuiltTowers) -> None:
    ablation = Ablation(towers, "tune", 2, 1, looked_at=4)
    rows = list(ablation.rows(other_trainings(towers.config.recipe), 2))
    assert [row.what for row in rows[-6:]] == [
        f"{training}{closed}"
        for training in (
            "variance 0.004, 90% shared, covariance of pairs",
            "variance 0.004, 90% shared, covariance of paraphrases",
            "our noise, trained with phrases",
        )
        for closed in ("", "; gap closed by the nearest captions")
    ]
    assert ablation.retrieval().best[0].captions == 2


def test_a_table_has_means_and_each_seeds_cider_d() -> None:
    def scores(precision: float | None, cider_d: float) -> Scores:
        parts = {"recall": 0.5, "background": None, "count": 1.0, "relation": None}
        return Scores(captions=4, precision=precision, cider_d=cider_d, **parts)

    row = Row("ours", [scores(0.5, 1.0), scores(1.0, 2.0)], [scores(None, 0.5), scores(None, 0.7)])
    assert markdown([row]).splitlines()[-1] == (
        "| ours | 0.750 | 0.500 | - | 1.000 | - | 1.50 (1.00, 2.00) | 0.60 (0.50, 0.70) |"
    )


def test_a_damaged_build_is_refused_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "build.json").write_text('{"seed": "x"}')
    with pytest.raises(UserError, match="seed"):
        main(tmp_path)
