"""What happens to a chunk between source and sink: plain classes that work without Ray."""
