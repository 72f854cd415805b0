"""Estimates and maps -> tables, pictures, one page, COG files and a STAC catalogue.

Nothing here computes a result: every number arrives in a record and is only shown.
"""
