"""`verify_run` reads a run's table back and compares it with the source, one shard at a time.

chunk_file.py   one file: whole, of this run, its rows those that were written
shard.py        the files of one shard: each sample of the source once, in order
run.py          all shards, files that belong to none, and the totals
"""

from pipeline.verify.run import Verification, verify_run

__all__ = ["Verification", "verify_run"]
