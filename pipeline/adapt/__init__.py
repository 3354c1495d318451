"""A bundle adapted to images without captions: the gap between images and texts, measured and closed."""
