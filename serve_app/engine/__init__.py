"""Text to numbers on one device.

oneDNN and torch's bridge to it keep a kernel for each shape that they have met, and a scorer meets a new one with each
number of tokens that a step has: with 1,024 kernels, their own choice, it grows by a gigabyte. They read these
variables when they first compute, so they are set wherever a process begins with the engine.
"""

import os

KERNELS_KEPT = "32"  # more than the products of a layer have shapes
KERNEL_VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")

for _name in KERNEL_VARIABLES:
    os.environ.setdefault(_name, KERNELS_KEPT)
