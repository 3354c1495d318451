"""How the method runs on a machine: batch sizes, packed layers, memory. Nothing here changes a result."""
