"""`maccap caption SOURCE OUTPUT`: caption an image archive into a folder of Parquet tables.

On a cluster: `ray job submit --working-dir . -- python -m jobs.caption SOURCE OUTPUT`.
"""

from jobs import archive


def main(
    source: archive.Source,
    output: archive.Output,
    model: archive.Model = None,
    config: archive.ConfigFile = None,
    candidates: archive.Candidates = None,
    prompt: archive.Prompt = None,
    keep_prompt: archive.KeepPrompt = None,
    existing_caption: archive.ExistingCaption = None,
    only_missing: archive.OnlyMissing = False,
    only_below: archive.OnlyBelow = None,
    seed: archive.Seed = None,
    chunk_rows: archive.ChunkRows = None,
    retry_errors: archive.RetryErrors = False,
    accept_changed: archive.AcceptChanged = False,
    shards: archive.Shards = None,
    partition: archive.PartitionOption = None,
    limit: archive.Limit = None,
    keep_features: archive.KeepFeatures = False,
    flags: archive.Flags = None,
    hashes: archive.Hashes = False,
    score_head: archive.ScoreHeads = None,
    region_captions: archive.RegionCaptions = None,
    image_root: archive.ImageRoot = None,
    image_column: archive.ImageColumn = None,
    local: archive.Local = False,
    dry_run: archive.DryRun = False,
    stop_after: archive.StopAfter = None,
    max_cost: archive.MaxCost = None,
    gpu_hour_price: archive.GpuHourPrice = None,
    hour_price: archive.HourPrice = None,
) -> None:
    """Caption an image archive into a folder of Parquet tables. The same command again resumes."""
    budget = archive.budget_of(stop_after, max_cost, gpu_hour_price, hour_price)
    overrides = {
        "seed": seed,
        "chunk_rows": chunk_rows,
        "limit": limit,
        "keep_features": keep_features or None,
        "flags": flags,
        "hashes": hashes or None,
        "score_heads": archive.named_files(score_head),
        "region_captions": region_captions,
        "image_root": image_root,
        "image_column": image_column,
        "decoding": {"candidates": candidates},
        "prompt": {"text": prompt, "keep": keep_prompt},
        "existing_caption": existing_caption,
        "only_missing": only_missing or None,
        "only_below": only_below,
    }
    options = archive.RunOptions(
        source, output, model, config, retry_errors, accept_changed, shards, partition, local, dry_run
    )
    archive.run_archive(options, overrides, budget)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
