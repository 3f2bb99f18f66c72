"""CUDA without a GPU: every operator of a step on fake tensors, counted, and held to what its kernels ask for.

`device.py` has the fake device, `stand_ins.py` what its driver and clock would say, `indexing.py` what Python does with
its tensors, `launches.py` counts kernels, bytes and copies, `refusals.py` says what CUDA's kernels refuse. Types,
shapes, strides and devices are real; numbers, time and streams are not there.
"""
