"""Backends for the computations of a step: plain PyTorch, Triton kernels, their oracle, and the choice of one."""
