"""From an image file's pixels to what the adaptor and the reranker read: the frozen CLIP and its regions."""
