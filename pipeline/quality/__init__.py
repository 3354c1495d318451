"""What is wrong with a caption, told by its text; captions and images that are there twice."""
