"""One function per artifact: reads inputs, calls science, stores the result.

Steps compose and never compute. They know the disk and the network, not the
orchestrator: ``flows/`` calls them, and so may a test or a notebook.
"""
