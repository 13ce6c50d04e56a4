"""What is resolved before a run: input files, output names, fingerprints."""
