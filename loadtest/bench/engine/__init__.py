"""The engine alone: `python -m loadtest.bench.engine.NAME`.

against_peers: its speed beside other libraries'. loading: seconds and memory of a load. On a GPU: `loadtest.bench.gpu`.
"""
