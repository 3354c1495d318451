"""Trains the built-in model from nothing: a small CLIP and a small language model on rendered scenes."""
