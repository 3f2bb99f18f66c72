"""The engine on a GPU, proven and measured by one command: `python -m loadtest.bench.gpu`, or `make bench-gpu`.

It runs where there is torch, transformers and rich, and neither pydantic nor Ray. A part is a file with a function that
yields rows, `bench.py` has what all parts share, `run.py` the command. tests/gpu/ takes the checks among them as tests.
"""
