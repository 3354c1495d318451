"""The frozen language model: its cache, decoding, sampling, and the check that it decodes what it reads."""
