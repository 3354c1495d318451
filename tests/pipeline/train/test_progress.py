from pipeline.train.progress import EncodeProgress, TrainProgress
from tests.pipeline.train.test_history import records


def test_a_run_tells_its_step_figures_and_last_evaluation() -> None:
    progress = TrainProgress(steps=40, batch=8)
    assert "loading" in progress.line()
    assert progress.facts()["step"] == 0
    for record in records(1, 6):
        progress.add(record)
    assert "step 6 of 40" in progress.line()
    assert "held out 1.500, 50.0%" in progress.line()
    facts = progress.facts()
    assert (facts["step"], facts["loss"], facts["held_out"]["accuracy"]) == (6, 2.0 / 6, 0.5)


def test_steps_that_are_taken_again_after_a_lost_worker_are_no_speed() -> None:
    progress = TrainProgress(steps=40, batch=8)
    for record in [*records(1, 9), *records(5, 5)]:
        progress.add(record)
    assert progress.captions_per_second == 0
    assert progress.seconds_left is None


def test_what_was_encoded_before_is_no_speed() -> None:
    progress = EncodeProgress(100, done=100, done_before=100)
    assert progress.captions_per_second == 0
    assert "100 of 100 captions" in progress.line()
