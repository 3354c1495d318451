"""A file of questions about the images of an archive, joined on their names in bounded memory."""
