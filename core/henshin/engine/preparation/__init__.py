"""The preparation of a run: input files, output paths, fingerprint."""
