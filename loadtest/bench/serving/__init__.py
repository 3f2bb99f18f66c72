"""The service around the engine: `python -m loadtest.bench.serving.NAME`.

edges: what a gateway does beside tokenising. overhead: served beside the bare engine. scaling: many replicas, and what
befalls them. overload: more than the device can do, by one tenant or many. feeding: what one replica's process can be
fed with, on a simulated GPU. calls: what a call from a gateway costs it.
"""
