"""The service around the engine: `python -m loadtest.bench.serving.NAME`.

edges: what a gateway does beside tokenising. overhead: served beside the bare engine. scaling: many replicas, and what
befalls them. overload: more than the device can do, by one tenant or many.
"""
