"""Scenarios of load with targets: `python -m loadtest.load.run steady`."""
