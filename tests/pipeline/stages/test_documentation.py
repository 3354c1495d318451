"""The columns of the caption table, as the documentation shows them."""

from pipeline.stages.documentation import columns_table


def test_a_column_has_its_type_and_its_setting_in_words() -> None:
    table = columns_table()
    assert "| `candidates` | list of `text`, `clip_score`, `logprob` |" in table
    assert "| `flags` | list of string |" in table
    assert "| `scores` | map of string to float32 |" in table
    assert "| `global` | fixed-size list of float16 |" in table
    assert "(with `keep_features`)" in table
