"""Pixels to composites: masking, medians, peak dates, the offset guard.

Arrays in, arrays out. Files and catalogues belong to ``sources``.
"""
