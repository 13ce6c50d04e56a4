"""The report of a run: progress, summary, dropped pictures."""
