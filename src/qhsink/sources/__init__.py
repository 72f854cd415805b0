"""Where pixels come from: catalogues, the rules that read them, and the reading.

What pixels mean once they are clear (composites, indices) belongs to ``imagery``.
"""
