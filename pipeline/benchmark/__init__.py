"""How fast captioning is, and how far from what the machine can do: `maccap benchmark`.

setup.py         what is measured: a bundle, an archive, decoding, device
stages_alone.py  each stage by itself, as a fraction of the machine's limits
ways.py          whole ways to caption (ours, the baseline ones), each in a process of its own
through_ray.py   the same as `maccap caption` runs it, and how its cost grows
memory.py        peak memory of a process, and of a process with all its children
end_to_end.py    the ways turn by turn
report.py        the results, as JSON and as tables
"""
