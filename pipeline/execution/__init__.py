"""Runs the stages: as a Ray Data graph or in this process; cluster, worker activity, watchdog."""
