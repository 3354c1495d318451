"""The adaptor, the only part that learns: region noise, loss, training on text alone, checkpoint import."""
