"""Indicators and verdicts: definitions as code, over values with standard errors.

Pure functions. Maps, tables, files and areas estimated from samples come from
elsewhere; carbon arithmetic is :mod:`qhsink.accounting`.
"""
