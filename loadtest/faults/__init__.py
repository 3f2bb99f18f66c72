"""What a client sees while a part of the service dies, hangs or is starved, and that no answer and no charge is wrong.

`python -m loadtest.faults.run` (`make faults`) does each fault of `faults.py` to a server under load. `oracle.py` knows
the right answers, `witnesses.py` ask and write down what they see, `verdict.py` judges it beside the ledger.
"""
