"""Scores captions of synthetic scenes, and the ablation tables of the built-in model's card."""
