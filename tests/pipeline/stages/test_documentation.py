from pipeline.stages.documentation import columns_table, with_columns
from tests.commands import REPOSITORY


def test_the_readme_has_the_columns_that_the_stages_declare() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert columns_table() in readme
    assert with_columns(readme) == readme


def test_a_column_has_its_type_and_its_setting_in_words() -> None:
    table = columns_table()
    assert "| `candidates` | list of `text`, `clip_score`, `logprob` |" in table
    assert "| `global` | fixed-size list of float16 |" in table
    assert "(with `keep_features`)" in table
