"""Where numbers are asked for: the vector database, its leaves and users' parcels.

Geometry and its files belong here; what a pixel or a number means does not.
"""
