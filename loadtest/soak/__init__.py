"""Hours of mixed load: whether memory, descriptors and latency stay where they are, and the ledger is right at the end.

`python -m loadtest.soak.run --minutes 60` (`make soak`).
"""
