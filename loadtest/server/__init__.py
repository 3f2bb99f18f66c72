"""Servers on this machine, for load tests and for the tests: started as users start them, and gone afterwards."""
