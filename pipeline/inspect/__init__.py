"""A run's table read back, for people: examples with their images, and pages of them."""
