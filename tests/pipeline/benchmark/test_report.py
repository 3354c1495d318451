"""Also for run.py, end_to_end.py and through_ray.py, which tests/jobs/test_benchmark.py runs."""

import io

from rich.console import Console

from pipeline.benchmark.report import Report

REPORT = {
    "measured": {
        **{"model": "m", "candidates": 5, "new_tokens": 16, "images": 96, "image_size": 640},
        "precision": "float32",
    },
    "alone": {
        "machine": {"device": "cpu", "dtype": "float32", "cores": 2, "gflops": 100.0, "gigabytes": 10.0},
        "stages": [{"stage": "prefill", "milliseconds": 165.0, "of_matrix_rate": 0.88}],
        "gflop": 30.0,
        "gflop_shared": 20.0,
    },
    "ways": [
        {
            "way": way,
            "images_per_second": speed,
            "tokens_per_second": 16 * speed,
            "times_beams": speed / 0.5,
            "times_sampling": speed / 0.9,
            "peak": {"memory_mb": 2000, "gpu_mb": None},
        }
        for way, speed in (("baseline, 4 beams", 0.5), ("ours", 2.0))
    ],
    "ray": {
        "images_per_second": 1.9,
        "bare_images_per_second": 2.0,
        "of_bare": 0.95,
        "memory_mb": 3000,
    },
}


def test_tables_say_what_the_document_holds() -> None:
    report = Report.model_validate(REPORT)
    out = io.StringIO()
    console = Console(file=out, width=140)
    for table in report.tables():
        console.print(table)
    text = out.getvalue()
    assert "60%" in text  # 2 images per second of 30 GFLOP at 100 GFLOP/s
    assert "88%" in text
    assert "2,000" in text
    assert "95% of the bare 2.00" in text
