"""The engine alone: `python -m loadtest.bench.engine.NAME`.

against_peers: its speed beside other libraries'. gpu: the same on a CUDA device. loading: seconds and memory of a load.
"""
