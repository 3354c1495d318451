"""Processes by their command lines."""

from pipeline.benchmark.processes import kind_of_process


def test_kinds_are_told_by_command_lines() -> None:
    assert kind_of_process(["ray::MapWorker(MapBatches(StageActor)).submit"]) == "actors with models"
    assert kind_of_process(["ray::MapBatches(_write)"]) == kind_of_process(["ray::IDLE"])
    assert kind_of_process(["ray::_Activity"]) == kind_of_process(["/p/ray/core/src/ray/raylet/raylet"])
    assert kind_of_process(["python", "-P", "own_packages.py", "isolated_decoder"]) == "decoders"
