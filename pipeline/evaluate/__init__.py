"""Scores of a finished run: captions and answers against what people wrote, and against the images."""
