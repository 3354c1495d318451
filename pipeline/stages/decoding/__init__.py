"""From an image file's bytes to pixels, in a process of its own that a hostile image may kill."""
