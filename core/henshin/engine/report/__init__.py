"""What a run tells its caller: progress, summary, dropped pictures."""
