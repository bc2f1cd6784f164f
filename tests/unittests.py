"""What tests in Python end with: the total that tests/total.py reads."""

import sys
import unittest


def run_tests():
    outcome = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    bad = len(outcome.failures) + len(outcome.errors)
    skipped = len(outcome.skipped)
    print(f"hilo-tests: {outcome.testsRun - bad - skipped} passed, {bad} failed, {skipped} skipped")
    sys.exit(bad != 0)
