"""The report of a study as one HTML file: what is in it, its chart, its diffs, its page."""
