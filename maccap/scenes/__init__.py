"""Synthetic scenes and the built-in model: a small world where captions can be checked."""
