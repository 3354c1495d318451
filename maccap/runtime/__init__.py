"""How the method runs on a machine: batch sizes, packed layers, memory. In float32 on a CPU nothing here
changes a result.
"""
