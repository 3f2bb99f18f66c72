"""Kernels of our own, in Triton, for what torch's do in several passes over memory.

Each is beside the plain form that it stands in for, which serves wherever Triton or the GPU lacks something. Nothing
here is imported before a layer on CUDA asks for it: a CPU's torch comes without Triton.
"""
