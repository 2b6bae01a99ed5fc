"""Primitives of the kernels: the compiler, vectors, hash maps, marks, top k. They know no model."""
