"""Files behind paths and URLs: listed, read with retries, written whole, named without secrets."""
