"""One module per thing a person runs: each is a `maccap` subcommand and a `ray job submit` entry point."""
