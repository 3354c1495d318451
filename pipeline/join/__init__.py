"""What others call the images of an archive: joins questions, references and annotations to rows."""
