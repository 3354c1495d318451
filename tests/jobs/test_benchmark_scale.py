"""`maccap benchmark-scale`: mistakes are named before anything runs."""

import pytest

from jobs.benchmark_scale import main
from pipeline.storage.errors import UserError


@pytest.mark.parametrize("nodes", ["", "1,many", "0"])
def test_counts_of_nodes_are_numbers(nodes: str) -> None:
    with pytest.raises(UserError, match=f"--nodes {nodes} is no list of numbers"):
        main(nodes=nodes)
