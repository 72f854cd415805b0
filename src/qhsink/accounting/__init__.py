"""Carbon accounting: plain arithmetic that a verifier can read and redo by hand.

Floats with units in, floats with units out; no array library, no files. Draws of
uncertain inputs are in ``estimation.propagate``; nouns in ``domain.carbon``.
"""
